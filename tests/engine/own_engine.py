"""A Docker Engine of a test's own, to be stopped and started while the machine's is left alone.

It has processes, a network and mounts of its own (namespaces(7)), so that it takes no firewall rule
or bridge from the machine's, and so that whatever becomes of the test, nothing of it is left but a
folder. What runs inside reaches it by `DOCKER_HOST`.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from junov.engine.api import Engine
from junov.errors import JunovError
from junov.process import Result, check, run
from tests.engine.faulty import ROOT
from tests.waiting import until

SECONDS = 240
_SIOCSIFFLAGS = 0x8914  # netdevice(7)
_UP_LOOPBACK_RUNNING = 0x49


def in_namespaces(module: str, *argv: str) -> Result:
    """Run a module of the tests as the first process of namespaces of its own, to its end."""
    alone = ("unshare", "--net", "--pid", "--mount", "--mount-proc", "--fork", "--kill-child")
    program = (sys.executable, "-m", module, *argv)
    return run([*alone, *program], cwd=ROOT, timeout=SECONDS)


class OwnEngine:
    """An engine in this network, with its state in a folder.

    Args:
        folder: the folder; short, for sockets are in it.
        options: of dockerd.
    """

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self.folder = folder
        self.host = f"unix://{folder}/docker.sock"
        self.options = options

    def start(self) -> None:
        """Start it, and wait until it answers."""
        paths = (
            *("--host", self.host, "--containerd", f"{self.folder}/containerd.sock"),
            *("--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec"),
            *("--pidfile", f"{self.folder}/docker.pid", "--bridge", "none"),
        )
        self._spawn("dockerd", *paths, *self.options)
        until(self._answers, "the engine answers")

    def stop(self) -> None:
        """Stop it as an update of its package would, and wait until it has ended."""
        pid = int((self.folder / "docker.pid").read_text())
        os.kill(pid, signal.SIGTERM)
        until(lambda: not _lives(pid), "the engine has ended")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Have it run while the block does, with a containerd that outlives its restarts."""
        with socket.socket() as any_socket:
            up = struct.pack("16sh14s", b"lo", _UP_LOOPBACK_RUNNING, b"")
            fcntl.ioctl(any_socket, _SIOCSIFFLAGS, up)
        self._spawn(
            "containerd",
            *("--address", f"{self.folder}/containerd.sock"),
            *("--root", f"{self.folder}/containerd", "--state", f"{self.folder}/state"),
        )
        os.environ["DOCKER_HOST"] = self.host
        self.start()
        try:
            yield
        finally:
            # The kernel ends what is left, and would leave its control groups.
            there = check(["docker", "ps", "--quiet", "--all"], doing="list containers").split()
            if there:
                run(["docker", "rm", "--force", "--volumes", *there])

    def command(self, verb: str) -> tuple[str, ...]:
        """The command that stops it (`stop`), or stops and starts it (`restart`)."""
        return (sys.executable, "-m", __name__, verb, str(self.folder), *self.options)

    def load(self, archive: Path) -> None:
        """Take over images from an archive of another engine's."""
        check(["docker", "load", "--quiet", "--input", str(archive)], doing="load images")

    def _spawn(self, *argv: str) -> None:
        with (self.folder / f"{argv[0]}.log").open("ab") as log:
            subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)

    def _answers(self) -> bool:
        try:
            return bool(Engine().version())
        except JunovError:
            return False


def _lives(pid: int) -> bool:
    """Whether a process does anything any more."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def main(verb: str, folder: str, *options: str) -> None:
    """Stop it, or stop and start it, from another process of its namespaces."""
    engine = OwnEngine(Path(folder), options)
    engine.stop()
    if verb == "restart":
        engine.start()


if __name__ == "__main__":
    main(*sys.argv[1:])
