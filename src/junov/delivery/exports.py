"""Folders that live as long as one run: what is exported from git, and stacks of test runs.

A run that is killed cannot clean up after itself. Each folder is therefore locked by the process
that made it, for as long as it lives, and the next run removes those that nobody has locked. A
process number would not do: runs in containers that share a home each have numbers of their own.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "run-"


@contextmanager
def folder() -> Iterator[Path]:
    """A new folder, closed to others, that is removed at the end of the block."""
    parent = _parent()
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _remove_left_over(parent)
    path, lock = _made(parent)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def of_this_run() -> list[Path]:
    """The folders that this process made and has not removed yet, and nothing else."""
    return sorted(_parent().glob(f"{_prefix()}*"))


def _parent() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "junov" / "runs"


def _prefix() -> str:
    return f"{_PREFIX}{os.getpid()}-{_born()}-"


def _made(parent: Path) -> tuple[Path, int]:
    """A new folder, and the descriptor that keeps it locked."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_prefix(), dir=parent))
        lock = _locked(path)
        if lock is not None and path.exists():
            return path, lock
        if lock is not None:  # another run has just taken it for a left one, and removed it
            os.close(lock)


def _remove_left_over(parent: Path) -> None:
    for path in parent.glob(f"{_PREFIX}*"):
        lock = _locked(path)
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)


def _locked(path: Path) -> int | None:
    """The descriptor of a folder that nobody else has locked; None where somebody has."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _born() -> str:
    """When this process began, in clock ticks since boot, so that a reused pid is told apart."""
    try:
        stat = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace")
        return stat.rpartition(")")[2].split()[19]
    except OSError:
        return "unknown"
