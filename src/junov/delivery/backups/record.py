"""Backups as files: `<UTC time>.dump`, and beside it `<UTC time>.json` with what is in it.

The JSON is written last. So whatever a killed or failed run has left, only what has both is a
backup.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shlex import quote
from typing import Any

from junov.config.home import write_private
from junov.config.postgres import Backups
from junov.databases.checksums import LARGE_OBJECTS, TableSum
from junov.environments import Identity
from junov.errors import NotFoundError
from junov.locks import held
from junov.site import Site
from junov.steps import Steps

FORMAT = 1

_NAME = r"\d{8}T\d{6}Z(?:-\d+)?"
# What is being written, by `write_private` as well, begins with a dot.
_OURS = re.compile(rf"(?P<name>{_NAME})\.(?:dump|json)|\.{_NAME}\.(?:dump|json)\..+")


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup.

    Args:
        name: what it is called: when it was taken, in UTC, such as `20261123T130500Z`.
        taken_at: likewise, as ISO 8601; what was written to the database until then is in it.
        project: the project's name.
        environment: the environment's name.
        database: the database that it is of.
        release: the release that served; None where nothing did.
        commit: that release's commit; empty where nothing served.
        heads: where the migrations stood.
        size_bytes: the size of the file, as it lies there.
        sha256: the SHA-256 of the file, in hexadecimal.
        postgres: the version of the Postgres that it was taken from.
        seconds: how long it took, from that moment on.
        who: who took it.
        tables: what was in each table, by its name with its schema.
        encrypted_to: the public keys (age) that it is encrypted to; none where it is not.
    """

    name: str
    taken_at: str
    project: str
    environment: str
    database: str
    release: int | None
    commit: str
    heads: tuple[str, ...]
    size_bytes: int
    sha256: str
    postgres: str
    seconds: float
    who: str
    tables: dict[str, TableSum]
    encrypted_to: tuple[str, ...] = ()

    @property
    def moment(self) -> datetime:
        """When it was taken."""
        return datetime.fromisoformat(self.taken_at)

    @property
    def ended_at(self) -> datetime:
        """When it was there, after all that it took."""
        return self.moment + timedelta(seconds=self.seconds)

    @property
    def table_count(self) -> int:
        """How many tables it has."""
        return len(self.tables.keys() - {LARGE_OBJECTS})

    def to_json(self) -> dict[str, Any]:
        """What stands in the JSON, and what `--json` prints."""
        return {"format": FORMAT, **asdict(self)}


def backups_folder(site: Site, identity: Identity) -> Path:
    """The folder with an environment's backups. It stays when the environment is removed."""
    return site.home.backups_folder / identity.folder


def dump_file(site: Site, identity: Identity, name: str) -> Path:
    """The dump of a backup."""
    return backups_folder(site, identity) / f"{name}.dump"


def unfinished_file(site: Site, identity: Identity, name: str) -> Path:
    """The dump of a backup while it is written."""
    return backups_folder(site, identity) / f".{name}.dump.unfinished"


def list_backups(site: Site, identity: Identity) -> list[Backup]:
    """The backups of an environment, the newest first; files of another format are passed over."""
    found = map(_read, backups_folder(site, identity).glob("*.json"))
    there = (each for each in found if each and dump_file(site, identity, each.name).is_file())
    return newest_first(there)


def newest_first(backups: Iterable[Backup]) -> list[Backup]:
    """Backups in the order in which they are listed."""
    return sorted(backups, key=lambda each: (each.moment, each.name), reverse=True)


def find_backup(site: Site, identity: Identity, name: str | None) -> Backup:
    """A backup of an environment that is here, by its name; the newest without one.

    Raises:
        NotFoundError: there is no such backup.
    """
    return chosen(list_backups(site, identity), identity, name)


def chosen(found: Sequence[Backup], identity: Identity, name: str | None) -> Backup:
    """One of an environment's backups, by its name; the first without one.

    Raises:
        NotFoundError: there is no such backup.
    """
    if not found:
        raise NotFoundError(
            f"there is no backup of {identity.name}",
            remedy=f"make one with: junov db backup {quote(identity.name)}",
        )
    for each in found:
        if name in (None, each.name):
            return each
    raise NotFoundError(
        f"there is no backup {name} of {identity.name}",
        remedy=f"see those that there are with: junov db backups {quote(identity.name)}",
    )


def free_name(site: Site, identity: Identity, now: datetime) -> str:
    """What a backup of this moment is called; its lock is held."""
    name = first = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    number = 1
    while dump_file(site, identity, name).exists():
        number += 1
        name = f"{first}-{number}"
    return name


@contextmanager
def backups_lock(
    site: Site, identity: Identity, steps: Steps, *, purpose: str, wait: float | None = None
) -> Iterator[None]:
    """Keeps runs that write an environment's backups from each other's unfinished files.

    Args:
        site: the server.
        identity: the environment.
        steps: told who holds it.
        purpose: what for, told to whoever waits.
        wait: seconds to wait; an hour without.

    Raises:
        LockedError: another run holds it for longer.
    """
    with held(
        site.home.locks_folder,
        f"{identity.lock}_backups",
        purpose=purpose,
        wait=3600 if wait is None else wait,
        waiting=steps.saying("backup"),
    ):
        yield


def is_name(text: str) -> bool:
    """Whether a backup can be called that."""
    return re.fullmatch(_NAME, text) is not None


def make_folder(folder: Path) -> None:
    """Make the folder of an environment's backups, closed to others."""
    for each in (folder.parent, folder):
        each.mkdir(parents=True, exist_ok=True, mode=0o700)


def keep(site: Site, identity: Identity, backup: Backup) -> None:
    """Let a dump that is written become a backup; a power failure after this loses neither file."""
    unfinished = unfinished_file(site, identity, backup.name)
    unfinished.replace(dump_file(site, identity, backup.name))
    _sync(unfinished.parent)
    record = unfinished.with_name(f"{backup.name}.json")
    write_private(record, as_text(backup))
    _sync(record)
    _sync(unfinished.parent)


def remove_leftovers(site: Site, identity: Identity) -> list[str]:
    """Remove what failed and killed runs have left; the lock of the backups is held.

    Returns:
        The names of the files.
    """
    folder = backups_folder(site, identity)
    whole = {each.name for each in list_backups(site, identity)}
    gone = []
    for path in sorted(folder.glob("*")):
        ours = _OURS.fullmatch(path.name)
        # A record that can't be read may be another version's: its dump stays.
        of_another = ours and ours["name"] and path.with_suffix(".json").exists()
        if ours and ours["name"] not in whole and not of_another:
            path.unlink()
            gone.append(path.name)
    return gone


def remove(site: Site, identity: Identity, backup: Backup) -> None:
    """Remove a backup: first what makes it one."""
    dump = dump_file(site, identity, backup.name)
    dump.with_suffix(".json").unlink(missing_ok=True)
    dump.unlink(missing_ok=True)


def outdated(backups: Sequence[Backup], limits: Backups, now: datetime) -> list[Backup]:
    """Which backups are to go: too many, or too old. The newest always stays.

    Args:
        backups: all that there are of one environment.
        limits: what `server.yaml` says.
        now: the time.
    """
    oldest = now - timedelta(seconds=limits.time)
    return [
        each
        for index, each in enumerate(newest_first(backups))
        if index and (index >= limits.count or each.moment < oldest)
    ]


def as_text(backup: Backup) -> str:
    """What stands in the JSON."""
    return json.dumps(backup.to_json(), indent=2)


def as_backup(text: str | bytes, name: str) -> Backup | None:
    """The backup of a JSON; None where that is no JSON of a backup of this name and format."""
    try:
        data = json.loads(text)
        if data.pop("format") != FORMAT or data["name"] != name or not is_name(name):
            return None
        data["tables"] = {table: TableSum(**each) for table, each in data["tables"].items()}
        for listed in ("heads", "encrypted_to"):
            # Earlier versions of junov encrypted nothing, and don't say so.
            data[listed] = tuple(data.get(listed, ()))
        backup = Backup(**data)
        return backup if backup.moment.tzinfo else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _read(path: Path) -> Backup | None:
    try:
        return as_backup(path.read_bytes(), path.stem)
    except OSError:
        return None


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
