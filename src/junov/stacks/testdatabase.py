"""The database of a test run: its data in memory, and nothing kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

_HOME = PurePosixPath("/var/lib/postgresql")
# Nothing here has to survive a crash (https://www.postgresql.org/docs/15/non-durability.html).
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def in_memory(service: Mapping[str, Any]) -> dict[str, Any]:
    """A database service with its data folder on tmpfs.

    Args:
        service: the service of the resolved model. Its volumes at the data folder, above or below
            it are left out; an image named `postgres` without a command of its own is also told
            not to wait for the disk.
    """
    folder = _data_folder(service)
    changed = {
        **service,
        "volumes": [
            mount
            for mount in service.get("volumes") or ()
            if not _overlap(PurePosixPath(mount.get("target", "")), folder)
        ],
        "tmpfs": [
            *(
                mount
                for mount in service.get("tmpfs") or ()
                if not _overlap(PurePosixPath(mount.partition(":")[0]), folder)
            ),
            str(folder),
        ],
    }
    if _repository(service).rpartition("/")[2] == "postgres" and not service.get("command"):
        settings = [word for setting in _FAST for word in ("-c", setting)]
        changed["command"] = ["postgres", *settings]
    return changed


def _data_folder(service: Mapping[str, Any]) -> PurePosixPath:
    pgdata = (service.get("environment") or {}).get("PGDATA")
    if pgdata:
        return PurePosixPath(pgdata)
    # Since 18 the official image keeps its data in a folder of the version below this one.
    version = str(service.get("image", "")).partition("@")[0].rpartition(":")[2]
    major = version.partition("-")[0].partition(".")[0]
    return _HOME if major.isdigit() and int(major) >= 18 else _HOME / "data"


def _repository(service: Mapping[str, Any]) -> str:
    name = str(service.get("image", "")).partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def _overlap(one: PurePosixPath, other: PurePosixPath) -> bool:
    return one == other or one in other.parents or other in one.parents
