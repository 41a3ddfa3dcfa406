"""The server: up twice, looked at, examined."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from junov.config.home import Home
from junov.engine.api import Engine
from junov.engine.private_network import ensure_network
from junov.environments.labels import PART, SERVER
from junov.errors import StageError
from junov.server.doctor import examine
from junov.server.server import up
from junov.server.status import status
from junov.site import Site
from junov.steps import Steps
from tests.engine.conftest import Shell
from tests.engine.quiet import Quiet


def test_a_second_up_changes_nothing(site: Site, engine: Engine) -> None:
    labels = {SERVER: site.server.name, PART: ""}
    before = [(each.name, each.id) for each in engine.containers(labels)]
    assert [name.removeprefix(f"{site.server.name}-") for name, _ in before] == [
        "edge-1",
        "postgres-1",
        "registry-1",
    ]
    up(Site(site.home), Steps(Quiet()))
    assert [(each.name, each.id) for each in engine.containers(labels)] == before


def test_every_part_is_well_and_the_doctor_agrees(site: Site) -> None:
    assert all(part.ok for part in status(site))
    findings = {finding.check: finding for finding in examine(site)}
    failed = [finding for finding in findings.values() if finding.verdict == "failed"]
    assert failed == []
    assert {"engine", "tools", "disk", "ports", "address pool", "DNS", "clock"} <= findings.keys()


def test_only_the_edge_is_published_beyond_loopback(site: Site) -> None:
    listening = Path("/proc/net/tcp").read_text().splitlines()[1:]
    ports = {port for part in site.engine.containers({SERVER: site.server.name, PART: ""})
             for port in part.ports.values()}  # fmt: skip
    addresses = {
        int(local.partition(":")[2], 16): local.partition(":")[0]
        for local, state in ((line.split()[1], line.split()[3]) for line in listening)
        if state == "0A"
    }
    loopback = "0100007F"
    assert ports <= addresses.keys()
    assert all(addresses[port] == loopback for port in ports), "this server's edge is on loopback"


def test_status_and_doctor_print_data(notes: Shell) -> None:
    parts = json.loads(notes("junov", "server", "status", "--json"))
    assert {part["part"] for part in parts} == {"edge", "postgres", "registry"}
    findings = json.loads(notes("junov", "server", "doctor", "--json"))
    assert all({"check", "verdict", "message", "remedy"} == finding.keys() for finding in findings)


def test_a_server_with_environments_does_not_go_down_by_mistake(notes: Shell) -> None:
    refused = notes("junov", "server", "down", "--yes", expect=1)
    assert "environments still run on this server" in refused
    assert "--purge" in refused


def test_a_port_that_is_taken_is_named_by_the_doctor(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (tmp_path / "server.yaml").write_text(
            f"name: nowhere\nedge: {{bind: 127.0.0.1, port: {port}}}\n"
        )
        findings = {each.check: each for each in examine(Site(Home(tmp_path)))}
    assert findings["ports"].verdict == "failed"
    assert f"{port} (for the edge)" in findings["ports"].message
    assert findings["server"].verdict == "failed"


def test_a_network_in_the_pool_is_gone_around_and_named(
    site: Site, engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "server.yaml").write_text(
        f"name: nowhere\nnetworks: {{pool: {site.server.networks.pool}}}\n"
    )
    findings = {each.check: each for each in examine(Site(Home(tmp_path)))}
    assert findings["address pool"].verdict == "warning"
    assert site.server.webproxy in findings["address pool"].message
    assert engine.network(site.server.webproxy)


def test_the_network_of_another_server_is_not_taken_over(site: Site, engine: Engine) -> None:
    with pytest.raises(StageError, match=f"another server of this machine, {site.server.name}"):
        ensure_network(
            engine,
            site.server.webproxy,
            server="nowhere",
            pool=site.server.networks.pool,
            size=27,
            labels={},
        )
