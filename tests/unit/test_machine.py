"""The engine of a machine: given what was found, this is done, or this is said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from junov.errors import UnavailableError
from junov.server.machine import Machine, Step, configure, decide, is_stale, packages


def test_a_new_engine_keeps_containers_running_and_an_administrators_file_stays(
    tmp_path: Path,
) -> None:
    file = tmp_path / "docker" / "daemon.json"
    configure(file)
    assert json.loads(file.read_text()) == {"live-restore": True}
    file.write_text("{}")
    configure(file)
    assert file.read_text() == "{}"


@pytest.mark.parametrize(
    ("machine", "steps"),
    [
        pytest.param(Machine(running="28.2.2"), (), id="running"),
        pytest.param(Machine(running="28.2.2", host="tcp://a:1"), (), id="running elsewhere"),
        pytest.param(Machine(running="28.2.2", denied=True), (), id="a rootless one"),
        pytest.param(Machine(installed=True, root=True), (Step.START,), id="installed"),
        pytest.param(Machine(root=True, apt=True), (Step.INSTALL, Step.START), id="bare"),
    ],
)
def test_what_is_missing_is_done_and_no_more(machine: Machine, steps: tuple[Step, ...]) -> None:
    assert decide(machine, install=True) == steps


@pytest.mark.parametrize(
    ("machine", "install", "message", "remedy"),
    [
        pytest.param(
            Machine(host="tcp://a:1", root=True, apt=True),
            True,
            "DOCKER_HOST names does not answer: tcp://a:1",
            "unset DOCKER_HOST",
            id="nothing is installed here for an engine elsewhere",
        ),
        pytest.param(
            Machine(denied=True, installed=True),
            True,
            "this user may not talk to the engine",
            "usermod -aG docker",
            id="denied",
        ),
        pytest.param(
            Machine(installed=True, systemd=True),
            True,
            "installed and not running",
            "systemctl start docker",
            id="only root starts it, by systemd",
        ),
        pytest.param(
            Machine(installed=True), True, "installed and not running", "`dockerd`", id="by hand"
        ),
        pytest.param(
            Machine(root=True, apt=True),
            False,
            "there is no Docker",
            "junov server engine --install",
            id="nothing is installed unasked",
        ),
        pytest.param(Machine(apt=True), True, "only root", "as root", id="only root installs"),
        pytest.param(
            Machine(root=True), True, "Debian's and Ubuntu's", "distribution", id="another system"
        ),
    ],
)
def test_what_cannot_be_done_is_said(
    machine: Machine, install: bool, message: str, remedy: str
) -> None:
    with pytest.raises(UnavailableError) as caught:
        decide(machine, install=install)
    assert message in caught.value.message
    assert remedy in caught.value.remedy


def test_debian_12_has_it_all_in_one_package() -> None:
    assert packages("docker.io docker-doc\niptables\nca-certificates") == [
        "docker.io",
        "iptables",
        "ca-certificates",
    ]


def test_later_releases_split_the_client_and_buildx_off() -> None:
    assert packages("docker.io docker-cli docker-buildx") == [
        "docker.io",
        "docker-cli",
        "docker-buildx",
    ]


@pytest.mark.parametrize(
    ("pid", "stale"),
    [
        pytest.param("10\n", False, id="dockerd itself"),
        pytest.param("11", True, id="another program has the number now"),
        pytest.param("12", True, id="nobody has it"),
        pytest.param("", True, id="cut off while it was written"),
    ],
)
def test_a_pid_file_is_stale_unless_its_writer_lives(pid: str, stale: bool) -> None:
    processes = {10: "dockerd", 11: "bash"}
    assert is_stale(pid, "dockerd", lambda number: processes.get(number, "")) is stale


# A stand-in for dockerd: says who it is, answers a ping, and lives on.
FAKE_DOCKERD = f"""#!{sys.executable}
import http.server, os, pathlib, socketserver
here = pathlib.Path(__file__).parent
here.joinpath("pid").write_text(str(os.getpid()))
here.joinpath("session").write_text(str(os.getsid(0)))
here.joinpath("proxy").write_text(os.environ.get("HTTPS_PROXY", ""))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
    def address_string(self):
        return ""
print("the daemon's own words", flush=True)
socketserver.UnixStreamServer(str(here / "socket"), Handler).serve_forever()
"""
START = """
import pathlib, sys
from junov.server import machine
here = pathlib.Path(sys.argv[1])
machine.SOCKET, machine.PID_FILE, machine.LOG_FILE = here / "socket", here / "none", here / "log"
machine.CONTAINERD_PID_FILE = machine.CONTAINERD_SOCKET = here / "none"
machine._start(machine.Machine(), print)
"""


@pytest.fixture
def fake_dockerd(tmp_path: Path) -> Path:
    program = tmp_path / "dockerd"
    program.write_text(FAKE_DOCKERD)
    program.chmod(0o755)
    return tmp_path


def start(folder: Path) -> subprocess.CompletedProcess[str]:
    # Reads the output to its end: with a descriptor of ours left to the daemon this would hang.
    return subprocess.run(
        [sys.executable, "-c", START, str(folder)],
        env={"PATH": f"{folder}:{os.environ['PATH']}", "HTTPS_PROXY": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_daemon_is_on_its_own_once_started(fake_dockerd: Path) -> None:
    pid = 0
    try:
        done = start(fake_dockerd)
        pid = int((fake_dockerd / "pid").read_text())
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("engine: started")
        assert (fake_dockerd / "log").read_text() == "the daemon's own words\n"
        assert (fake_dockerd / "session").read_text() == str(pid)
        assert (fake_dockerd / "proxy").read_text() == ""
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)


def test_a_daemon_that_ends_at_once_is_quoted(fake_dockerd: Path) -> None:
    (fake_dockerd / "dockerd").write_text("#!/bin/sh\necho Devices cgroup is not mounted >&2\n")
    done = start(fake_dockerd)
    assert "Docker was started and ended" in done.stderr
    assert (fake_dockerd / "log").read_text() == "Devices cgroup is not mounted\n"
