"""Copies of backups in a bucket: made after each backup, and fetched where only they are left.

In the bucket a backup is what it is here: `<prefix><project>_<environment>/<UTC time>.dump`, and
beside it a JSON that is written last.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from configparser import ConfigParser
from configparser import Error as IniError
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from junov.buckets import Bucket, Credentials
from junov.delivery.backups.private import read_private
from junov.delivery.backups.record import (
    Backup,
    as_backup,
    as_text,
    backups_lock,
    chosen,
    dump_file,
    is_name,
    keep,
    list_backups,
    make_folder,
    newest_first,
    outdated,
    unfinished_file,
)
from junov.delivery.backups.streams import megabytes
from junov.environments import Identity
from junov.errors import JunovError, StageError
from junov.secret import Secret
from junov.site import Site
from junov.steps import Steps


class NotCopiedError(StageError):
    """A backup was taken, but isn't in the bucket."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A backup, and where it is.

    Args:
        backup: the backup.
        is_here: whether it is on this server.
        is_in_bucket: whether it is in the bucket.
    """

    backup: Backup
    is_here: bool
    is_in_bucket: bool

    @property
    def where(self) -> list[str]:
        """The places, as `db backups` names them."""
        places = (("here", self.is_here), ("s3", self.is_in_bucket))
        return [name for name, is_there in places if is_there]

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {**self.backup.to_json(), "where": self.where}


class Copies:
    """An environment's backups in the bucket.

    Args:
        bucket: the bucket.
        prefix: what the environment's keys begin with.
    """

    def __init__(self, bucket: Bucket, prefix: str) -> None:
        self._bucket, self._prefix = bucket, prefix

    @property
    def place(self) -> str:
        """Where they are, as a person is told it."""
        return f"s3://{self._bucket.name}/{self._prefix}"

    def list(self) -> list[Backup]:
        """Which there are, the newest first; what isn't whole or is of another format is not.

        Raises:
            UnavailableError: the bucket doesn't answer or refuses.
        """
        sizes = self._bucket.sizes(self._prefix)
        found = []
        for key in sizes:
            name, _, ending = key.removeprefix(self._prefix).rpartition(".")
            if ending == "json" and self._dump(name) in sizes:
                backup = as_backup(self._bucket.get(key), name)
                if backup and backup.size_bytes == sizes[self._dump(name)]:
                    found.append(backup)
        return newest_first(found)

    def add(
        self, site: Site, identity: Identity, backup: Backup, say: Callable[[str], None]
    ) -> None:
        """Copy a backup that is here into the bucket, the JSON last.

        Raises:
            UnavailableError: the bucket doesn't answer or refuses.
            OSError: the file can't be read.
        """
        told = _Told(say, "copied")
        self._bucket.put_file(
            self._dump(backup.name), dump_file(site, identity, backup.name), told.more
        )
        self._bucket.put(self._record(backup.name), as_text(backup).encode())

    def fetch(
        self, site: Site, identity: Identity, backup: Backup, say: Callable[[str], None]
    ) -> None:
        """Let a backup that is in the bucket be one that is here; the backups' lock is held.

        Raises:
            NotFoundError: it has gone.
            UnavailableError: the bucket doesn't answer or refuses.
        """
        unfinished = unfinished_file(site, identity, backup.name)
        make_folder(unfinished.parent)
        unfinished.touch(mode=0o600)
        try:
            with unfinished.open("wb") as file:
                self._bucket.get_file(self._dump(backup.name), file, _Told(say, "fetched").more)
            keep(site, identity, backup)
        finally:
            unfinished.unlink(missing_ok=True)

    def remove(self, backup: Backup) -> None:
        """Remove a backup from the bucket: first what makes it one."""
        self._bucket.remove(self._record(backup.name))
        self._bucket.remove(self._dump(backup.name))

    def remove_leftovers(self, here: Collection[str]) -> None:
        """Remove dumps that killed runs have left without a JSON.

        Args:
            here: the names of the backups on this server, which are copied again.
        """
        sizes = self._bucket.sizes(self._prefix)
        for key in sizes:
            name, _, ending = key.removeprefix(self._prefix).rpartition(".")
            is_one = ending == "dump" and is_name(name)
            if is_one and self._record(name) not in sizes and name not in here:
                self._bucket.remove(key)

    def _dump(self, name: str) -> str:
        return f"{self._prefix}{name}.dump"

    def _record(self, name: str) -> str:
        return f"{self._prefix}{name}.json"


def copies_of(site: Site, identity: Identity) -> Copies | None:
    """An environment's backups in the bucket; None where `server.yaml` has no bucket.

    Raises:
        StageError: the file with the credentials can't be used.
    """
    s3 = site.server.postgres.backups.s3
    if s3.bucket is None:
        return None
    credentials = _credentials(site, s3.credentials_file) if s3.credentials_file else None
    bucket = Bucket(s3.bucket, endpoint=s3.endpoint, region=s3.region, credentials=credentials)
    return Copies(bucket, f"{s3.prefix}{identity.folder}/")


def copy_backups(
    site: Site, identity: Identity, copies: Copies, backup: Backup, steps: Steps
) -> None:
    """Copy a new backup into the bucket, and with it those that aren't there yet.

    What is too old is removed there as well. The lock of the backups is held.

    Args:
        site: the server.
        identity: the environment.
        copies: its backups in the bucket.
        backup: the new one.
        steps: shows what is done.

    Raises:
        NotCopiedError: it isn't in the bucket; here it is.
    """
    limits = site.server.postgres.backups
    here = list_backups(site, identity)
    failed = f"the backup {backup.name} of {identity.name} is on this server only"
    try:
        with steps.step("copy", f"Copy it to {copies.place}") as step:
            there = copies.list()
            names = {each.name for each in there}
            # Those that failed before. What is from the time before encryption stays here.
            missing = [
                each
                for each in here
                if each.name not in names and bool(each.encrypted_to) == bool(limits.encrypt_to)
            ]
            for each in missing:
                step.say(each.name)
                copies.add(site, identity, each, step.say)
            step.note = ", ".join(each.name for each in missing)
        failed = f"in {copies.place} could not be removed what is too old"
        with steps.step("prune-copies", "Remove there what is too old") as step:
            gone = outdated([*there, *missing], limits, datetime.now(UTC))
            for each in gone:
                copies.remove(each)
            copies.remove_leftovers({each.name for each in here})
            step.note = ", ".join(each.name for each in gone) or "nothing is"
    except (JunovError, OSError) as error:
        if not isinstance(error, JunovError):
            error = StageError(str(error), remedy="see what the disk and its rights say")
        raise NotCopiedError(
            f"{failed}: {error.message}",
            remedy=f"{error.remedy}; the next backup of {identity.name} does what is left",
        ) from None


def list_stored(site: Site, identity: Identity, warn: Callable[[str], None]) -> list[Stored]:
    """An environment's backups, here and in the bucket, the newest first.

    Args:
        site: the server.
        identity: the environment.
        warn: told where the bucket can't be looked into; then it is those that are here.
    """
    here = {each.name: each for each in list_backups(site, identity)}
    there: dict[str, Backup] = {}
    try:
        if copies := copies_of(site, identity):
            there = {each.name: each for each in copies.list()}
    except JunovError as error:
        warn(f"{error.message}; these are the backups on this server")
    return [
        Stored(each, each.name in here, each.name in there)
        for each in newest_first((there | here).values())
    ]


def find_stored(
    site: Site, identity: Identity, name: str | None, warn: Callable[[str], None]
) -> Backup:
    """A backup of an environment by its name, here or in the bucket; the newest without one.

    Args:
        site: the server.
        identity: the environment.
        name: its name.
        warn: as for `list_stored`.

    Raises:
        NotFoundError: there is no such backup.
    """
    here = [each for each in list_backups(site, identity) if each.name == name]
    found = here or [each.backup for each in list_stored(site, identity, warn)]
    return chosen(found, identity, name)


def fetch_missing(site: Site, identity: Identity, backup: Backup, steps: Steps) -> None:
    """Fetch a backup from the bucket, where it isn't here.

    Raises:
        NotFoundError: it isn't there either.
        UnavailableError: the bucket doesn't answer or refuses.
        LockedError: a backup of this environment takes longer than an hour.
    """
    if dump_file(site, identity, backup.name).is_file():
        return
    copies = copies_of(site, identity)
    if copies is None:
        return
    with (
        steps.step("fetch", f"Fetch {backup.name} from {copies.place}") as step,
        backups_lock(site, identity, steps, purpose=f"fetching a backup of {identity.name}"),
    ):
        try:
            copies.fetch(site, identity, backup, step.say)
        except OSError as error:
            folder = dump_file(site, identity, backup.name).parent
            raise StageError(
                f"the backup {backup.name} could not be fetched: {error.strerror}",
                remedy=f"see that {folder} may be written and its disk has room",
            ) from None
        step.note = megabytes(backup.size_bytes)


def _credentials(site: Site, named: str) -> Credentials:
    """The default ones of a file in the format of `~/.aws/credentials`.

    https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-files.html
    """
    key = "postgres.backups.s3.credentials_file"
    path, text = read_private(site, named, what="file with credentials", key=key)
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
        default = parser["default"]
        return Credentials(default["aws_access_key_id"], Secret(default["aws_secret_access_key"]))
    except (IniError, KeyError):
        raise StageError(
            f"the file with credentials {path} has no aws_access_key_id and aws_secret_access_key "
            "under [default]",
            remedy=f"write it as ~/.aws/credentials is written, or leave `{key}` out and set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ) from None


class _Told:
    """Says now and then how much has gone over; several threads tell it."""

    def __init__(self, say: Callable[[str], None], word: str) -> None:
        self._say, self._word = say, word
        self._lock, self._size, self._said = threading.Lock(), 0, 0

    def more(self, size: int) -> None:
        """So many bytes more have."""
        with self._lock:
            self._size += size
            if self._size - self._said >= _SAID_BYTES:
                self._said = self._size
                self._say(f"{megabytes(self._size)} {self._word}")


_SAID_BYTES = 100 * 10**6
