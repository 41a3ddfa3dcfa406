"""Backup: a database as it is at one moment, in a file, with what it takes to check it later."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from junov.config.postgres import POSTGRES_PORT
from junov.databases import Address
from junov.databases.dump import Snapshot, dump_command, end_dumps, snapshot
from junov.delivery.backups.copies import copies_of, copy_backups
from junov.delivery.backups.encryption import encrypting
from junov.delivery.backups.record import (
    Backup,
    backups_folder,
    backups_lock,
    free_name,
    keep,
    list_backups,
    make_folder,
    outdated,
    remove,
    remove_leftovers,
    unfinished_file,
)
from junov.delivery.backups.streams import as_it_is, command_line, megabytes, write_out
from junov.delivery.environments import EnvironmentView
from junov.delivery.generations import live_identity
from junov.delivery.provision import stamp_of
from junov.delivery.values import database_password
from junov.environments import Identity
from junov.errors import JunovError, StageError
from junov.locks import who
from junov.site import Site
from junov.steps import Steps


def back_up(
    site: Site,
    view: EnvironmentView,
    steps: Steps,
    *,
    wait: float | None = None,
    generation: int | None = None,
) -> dict[str, Any]:
    """Write an environment's live database to a file, and remove the backups that are too old.

    Args:
        site: the server.
        view: the environment.
        steps: shows what is done.
        wait: seconds to wait for another backup of this environment; an hour without.
        generation: of which generation of its database; of the live one without.

    Returns:
        The backup without its tables, and what was removed, for people and machines.

    Raises:
        StageError: the environment has no database, or the backup failed; then there is none.
        NotCopiedError: there is one, but not in the bucket.
        UnavailableError: Postgres does not answer or refuses.
        LockedError: another backup takes longer than `wait`.
    """
    # The environment's own turn isn't taken, and nobody waits for this: a dump reads one snapshot,
    # which neither readers nor writers notice, and a database that takes the place of this one
    # meanwhile leaves it there. Only a migration that alters a table waits until it has been read,
    # for no longer than its lock timeout. This lock keeps two backups from each other's leftovers.
    purpose = f"backup of {view.name}"
    with backups_lock(site, view.identity, steps, purpose=purpose, wait=wait):
        names = view.identity
        identity = names.at(generation) if generation else live_identity(site, names)
        _require_database(site, identity)
        own, limits = own_address(site, identity), site.server.postgres.backups
        name = free_name(site, identity, datetime.now(UTC))
        unfinished = unfinished_file(site, identity, name)
        with _or_nothing(view, unfinished, own):
            make_folder(unfinished.parent)
            remove_leftovers(site, identity)
            end_dumps(own)
            taken_at, began = datetime.now(UTC), time.monotonic()
            with snapshot(own) as moment:
                heads = moment.heads()
                with steps.step("dump", f"Dump {identity.database}") as step:
                    size, sha256 = _dump(site, identity, moment, unfinished, step.say)
                    step.note = megabytes(size)
                with steps.step("checksums", "Count and add up every table") as step:
                    tables = moment.table_sums(step.say)
                    step.note = f"{sum(each.rows for each in tables.values())} rows"
            backup = Backup(
                name=name,
                taken_at=taken_at.isoformat(timespec="seconds"),
                project=view.project,
                environment=view.name,
                database=identity.database,
                release=view.release,
                commit=view.commit,
                heads=heads,
                size_bytes=size,
                sha256=sha256,
                postgres=site.postgres.server_version(),
                seconds=round(time.monotonic() - began, 3),
                who=who(),
                tables=tables,
                encrypted_to=limits.encrypt_to,
            )
            with steps.step("keep", "Keep it") as step:
                keep(site, identity, backup)
                step.note = str(backups_folder(site, identity) / f"{name}.dump")
        # Of several generations none makes way for another.
        gone: list[Backup] = []
        with steps.step("prune", "Remove what is too old") as step:
            if generation is None:
                gone = outdated(list_backups(site, identity), limits, datetime.now(UTC))
            for each in gone:
                remove(site, identity, each)
            step.note = ", ".join(each.name for each in gone) or "nothing is"
        copies = copies_of(site, identity)
        if copies:
            copy_backups(site, identity, copies, backup, steps)
    said = backup.to_json()
    del said["tables"]
    return {
        **said,
        "removed": [each.name for each in gone],
        "copied_to": copies.place if copies else "",
    }


def own_address(site: Site, identity: Identity) -> Address:
    """How this machine reaches an environment's database as its own role."""
    port = site.part("postgres").ports[POSTGRES_PORT]
    password = database_password(site, identity)
    return Address("127.0.0.1", port, identity.role, password, identity.database)


def has_database(site: Site, identity: Identity) -> bool:
    """Whether there is a database of that name, and it is the environment's."""
    return stamp_of(site, identity).matches(site.postgres.stamp(identity.database))


def _require_database(site: Site, identity: Identity) -> None:
    if not has_database(site, identity):
        raise StageError(
            f"{identity.name} has no database that could be backed up",
            remedy="see what there is with: junov db ls",
        )


def _dump(
    site: Site,
    identity: Identity,
    moment: Snapshot,
    unfinished: Path,
    report: Callable[[str], None],
) -> tuple[int, str]:
    command = dump_command(identity.database, moment.name)
    argv = command_line(site, command)
    recipients = site.server.postgres.backups.encrypt_to
    unfinished.touch(mode=0o600)
    with unfinished.open("wb") as file:
        return write_out(
            argv,
            site.tools.env,
            database_password(site, identity),
            file,
            doing=f"dump {identity.database}",
            report=report,
            carry=encrypting(recipients) if recipients else as_it_is,
        )


@contextmanager
def _or_nothing(view: EnvironmentView, unfinished: Path, own: Address) -> Iterator[None]:
    """Whatever fails in the block leaves no part of a backup, and no dump that nobody reads."""
    try:
        yield
    except BaseException as failure:
        # What failed first is what has to be told; the next backup does both as well.
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        with suppress(JunovError):
            end_dumps(own)
        if isinstance(failure, OSError):
            raise StageError(
                f"the backup of {view.name} could not be written: {failure.strerror}",
                remedy=f"see that {unfinished.parent} may be written and its disk has room; no "
                "part of it was kept, and the backups that were there still are",
            ) from None
        raise
