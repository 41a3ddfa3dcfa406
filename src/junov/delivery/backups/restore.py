"""Restore and verify: what a backup holds, as an environment's database or as one to be looked at.

A file is opened once, checked, and read from there on, so what is restored is what was checked, and
a backup that is removed meanwhile is restored all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from shlex import quote
from typing import Any, BinaryIO

from junov.databases import Address
from junov.databases.checksums import differences
from junov.databases.dump import restore_command, sums_of
from junov.delivery.backups.backup import own_address
from junov.delivery.backups.copies import fetch_missing
from junov.delivery.backups.encryption import decrypting, read_keys
from junov.delivery.backups.record import Backup, dump_file, find_backup
from junov.delivery.backups.streams import (
    Carry,
    as_it_is,
    command_line,
    megabytes,
    read_in,
    sha256_of,
)
from junov.delivery.delivered import Delivered
from junov.delivery.environments import EnvironmentView
from junov.delivery.exchange import exchange
from junov.delivery.generations import live_identity, next_generation
from junov.delivery.migrations import migrate
from junov.delivery.provision import ensure_database, stamp_of
from junov.delivery.room import require_room
from junov.environments import Identity
from junov.environments.identity import verify_name
from junov.errors import StageError
from junov.locks import held
from junov.site import Site
from junov.steps import Step, Steps

_CONNECTIONS = 5


@dataclass(frozen=True, slots=True)
class VerifiedTable:
    """A table as a backup has it, and as it was when the backup was taken.

    Args:
        table: its name with its schema.
        rows: how many rows it had; None where there was no such table.
        restored_rows: how many it has now; likewise.
        same: whether they are as many, with the same checksum.
    """

    table: str
    rows: int | None
    restored_rows: int | None
    same: bool


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of restoring a backup to look at it.

    Args:
        environment: the environment's name.
        backup: the backup's name.
        tables: every table, by name.
    """

    environment: str
    backup: str
    tables: tuple[VerifiedTable, ...]

    @property
    def differs(self) -> tuple[str, ...]:
        """The names of the tables that are not what they were."""
        return tuple(each.table for each in self.tables if not each.same)

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {**asdict(self), "differs": self.differs}


@dataclass(frozen=True, slots=True)
class Dump:
    """The dump of a backup that was checked.

    Args:
        file: the file, at its start.
        carry: brings what is in it to whoever restores it.
    """

    file: BinaryIO
    carry: Carry


def restore(
    site: Site,
    view: EnvironmentView,
    backup: Backup,
    steps: Steps,
    *,
    wait: float | None = None,
) -> dict[str, Any]:
    """Give an environment a database with what a backup holds, brought up by its own migrations.

    Args:
        site: the server.
        view: the environment.
        backup: one of its backups.
        steps: shows what is done.
        wait: seconds to wait for another run in this environment; an hour without.

    Returns:
        As `exchange`.

    Raises:
        NotFoundError: the backup has gone.
        StageError: its file is damaged, or as `exchange`; the old database stays the live one.
        Others as `exchange`.
    """
    with checked(site, view.identity, backup, steps) as dump:

        def restored(delivered: Delivered, commit: str, steps: Steps) -> None:
            del commit
            identity = delivered.environment.identity
            with steps.step("database", "Database") as step:
                like = live_identity(site, identity).database
                require_room(site, [like], at_least=backup.size_bytes)
                step.note = str(
                    ensure_database(site, delivered.environment, delivered.project, kind="new")
                )
            with steps.step("restore", f"Restore {backup.name}") as step:
                _restore(site, own_address(site, identity), dump, step)
                site.postgres.mark_filled(identity.database)
            with steps.step("migrate", "Migrate") as step:
                migrate(site, delivered, step)

        return exchange(
            site,
            view,
            steps,
            purpose=f"restore of {view.name}",
            choose=lambda live: next_generation(site, live),
            fill=restored,
            wait=wait,
        )


def verify(
    site: Site,
    view: EnvironmentView,
    backup: Backup,
    steps: Steps,
    *,
    wait: float | None = None,
) -> Verified:
    """Restore a backup into a database of its own, compare every table, and remove it again.

    Args:
        site: the server.
        view: the environment.
        backup: one of its backups.
        steps: shows what is done.
        wait: seconds to wait for another verification of this environment; an hour without.

    Raises:
        NotFoundError: the backup has gone.
        StageError: its file is damaged, or can't be restored.
        UnavailableError: Postgres does not answer or refuses.
        LockedError: another verification takes longer than `wait`.
    """
    with (
        held(
            site.home.locks_folder,
            f"{view.identity.lock}_verify",
            purpose=f"verification of {view.name}",
            wait=3600 if wait is None else wait,
            waiting=steps.saying("verify"),
        ),
        checked(site, view.identity, backup, steps) as dump,
        _scratch(site, view.identity) as own,
    ):
        with steps.step("restore", f"Restore it into {own.database}") as step:
            _restore(site, own, dump, step)
        with steps.step("checksums", "Compare every table") as step:
            found = sums_of(own, step.say)
            differing = differences(backup.tables, found)
            step.note = f"{len(differing)} differ" if differing else "all are the same"
    tables = []
    for name in sorted({*backup.tables, *found}):
        before, now = backup.tables.get(name), found.get(name)
        tables.append(
            VerifiedTable(
                table=name,
                rows=before.rows if before else None,
                restored_rows=now.rows if now else None,
                same=name not in differing,
            )
        )
    return Verified(view.name, backup.name, tuple(tables))


@contextmanager
def checked(site: Site, identity: Identity, backup: Backup, steps: Steps) -> Iterator[Dump]:
    """The dump of a backup for the time of a `with` block, if it is what was written.

    Raises:
        NotFoundError: it has gone.
        StageError: it is damaged, or can't be read; or it is encrypted, and the key for it isn't
            there.
    """
    path = dump_file(site, identity, backup.name)
    again = f"take another backup: junov db backup {quote(identity.name)}"
    fetch_missing(site, identity, backup, steps)
    try:
        file = path.open("rb")
    except FileNotFoundError:
        find_backup(site, identity, backup.name)
        raise
    with file:
        with steps.step("file", "Check the file") as step:
            try:
                size, sha256 = sha256_of(file, step.say)
            except OSError as error:
                raise StageError(
                    f"the backup {path} can't be read: {error.strerror}", remedy=again
                ) from None
            if (size, sha256) != (backup.size_bytes, backup.sha256):
                raise StageError(
                    f"the backup {path} is damaged: it has {size} bytes with the SHA-256 {sha256}, "
                    f"written were {backup.size_bytes} with {backup.sha256}",
                    remedy=f"use an older one, or {again}",
                )
            step.note = megabytes(size)
            carry: Carry = as_it_is
            if backup.encrypted_to:
                carry = decrypting(read_keys(site), file)
                step.note += ", encrypted"
        yield Dump(file, carry)


@contextmanager
def _scratch(site: Site, identity: Identity) -> Iterator[Address]:
    """An empty database that is no environment's, removed in the end.

    Its name is no generation's, and nobody is ever told its role's password. It bears the stamp of
    the environment, and a run that is killed leaves it to the next verification.
    """
    name = verify_name(identity.first_database)
    stamp = replace(stamp_of(site, identity, "new"), filled=True)
    own = replace(
        own_address(site, identity),
        user=name,
        database=name,
        password=site.password("verify", *identity.secret_scope),
    )
    site.postgres.drop_generation(name, stamp)
    try:
        site.postgres.ensure(
            database=name,
            role=name,
            password=own.password,
            connections=_CONNECTIONS,
            stamp=stamp,
        )
        yield own
    finally:
        site.postgres.drop_generation(name, stamp)


def _restore(site: Site, own: Address, dump: Dump, step: Step) -> None:
    argv = command_line(site, restore_command(own.database))
    read_in(
        argv,
        site.tools.env,
        own.password,
        dump.file,
        doing=f"restore into {own.database}",
        report=step.say,
        carry=dump.carry,
    )
    step.note = f"into {own.database}"
