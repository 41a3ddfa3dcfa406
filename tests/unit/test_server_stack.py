"""The server's own stack: what it opens, and what it keeps closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from junov.config.home import Home
from junov.config.server import Edge, Registry, Server
from junov.server.stack import images, server_stack

HOME = Home(Path("/state"))
SERVER = Server(name="junov", edge=Edge(port=8080))


def test_only_the_edge_listens_beyond_loopback() -> None:
    services = server_stack(SERVER, HOME, {})["services"]
    open_to_all = [
        (name, port["published"])
        for name, service in services.items()
        for port in service["ports"]
        if port["host_ip"] != "127.0.0.1"
    ]
    assert open_to_all == [("edge", "8080")]


def test_nothing_sees_the_engines_socket() -> None:
    assert "docker.sock" not in str(server_stack(SERVER, HOME, {}))


def test_no_password_is_in_the_stack() -> None:
    postgres = server_stack(SERVER, HOME, {})["services"]["postgres"]
    assert postgres["environment"] == {"POSTGRES_PASSWORD_FILE": "/etc/junov/password"}


def test_the_servers_networks_sort_before_every_private_one() -> None:
    networks = server_stack(SERVER, HOME, {})["networks"]
    assert all(name < "a" for name in networks)
    assert {name.removeprefix("0_junov_") for name in networks} == {"webproxy", "db_network"}


@pytest.mark.parametrize(
    ("path", "changed"), [("edge/traefik.yaml", "edge"), ("postgres/pg_hba.conf", "postgres")]
)
def test_a_changed_file_changes_the_one_service_that_reads_it(path: str, changed: str) -> None:
    before, after = (
        server_stack(SERVER, HOME, {HOME.path / path: text})["services"] for text in ("a", "b")
    )
    assert [name for name in before if before[name] != after[name]] == [changed]


def test_without_a_registry_there_is_none() -> None:
    server = Server(registry=Registry(enabled=False))
    assert set(images(server)) == set(server_stack(server, HOME, {})["services"])
    assert server.repository("notes") is None
