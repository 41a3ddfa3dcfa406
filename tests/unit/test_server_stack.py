"""The server's own stack: what it opens, and what it keeps closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from junov.config.home import Home
from junov.config.server import Edge, PgBouncer, Postgres, Registry, Server
from junov.server.stack import images, server_stack

HOME = Home(Path("/state"))
SERVER = Server(name="junov", edge=Edge(port=8080))
POOLED = Server(postgres=Postgres(pgbouncer=PgBouncer(enabled=True, clients=500)))


def test_only_the_edge_listens_beyond_loopback() -> None:
    services = server_stack(SERVER, HOME, {})["services"]
    open_to_all = [
        (name, port["published"])
        for name, service in services.items()
        for port in service.get("ports", ())
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


def test_a_pooler_that_is_not_asked_for_is_not_there_and_changes_nothing() -> None:
    services = server_stack(SERVER, HOME, {})["services"]
    assert set(services) == {"edge", "postgres", "registry"} == set(images(SERVER))
    assert services["postgres"]["networks"] == {SERVER.db_network: {}}


def test_the_pooler_may_do_nothing_but_pass_on() -> None:
    services = server_stack(POOLED, HOME, {}, postgres_address="10.213.0.62")["services"]
    assert set(images(POOLED)) == set(services)
    pooler = services["pgbouncer"]
    assert "ports" not in pooler
    assert pooler["networks"] == {POOLED.db_network: {}}
    assert (pooler["read_only"], pooler["cap_drop"]) == (True, ["ALL"])
    assert pooler["security_opt"] == ["no-new-privileges:true"]
    assert not pooler["user"].startswith("0:"), "it refuses to run as root"
    assert [(each["source"], each["read_only"]) for each in pooler["volumes"]] == [
        ("/state/pgbouncer", True)
    ]
    assert pooler["ulimits"]["nofile"] > POOLED.postgres.pgbouncer.clients
    assert services["postgres"]["networks"] == {POOLED.db_network: {"ipv4_address": "10.213.0.62"}}
