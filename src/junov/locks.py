"""Locks that die with their holder: one for each environment, one for the server.

The kernel frees a file lock when its process ends, however it ends, so no lock is ever left
behind. Beside the lock stands a note that says who holds it, and there may be a list of those who
wait for it. Both are courtesies: where they can't be written or read, the lock works all the same.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from junov.config.fields import format_duration
from junov.errors import LockedError

_LOOK_AGAIN_SECONDS = 0.1
_ENTRY_BYTES = 4096


def who() -> str:
    """Who runs junov: GitLab's user in a job, else the login name and the machine."""
    if os.environ.get("GITLAB_USER_LOGIN"):
        return os.environ["GITLAB_USER_LOGIN"]
    try:
        user = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


@contextmanager
def held(
    folder: Path,
    name: str,
    *,
    purpose: str,
    wait: float = 3600,
    waiting: Callable[[str], None] | None = None,
    give_way: Callable[[], None] | None = None,
) -> Iterator[None]:
    """Hold a lock while the block runs.

    Args:
        folder: where lock files are.
        name: what is locked.
        purpose: what for, told to whoever waits.
        wait: seconds to wait for other holders; 0 fails at once.
        waiting: told who holds it, when the waiting begins and whenever another run has got it.
        give_way: asked ten times a second while waiting, and once more with the lock in hand if
            there was any waiting. What it raises ends the waiting, and the lock isn't held.

    Raises:
        LockedError: it is held by other runs for longer than `wait`.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(folder / f"{name}.lock", mode=0o600)
    note = folder / f"{name}.holder"
    waited = False
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if wait <= 0:
            raise LockedError(
                f"{name} is held by {_said(_read(note))}",
                remedy="wait for it, or leave out --no-wait",
            ) from None
        waited = True
        look = _looking(note, waiting, give_way)
        try:
            lock.acquire(timeout=wait, poll_interval=_LOOK_AGAIN_SECONDS, cancel_check=look)
        except Timeout:
            raise LockedError(
                f"{name} is still held by {_said(_read(note))} after {format_duration(wait)}",
                remedy="look whether that run hangs; ending it frees the lock",
            ) from None
    try:
        if waited and give_way:
            give_way()
        with suppress(OSError):
            note.write_text(json.dumps(_facts(purpose)), encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            note.unlink()
        lock.release()


@dataclass(frozen=True, slots=True)
class WaitingList:
    """Those who wait for a lock, and what each of them lets the others know.

    An entry is a file that its run holds locked, so the entry of a run that was killed is known to
    be dead, and whoever looks removes it.

    Args:
        folder: where lock files are.
        name: what is locked.
    """

    folder: Path
    name: str

    @contextmanager
    def joined(self, purpose: str, **more: str) -> Iterator[None]:
        """Stand in the list while the block runs.

        Args:
            purpose: what the lock is wanted for.
            more: whatever else the others may want to know, in all at most about 3,000 bytes.
        """
        with ExitStack() as leaving:
            with suppress(OSError):
                self._enter(json.dumps(_facts(purpose) | more).encode(), leaving)
            yield

    def living(self) -> list[Mapping[str, Any]]:
        """What those who wait now let others know: `who`, `pid`, `purpose`, `since` and more.

        Entries that say nothing readable are left out, and those of runs that are gone removed.
        """
        found = (_read_living(path) for path in self.folder.glob(f"{self.name}.waiting-*"))
        return [entry for entry in found if isinstance(entry, dict)]

    def _enter(self, said: bytes, leaving: ExitStack) -> None:
        while True:
            token = f"{os.getpid()}-{secrets.token_hex(4)}"
            path = self.folder / f"{self.name}.waiting-{token}"
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            leaving.callback(_leave, path, descriptor)
            # Whoever looks just now takes the file for dead, and has locked or removed it.
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(descriptor).st_nlink:
                    os.write(descriptor, said)
                    return


def _leave(path: Path, descriptor: int) -> None:
    try:
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _read_living(path: Path) -> Any:
    """What an entry says; None where its run is gone, and then the entry as well."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        # Shared, so that two who look at once don't take each other for a living run.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        with suppress(OSError, ValueError):
            return json.loads(os.read(descriptor, _ENTRY_BYTES))
    except OSError:
        pass  # it can't be removed: something else's, or another user's
    finally:
        os.close(descriptor)
    return None


def _looking(
    note: Path, waiting: Callable[[str], None] | None, give_way: Callable[[], None] | None
) -> Callable[[], bool]:
    """What is done at each look at the lock; it never cancels the waiting but by raising."""
    told: list[Any] = []

    def look() -> bool:
        if give_way:
            give_way()
        holder = _read(note)
        # Between two holders there is no note, and that is no news.
        if waiting and (not told or (holder and holder != told[-1])):
            told.append(holder)
            waiting(f"waiting for {_said(holder)}")
        return False

    return look


def _facts(purpose: str) -> dict[str, Any]:
    return {
        "who": who(),
        "pid": os.getpid(),
        "purpose": purpose,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _read(note: Path) -> Any:
    try:
        return json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _said(holder: Any) -> str:
    try:
        since = datetime.fromisoformat(holder["since"])
        # The clock may have been set back meanwhile.
        seconds = max(0.0, (datetime.now(UTC) - since).total_seconds())
        return (
            f"{holder['who']} (process {holder['pid']}, {holder['purpose']}, "
            f"since {holder['since']}, for {format_duration(seconds)})"
        )
    except (KeyError, TypeError, ValueError):
        return "another run"
