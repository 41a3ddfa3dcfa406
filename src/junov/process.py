"""The one place where other programs are run.

Argument lists are built elsewhere, by pure functions; here they are executed, bounded in time, and
their failures become errors that a user can read. Nothing here goes through a shell.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from junov.errors import CommandError

Line = Callable[[str], None]

TIMED_OUT = 124  # the exit code of coreutils' timeout(1) for the same thing
NOT_FOUND = 127  # the exit code of a shell for a command that isn't there
TAIL_LINES = 20


@dataclass(frozen=True, slots=True)
class Result:
    """How a program ended.

    Args:
        exit_code: 0 for success; 124 where its time was up; 127 where it isn't installed.
        stdout: what it printed; empty where the output was streamed.
        stderr: what it said beside it; where the output was streamed, the last lines of both.
    """

    exit_code: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """Whether the program succeeded."""
        return self.exit_code == 0

    def tail(self, lines: int = TAIL_LINES) -> str:
        """The last lines that say why it failed: of stderr, else of stdout."""
        text = self.stderr.strip() or self.stdout.strip()
        return "\n".join(text.splitlines()[-lines:])


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str | None] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    timeout: float | None = None,
    on_line: Line | None = None,
) -> Result:
    """Run a program to its end.

    Args:
        argv: the program and its arguments.
        env: variables on top of this process's own; one that is None is taken away.
        cwd: the folder to run in.
        stdin: text for its standard input; without it, standard input is empty.
        timeout: seconds until its whole process group is ended; without it, no bound.
        on_line: called with each line of stdout and stderr as they come, instead of collecting.

    Returns:
        How it ended. A program that fails, is missing or runs out of time is a result as well:
        `check` is the form that raises.
    """
    inherited: dict[str, str | None] = {**os.environ, **(env or {})}
    environment = {name: value for name, value in inherited.items() if value is not None}
    try:
        child = subprocess.Popen(
            list(argv),
            env=environment,
            cwd=cwd,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if on_line else subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            # A group of its own, so that a timeout ends its children as well. Ctrl-C reaches it
            # through the handler below.
            start_new_session=True,
            preexec_fn=_ends_with_its_parent(),
        )
    except FileNotFoundError:
        return Result(NOT_FOUND, "", f"{argv[0]}: not found")
    except (NotADirectoryError, PermissionError) as error:
        return Result(126, "", f"{argv[0]}: {error.strerror}")
    try:
        if on_line:
            return _stream(child, stdin, timeout, on_line)
        return _collect(child, stdin, timeout)
    except BaseException:
        _end_group(child)
        raise


def check(
    argv: Sequence[str],
    *,
    doing: str,
    remedy: str = "",
    env: Mapping[str, str | None] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    timeout: float | None = None,
    on_line: Line | None = None,
) -> str:
    """Run a program that has to succeed.

    Args:
        doing: what junov is about, for the error: "could not <doing>".
        remedy: what the user can do if it fails.
        argv, env, cwd, stdin, timeout, on_line: as for `run`.

    Returns:
        What it printed on stdout.

    Raises:
        CommandError: it failed, is not installed, or ran out of time.
    """
    result = run(argv, env=env, cwd=cwd, stdin=stdin, timeout=timeout, on_line=on_line)
    if result.ok:
        return result.stdout
    if result.exit_code == TIMED_OUT:
        why = f"{argv[0]} was ended after {timeout:g} s" if timeout else f"{argv[0]} timed out"
    elif result.exit_code == NOT_FOUND:
        why = f"{argv[0]} is not installed"
    else:
        why = f"{argv[0]} ended with exit code {result.exit_code}"
    raise CommandError(
        f"could not {doing}: {why}",
        exit_code=result.exit_code,
        detail=result.tail(),
        remedy=remedy,
    )


def interactive(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> int:
    """Run a program on the user's own terminal, and return its exit code."""
    try:
        return subprocess.call(list(argv), env={**os.environ, **(env or {})})
    except FileNotFoundError:
        return NOT_FOUND


def show(argv: Sequence[str]) -> str:
    """The argument list as a person would type it."""
    return shlex.join(argv)


def _ends_with_its_parent() -> Callable[[], None] | None:
    """What a new child does first, so that it doesn't outlive a junov that is killed.

    In a session of its own it gets no signal of the terminal's, and SIGKILL leaves no time to end
    it. Linux sends it one itself if it is asked to (prctl(2), PR_SET_PDEATHSIG).
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was killed before it could be asked
            os._exit(signal.SIGKILL)

    return ask


_PR_SET_PDEATHSIG = 1


def _collect(child: subprocess.Popen[str], stdin: str | None, timeout: float | None) -> Result:
    try:
        stdout, stderr = child.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired:
        _end_group(child)
        stdout, stderr = child.communicate()
        return Result(TIMED_OUT, stdout, stderr)
    return Result(child.returncode, stdout, stderr)


def _stream(
    child: subprocess.Popen[str], stdin: str | None, timeout: float | None, on_line: Line
) -> Result:
    timed_out = threading.Event()

    def expire() -> None:
        timed_out.set()
        _end_group(child)

    timer = threading.Timer(timeout, expire) if timeout else None
    if timer:
        timer.daemon = True
        timer.start()
    last: deque[str] = deque(maxlen=TAIL_LINES)
    try:
        if stdin is not None and child.stdin:
            child.stdin.write(stdin)
            child.stdin.close()
        for raw in child.stdout or ():
            line = raw.rstrip("\n")
            last.append(line)
            on_line(line)
        code = child.wait()
    finally:
        if timer:
            timer.cancel()
        if child.stdout:
            child.stdout.close()
    return Result(TIMED_OUT if timed_out.is_set() else code, "", "\n".join(last))


def _end_group(child: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(Exception):
        child.wait(timeout=5)
