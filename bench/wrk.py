"""wrk, the load generator: found, called, and its report read."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from junov import process
from junov.errors import CommandError, UnavailableError

CONNECTIONS = 16
THREADS = 2
PAUSE_MS = 20  # about 40 requests a second on each connection: steady, and no flood
TIMEOUT_SECONDS = 10
LONGEST = "2h"  # it is told to stop; this is for the day when nobody does

INSTALL_SECONDS = 300.0
STOP_SECONDS = 30.0

_SCRIPT = Path(__file__).with_name("pause.lua")
_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0, "h": 3_600_000.0}
_TIME = r"([\d.]+)(us|ms|s|m|h)"


@dataclass(frozen=True, slots=True)
class WrkReport:
    """What wrk counted.

    A request that is never answered is in no number of wrk's; the other clients have time limits.
    Where nobody listens at all, each of its many attempts is an error.

    Args:
        requests: how many answers came.
        seconds: for how long it asked.
        failed: answers of a status from 400 on.
        connect, read, write: socket errors of that kind.
        timeout: answers that took longer than `TIMEOUT_SECONDS`.
        p50_ms, p99_ms: half, and 99 % of the answers took at most that long, in milliseconds.
    """

    requests: int
    seconds: float
    failed: int
    connect: int
    read: int
    write: int
    timeout: int
    p50_ms: float
    p99_ms: float

    @property
    def socket_errors(self) -> int:
        """Socket errors of every kind."""
        return self.connect + self.read + self.write + self.timeout

    @property
    def lost(self) -> int:
        """Requests that a visitor would have noticed."""
        return self.failed + self.socket_errors

    def to_json(self) -> dict[str, object]:
        """For machines."""
        return {**asdict(self), "lost": self.lost}


def find_wrk() -> str:
    """Where wrk is; installed where it isn't and that can be done from here.

    Raises:
        UnavailableError: it is not there, and only an administrator can change it.
        CommandError: installing it failed.
    """
    found = shutil.which("wrk")
    if found:
        return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise UnavailableError(
            "wrk, which makes the load, is not installed",
            remedy="install it: the package `wrk` of Debian, Ubuntu, Fedora and Homebrew",
        )
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    # Its exit code says nothing: one source of many that is out of reach must not end it here.
    process.run(["apt-get", "update", "-q"], env=quiet, timeout=INSTALL_SECONDS)
    process.check(
        [
            *("apt-get", "install", "-q", "-y", "--no-install-recommends"),
            *("-o", "DPkg::Lock::Timeout=120", "wrk"),
        ],
        doing="install wrk",
        remedy="look whether this machine reaches its package sources (`apt-get update`)",
        env=quiet,
        timeout=INSTALL_SECONDS,
    )
    return shutil.which("wrk") or "wrk"


def wrk_argv(wrk: str, url: str, host: str, pause_ms: int) -> list[str]:
    """The command line that asks one URL until it is told to stop.

    Args:
        wrk: the program.
        url: where the edge listens, with the path.
        host: the host name that is asked for.
        pause_ms: milliseconds between an answer and the next request on each connection.
    """
    return [
        # The kernel tells it to stop where its parent is killed: prctl(2), PR_SET_PDEATHSIG.
        *("setpriv", "--pdeathsig", "INT"),
        *(wrk, "--threads", str(THREADS), "--connections", str(CONNECTIONS)),
        *("--duration", LONGEST, "--timeout", f"{TIMEOUT_SECONDS}s", "--latency"),
        *("--script", str(_SCRIPT), "--header", f"Host: {host}", url, "--", str(pause_ms)),
    ]


def parse_wrk(text: str) -> WrkReport:
    """Read what wrk prints at its end.

    Raises:
        ValueError: it is no report.
    """
    total = re.search(rf"(\d+) requests in {_TIME},", text)
    half, most = (_percentile(text, percent) for percent in (50, 99))
    if not total or half is None or most is None:
        raise ValueError(f"not a report of wrk's: {text!r}")
    # wrk leaves out what didn't happen.
    errors = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text
    )
    connect, read, write, timeout = map(int, errors.groups()) if errors else (0, 0, 0, 0)
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return WrkReport(
        requests=int(total[1]),
        seconds=_milliseconds(total[2], total[3]) / 1000,
        failed=int(failed[1]) if failed else 0,
        connect=connect,
        read=read,
        write=write,
        timeout=timeout,
        p50_ms=half,
        p99_ms=most,
    )


class Wrk:
    """wrk while it runs.

    Args:
        child: its process.
    """

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child

    def stop(self) -> WrkReport:
        """Tell it to stop, and read its report.

        Raises:
            CommandError: it had ended by itself, because it could not connect for instance.
        """
        # It takes SIGINT for the end of its time. Once it has ended, nobody gets the signal.
        self._child.send_signal(signal.SIGINT)
        said, _ = self._child.communicate(timeout=STOP_SECONDS)
        if self._child.returncode:
            raise CommandError(
                f"could not keep up the load: wrk ended with exit code {self._child.returncode}",
                exit_code=self._child.returncode,
                detail=said.strip(),
            )
        return parse_wrk(said)


@contextmanager
def running_wrk(url: str, host: str, pause_ms: int = PAUSE_MS) -> Iterator[Wrk]:
    """wrk under way; gone after the block.

    Args:
        url, host, pause_ms: as for `wrk_argv`.

    Raises:
        UnavailableError, CommandError: as `find_wrk`.
    """
    child = subprocess.Popen(
        wrk_argv(find_wrk(), url, host, pause_ms),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C is for us; it is stopped when its time has come
    )
    try:
        yield Wrk(child)
    finally:
        child.kill()
        child.wait()
        if child.stdout:
            child.stdout.close()


def _percentile(text: str, percent: int) -> float | None:
    found = re.search(rf"^\s+{percent}%\s+{_TIME}\s*$", text, re.MULTILINE)
    return _milliseconds(found[1], found[2]) if found else None


def _milliseconds(number: str, unit: str) -> float:
    return float(number) * _MS[unit]
