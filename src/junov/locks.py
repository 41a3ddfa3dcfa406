"""Locks that die with their holder: one for each environment, one for the server.

The kernel frees a file lock when its process ends, however it ends, so no lock is ever left
behind. Beside the lock stands a note that says who holds it; it is a courtesy and decides nothing.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from junov.config.fields import format_duration
from junov.errors import LockedError

_LOOK_AGAIN_SECONDS = 0.1


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
) -> Iterator[None]:
    """Hold a lock while the block runs.

    Args:
        folder: where lock files are.
        name: what is locked.
        purpose: what for, told to whoever waits.
        wait: seconds to wait for another holder; 0 fails at once.
        waiting: told once who holds it, before waiting.

    Raises:
        LockedError: it is held by another run for longer than `wait`.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(folder / f"{name}.lock", mode=0o600)
    note = folder / f"{name}.holder"
    deadline = time.monotonic() + wait
    try:
        lock.acquire(timeout=0)
    except Timeout:
        holder = _holder(note)
        if wait <= 0:
            raise LockedError(
                f"{name} is held by {holder}", remedy="wait for it, or leave out --no-wait"
            ) from None
        if waiting:
            waiting(f"waiting for {holder}")
        try:
            lock.acquire(
                timeout=max(0.0, deadline - time.monotonic()), poll_interval=_LOOK_AGAIN_SECONDS
            )
        except Timeout:
            raise LockedError(
                f"{name} is still held by {_holder(note)} after {format_duration(wait)}",
                remedy="look whether that run hangs; ending it frees the lock",
            ) from None
    try:
        note.write_text(
            json.dumps(
                {
                    "who": who(),
                    "pid": os.getpid(),
                    "purpose": purpose,
                    "since": datetime.now(UTC).isoformat(timespec="seconds"),
                }
            ),
            encoding="utf-8",
        )
        yield
    finally:
        with suppress(OSError):
            note.unlink()
        lock.release()


def _holder(note: Path) -> str:
    try:
        said = json.loads(note.read_text(encoding="utf-8"))
        return f"{said['who']} (process {said['pid']}, {said['purpose']}, since {said['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another run"
