"""What a command inside a container writes, into a file; and a file, into what one reads.

Of a dump of any size, one piece is in memory at a time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, BinaryIO, Protocol

from junov.engine.compose import exec_argv
from junov.errors import StageError
from junov.process import NOT_FOUND
from junov.secret import Secret, redact
from junov.site import Site

Report = Callable[[str], None]


class Source(Protocol):
    """What bytes come from."""

    def read(self, size: int = -1, /) -> bytes:
        """At most so many of them; none at the end."""
        ...


class Target(Protocol):
    """Where bytes go to."""

    def write(self, piece: bytes, /) -> int:
        """Take all of them."""
        ...


Carry = Callable[[Source, Target], None]
"""Carries all that comes from one to the other, as it is or changed on the way."""

_PIECE = 2**20
_LONGEST_SECONDS = 6 * 3600.0
_REPORT_SECONDS = 2.0
_TAIL_BYTES = 8000


def command_line(site: Site, command: Sequence[str]) -> list[str]:
    """The command line of a command inside the server's Postgres, with its streams to ours.

    PGPASSWORD is only named: the client takes its value from its own environment.
    """
    container = site.part("postgres").name
    return exec_argv(site.tools.docker, container, command, ["PGPASSWORD"], terminal=False)


def as_it_is(source: Source, target: Target) -> None:
    """Carries bytes unchanged."""
    while piece := source.read(_PIECE):
        target.write(piece)


def write_out(
    argv: Sequence[str],
    env: Mapping[str, str],
    password: Secret,
    file: BinaryIO,
    *,
    doing: str,
    report: Report,
    carry: Carry = as_it_is,
) -> tuple[int, str]:
    """Write what a command prints to a file, on the disk when this returns.

    Args:
        argv: the command.
        env: variables on top of this process's own.
        password: what PGPASSWORD has.
        file: where to.
        doing: what is done, for the error: "could not <doing>".
        report: told how much there is, now and then.
        carry: brings it into the file.

    Returns:
        The number of bytes, and their SHA-256 in hexadecimal.

    Raises:
        StageError: the command failed, is missing or took more than six hours.
        OSError: the file could not be written.
    """
    written = _Written(file, report)
    with _running(argv, env, password, doing) as child:
        carry(_pipe(child.stdout), written)
    file.flush()
    os.fsync(file.fileno())
    return written.size, written.digest.hexdigest()


def read_in(
    argv: Sequence[str],
    env: Mapping[str, str],
    password: Secret,
    file: BinaryIO,
    *,
    doing: str,
    report: Report,
    carry: Carry = as_it_is,
) -> None:
    """Let a command read a file, from where the file stands.

    Args and Raises as `write_out`.
    """
    with _running(argv, env, password, doing) as child:
        target = _pipe(child.stdin)
        # Where the command has ended before its input, it says itself why.
        with contextlib.suppress(BrokenPipeError):
            carry(_Read(file, report), target)
        with contextlib.suppress(BrokenPipeError):
            target.close()


def sha256_of(file: BinaryIO, report: Report) -> tuple[int, str]:
    """How many bytes a file has, and their SHA-256 in hexadecimal; it then stands at its start."""
    digest, size, told = hashlib.sha256(), 0, _Now()
    file.seek(0)
    while piece := file.read(_PIECE):
        digest.update(piece)
        size += len(piece)
        if told.is_due():
            report(f"{megabytes(size)} read")
    file.seek(0)
    return size, digest.hexdigest()


def megabytes(size: int) -> str:
    """A number of bytes as a person is told it."""
    return f"{size / 10**6:.1f} MB" if size < 10**9 else f"{size / 10**9:.2f} GB"


class _Written:
    """A file that is written, with how much that is and its digest."""

    def __init__(self, file: BinaryIO, report: Report) -> None:
        self.size, self.digest = 0, hashlib.sha256()
        self._file, self._report, self._told = file, report, _Now()

    def write(self, piece: bytes) -> int:
        """See `Target.write`."""
        self._file.write(piece)
        self.digest.update(piece)
        self.size += len(piece)
        if self._told.is_due():
            self._report(f"{megabytes(self.size)} written")
        return len(piece)


class _Read:
    """A file that is read, with how much that is."""

    def __init__(self, file: BinaryIO, report: Report) -> None:
        self._size, self._file, self._report, self._told = 0, file, report, _Now()

    def read(self, size: int = -1) -> bytes:
        """See `Source.read`."""
        piece = self._file.read(size)
        self._size += len(piece)
        if self._told.is_due():
            self._report(f"{megabytes(self._size)} read")
        return piece


class _Now:
    """Says when it is time to be heard of again."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def is_due(self) -> bool:
        now = time.monotonic()
        if now - self._last < _REPORT_SECONDS:
            return False
        self._last = now
        return True


@contextmanager
def _running(
    argv: Sequence[str], env: Mapping[str, str], password: Secret, doing: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A command while it runs; when the block ends, it has ended well or this raises.

    Whatever the block raises ends it. It is spoken to through pipes, so it ends as well when this
    process is killed.
    """
    with tempfile.TemporaryFile() as said:
        try:
            child = subprocess.Popen(
                list(argv),
                env={**os.environ, **env, "PGPASSWORD": password.reveal()},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise _failed(doing, NOT_FOUND, f"{argv[0]}: not found") from None
        timer = threading.Timer(_LONGEST_SECONDS, _end, [child])
        timer.daemon = True
        timer.start()
        try:
            yield child
            code = child.wait()
        except BaseException:
            _end(child)
            raise
        finally:
            timer.cancel()
            for stream in (child.stdin, child.stdout):
                if stream:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()
        if code:
            said.seek(max(0, said.seek(0, os.SEEK_END) - _TAIL_BYTES))
            raise _failed(doing, code, redact(said.read().decode("utf-8", "replace"), [password]))


def _failed(doing: str, code: int, said: str) -> StageError:
    return StageError(
        f"could not {doing}: it ended with exit code {code}",
        detail=said.strip(),
        remedy="what was said stands below; the database that serves is untouched",
    )


def _end(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=5)


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise AssertionError("it was opened as a pipe")
    return stream
