"""Folders that live as long as one run: what is exported from git, and stacks of test runs.

A run that is killed cannot clean up after itself. Each folder is therefore named after the process
that made it, and the next run removes those whose process is gone.
"""

from __future__ import annotations

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
    path = Path(
        tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-{_born(os.getpid())}-", dir=parent)
    )
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def of_this_run() -> list[Path]:
    """The folders that this process made and has not removed yet, and nothing else."""
    mine = os.getpid()
    return sorted(_parent().glob(f"{_PREFIX}{mine}-{_born(mine)}-*"))


def _parent() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "junov" / "runs"


def _remove_left_over(parent: Path) -> None:
    for path in parent.glob(f"{_PREFIX}*"):
        pid, born = path.name.removeprefix(_PREFIX).split("-")[:2]
        if _born(int(pid)) != born:
            shutil.rmtree(path, ignore_errors=True)


def _born(pid: int) -> str:
    """When a process began, in clock ticks since boot, so that a reused pid is told apart."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        return stat.rpartition(")")[2].split()[19]
    except OSError:
        return "gone"
