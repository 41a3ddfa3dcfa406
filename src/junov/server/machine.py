"""The machine's engine: found running, started, or installed and started."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from junov import process
from junov.engine.client import client_versions, docker_paths
from junov.errors import UnavailableError

SOCKET = Path("/var/run/docker.sock")
PID_FILE = Path("/var/run/docker.pid")
CONTAINERD_PID_FILE = Path("/var/run/docker/containerd/containerd.pid")
CONTAINERD_SOCKET = Path("/run/containerd/containerd.sock")
LOG_FILE = Path("/var/log/dockerd.log")
DAEMON_FILE = Path("/etc/docker/daemon.json")
SYSTEMD = Path("/run/systemd/system")  # there only where systemd runs: sd_booted(3)

ANSWER_SECONDS = 10.0
START_SECONDS = 60.0
INSTALL_SECONDS = 900.0
POLL_SECONDS = 0.1

# Debian 12's docker.io holds everything; later releases split the client and buildx off.
PACKAGE = "docker.io"
FURTHER_PACKAGES = ("docker-cli", "docker-buildx", "iptables", "ca-certificates")

DAEMON_SETTINGS = {"live-restore": True}
"""How junov sets an engine up that it installs: what runs goes on while the daemon is restarted, as
an update of its package does, rather than being stopped with it and started again. Swarm mode can't
have this (https://docs.docker.com/engine/daemon/live-restore/)."""

Report = Callable[[str], None]


class Step(Enum):
    """What can be done towards a running engine."""

    INSTALL = "install"
    START = "start"


@dataclass(frozen=True, slots=True)
class Machine:
    """What was found on a machine, as far as it matters for the engine.

    Args:
        running: the version of the engine that answers; empty where none does.
        installed: whether `dockerd` is there.
        denied: whether there is an engine that this user may not talk to.
        host: DOCKER_HOST, where it is set.
        root: whether this process may install and start things.
        apt: whether packages come through apt.
        systemd: whether systemd runs the machine's services.
    """

    running: str = ""
    installed: bool = False
    denied: bool = False
    host: str = ""
    root: bool = False
    apt: bool = False
    systemd: bool = False


def prepare_engine(report: Report, *, install: bool) -> None:
    """See to it that an engine answers; do nothing if one does.

    Args:
        report: called with a line for each thing found or done.
        install: whether an engine may be installed where there is none.

    Raises:
        UnavailableError: there is none, and this user cannot change it; the remedy says how.
        CommandError: installing or starting it failed.
    """
    machine = look()
    for step in decide(machine, install=install):
        if step is Step.INSTALL:
            _install(report)
            # The package may have started it.
            machine = look()
        elif not machine.running:
            _start(machine, report)
    report(f"engine: Docker {_version()} is running")


def decide(machine: Machine, *, install: bool) -> tuple[Step, ...]:
    """What has to be done on a machine until an engine answers.

    Args:
        machine: what was found.
        install: whether an engine may be installed.

    Returns:
        The steps in order; none where an engine answers.

    Raises:
        UnavailableError: it cannot be done from here.
    """
    if machine.running:
        return ()
    if machine.host:
        raise UnavailableError(
            f"the engine that DOCKER_HOST names does not answer: {machine.host}",
            remedy="Start it, or unset DOCKER_HOST to use this machine's own.",
        )
    if machine.denied:
        raise UnavailableError(
            f"this user may not talk to the engine: {SOCKET} refuses",
            remedy="Have root run `usermod -aG docker $USER` and log in again.",
        )
    if machine.installed:
        if machine.root:
            return (Step.START,)
        how = "systemctl start docker" if machine.systemd else "dockerd"
        raise UnavailableError(
            "Docker is installed and not running",
            remedy=f"Start it as root: `{how}`.",
        )
    if not install:
        raise UnavailableError(
            "there is no Docker on this machine",
            remedy="Install it; on Debian and Ubuntu, as root, `junov server engine --install` "
            "does it.",
        )
    if not machine.root:
        raise UnavailableError(
            "there is no Docker on this machine, and only root can install it",
            remedy="Run this once as root, or have your administrator install Docker.",
        )
    if not machine.apt:
        raise UnavailableError(
            "there is no Docker on this machine, and junov installs it from Debian's and "
            "Ubuntu's packages only",
            remedy="Install Docker Engine from your distribution's packages.",
        )
    return (Step.INSTALL, Step.START)


def look() -> Machine:
    """Find out what this machine has; changes nothing."""
    return Machine(
        running=_version(),
        installed=shutil.which("dockerd", path=_service_path()) is not None,
        denied=_is_denied(SOCKET),
        host=os.environ.get("DOCKER_HOST", ""),
        root=os.geteuid() == 0,
        apt=shutil.which("apt-get") is not None,
        systemd=SYSTEMD.is_dir(),
    )


def packages(known: str) -> list[str]:
    """The packages that make an engine on this release.

    Args:
        known: the output of `apt-cache pkgnames`.
    """
    names = set(known.split())
    return [PACKAGE, *(name for name in FURTHER_PACKAGES if name in names)]


def is_stale(pid: str, name: str, names: Callable[[int], str]) -> bool:
    """Whether a pid file was left by a process that is gone.

    dockerd refuses to start beside its own pid file if *any* process has that number.

    Args:
        pid: the file's content.
        name: the program that writes the file.
        names: gives the name of a running process by its number; empty if there is none.
    """
    return not pid.strip().isdigit() or names(int(pid)) != name


def _version() -> str:
    """The version of the engine that answers; empty where none does."""
    for path in docker_paths():
        asked = process.run([path, "version", "--format", "{{json .}}"], timeout=ANSWER_SECONDS)
        if server := client_versions(asked.stdout)[1]:
            return server
    return ""


def _install(report: Report) -> None:
    report(f"engine: none here, installing the package {PACKAGE}")
    started = time.monotonic()
    configure(DAEMON_FILE)  # before the package starts it
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    # Its exit code says nothing: one source of many that is out of reach must not end it here.
    process.run(["apt-get", "update", "-q"], env=quiet, timeout=INSTALL_SECONDS)
    known = process.run(["apt-cache", "pkgnames", "docker"]).stdout
    known += process.run(["apt-cache", "pkgnames", "iptables"]).stdout + "\nca-certificates"
    process.check(
        [
            *("apt-get", "install", "-q", "-y", "--no-install-recommends"),
            *("-o", "DPkg::Lock::Timeout=120"),
            *packages(known),
        ],
        doing="install Docker",
        remedy="Look whether this machine reaches its package sources (`apt-get update`).",
        env=quiet,
        timeout=INSTALL_SECONDS,
    )
    report(f"engine: installed ({time.monotonic() - started:.0f} s)")


def configure(file: Path) -> None:
    """Write the settings of a new engine, unless somebody has written some already."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError), file.open("x", encoding="utf-8") as new:
        json.dump(DAEMON_SETTINGS, new, indent=2)


def _start(machine: Machine, report: Report) -> None:
    started = time.monotonic()
    if machine.systemd:
        process.check(
            ["systemctl", "start", "docker"],
            doing="start Docker",
            remedy="`journalctl -u docker` says more.",
            timeout=START_SECONDS,
        )
        _wait(None)
        report(f"engine: started by systemd ({time.monotonic() - started:.1f} s)")
        return
    _remove_stale_files()
    # A pid file that isn't stale: another dockerd is on its way, so wait for that one.
    child = None if PID_FILE.exists() else _spawn_dockerd()
    _wait(child)
    if child:
        # It belongs to the machine from here on; Python would warn that it is still running.
        child.returncode = 0
    report(f"engine: started ({time.monotonic() - started:.1f} s), its log is {LOG_FILE}")


def _spawn_dockerd() -> subprocess.Popen[bytes]:
    # The environment of a service: what a shell has set, proxies for instance, would stay with
    # the daemon for as long as the machine runs. And none of this process's descriptors: whoever
    # reads our output to its end would wait for the daemon.
    environment = {"PATH": _service_path(), "HOME": "/root", "LANG": "C.UTF-8"}
    with LOG_FILE.open("ab") as log:
        return subprocess.Popen(
            ["dockerd"],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            close_fds=True,
        )


def _wait(child: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(SOCKET):
        ended = child is not None and child.poll() is not None
        if ended or time.monotonic() > deadline:
            what = "ended" if ended else f"did not answer within {START_SECONDS:.0f} s"
            raise UnavailableError(
                f"Docker was started and {what}",
                remedy=f"Its last words are below; all of them are in {LOG_FILE}.",
                detail=_last_lines(LOG_FILE),
            )
        time.sleep(POLL_SECONDS)


def _remove_stale_files() -> None:
    for path, name in ((PID_FILE, "dockerd"), (CONTAINERD_PID_FILE, "containerd")):
        if path.is_file() and is_stale(path.read_text(), name, _process_name):
            path.unlink()
    # dockerd would take a socket that nobody listens on for a containerd of the machine's own.
    if CONTAINERD_SOCKET.is_socket() and not _listens(CONTAINERD_SOCKET):
        CONTAINERD_SOCKET.unlink()


def _process_name(pid: int) -> str:
    path = Path(f"/proc/{pid}/comm")
    return path.read_text().strip() if path.exists() else ""


def _answers(path: Path) -> bool:
    connection = http.client.HTTPConnection("localhost", timeout=ANSWER_SECONDS)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(ANSWER_SECONDS)
    try:
        connection.sock.connect(str(path))
        connection.request("GET", "/_ping")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _is_denied(path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
    except PermissionError:
        return True
    except OSError:
        pass
    return False


def _service_path() -> str:
    # A user's PATH may lack the sbin folders, where the daemon lies.
    return os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"


def _last_lines(path: Path, lines: int = 20) -> str:
    text = path.read_text(errors="replace") if path.is_file() else ""
    return "\n".join(text.splitlines()[-lines:])
