"""The machine that was measured on, and whether it is quiet."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

from junov.site import Site

QUIET = 0.25
QUIET_SECONDS = 60.0
_WINDOW_SECONDS = 1.0


def describe(site: Site) -> dict[str, str]:
    """What figures depend on, for people."""
    tools = site.tools
    return {
        "CPU": processor(Path("/proc/cpuinfo").read_text(encoding="utf-8")),
        "cores": str(cores()),
        "memory": f"{memory_bytes() / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "engine": f"Docker {site.engine.version()}",
        "Compose": tools.compose_version,
        "Python": platform.python_version(),
        "load average at the start": " ".join(f"{each:.2f}" for each in os.getloadavg()),
    }


def processor(cpuinfo: str) -> str:
    """The processor's name in the text of `/proc/cpuinfo`; not every architecture has one there."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


def memory_bytes() -> int:
    """The machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def settle(say: Callable[[str], None], seconds: float = QUIET_SECONDS) -> float:
    """Wait until the machine has next to nothing to do, or the time is up.

    Args:
        say: told where it never was quiet.
        seconds: how long to wait at most.

    Returns:
        Which part of the cores was busy in the last second, from 0 to 1.
    """
    deadline = time.monotonic() + seconds
    while (busy := _busy()) > QUIET:
        if time.monotonic() > deadline:
            say(f"the machine is busy with something else: {busy:.0%} of its cores")
            break
    return busy


def busy_part(before: str, after: str) -> float:
    """Which part of the time between two readings of `/proc/stat` the cores were busy: proc(5)."""
    idle, total = (
        later - earlier for earlier, later in zip(_ticks(before), _ticks(after), strict=True)
    )
    return 1 - idle / total if total else 0.0


def _busy() -> float:
    stat = Path("/proc/stat")
    before = stat.read_text(encoding="ascii")
    time.sleep(_WINDOW_SECONDS)
    return busy_part(before, stat.read_text(encoding="ascii"))


def _ticks(stat: str) -> tuple[int, int]:
    """Idle ticks and all ticks of the first line, which is for all cores together."""
    numbers = [int(word) for word in stat.split("\n", 1)[0].split()[1:9]]
    return numbers[3] + numbers[4], sum(numbers)
