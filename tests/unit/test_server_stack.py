"""The server's own stack: what it opens, and what it keeps closed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from junov.config.edge import Edge
from junov.config.home import Home
from junov.config.postgres import PgBouncer, Postgres
from junov.config.server import Registry, Server
from junov.engine.inspection import Network
from junov.secret import Secret
from junov.server.parts import Ground
from junov.server.stack import images, make_parts, server_stack

HOME = Home(Path("/state"))
SERVER = Server(name="junov", edge=Edge(port=8080))
POOLED = Server(postgres=Postgres(pgbouncer=PgBouncer(enabled=True, clients=500)))


def _network(name: str, subnet: str) -> Network:
    gateway = subnet.replace(".0/27", ".1")
    return Network(id=name, name=name, subnets=(subnet,), gateway=gateway, labels={})


def stack_of(server: Server, *, db_subnet: str = "10.213.0.32/27") -> dict[str, Any]:
    ground = Ground(
        server,
        HOME,
        lambda *scope: Secret("-".join(("password", "of", *scope))),
        _network(server.webproxy, "10.213.0.0/27"),
        _network(server.db_network, db_subnet),
    )
    wanted = images(server)
    return server_stack(server, make_parts(ground, wanted), wanted)


def test_only_the_edge_listens_beyond_loopback() -> None:
    services = stack_of(SERVER)["services"]
    open_to_all = [
        (name, port["published"])
        for name, service in services.items()
        for port in service.get("ports", ())
        if port["host_ip"] != "127.0.0.1"
    ]
    assert open_to_all == [("edge", "8080")]


def test_nothing_sees_the_engines_socket() -> None:
    assert "docker.sock" not in str(stack_of(SERVER))


def test_no_password_is_in_the_stack() -> None:
    postgres = stack_of(SERVER)["services"]["postgres"]
    assert postgres["environment"] == {"POSTGRES_PASSWORD_FILE": "/etc/junov/password"}


def test_the_servers_networks_sort_before_every_private_one() -> None:
    networks = stack_of(SERVER)["networks"]
    assert all(name < "a" for name in networks)
    assert {name.removeprefix("0_junov_") for name in networks} == {"webproxy", "db_network"}


def test_a_changed_file_changes_the_one_service_that_reads_it() -> None:
    # Another network is another line in Postgres's pg_hba.conf.
    before, after = (
        stack_of(SERVER, db_subnet=subnet)["services"]
        for subnet in ("10.213.0.32/27", "10.213.0.64/27")
    )
    assert [name for name in before if before[name] != after[name]] == ["postgres"]


def test_without_a_registry_there_is_none() -> None:
    server = Server(registry=Registry(enabled=False))
    assert set(images(server)) == set(stack_of(server)["services"])
    assert server.repository("notes") is None


def test_a_pooler_that_is_not_asked_for_is_not_there_and_changes_nothing() -> None:
    services = stack_of(SERVER)["services"]
    assert set(services) == {"edge", "postgres", "registry"} == set(images(SERVER))
    assert services["postgres"]["networks"] == {SERVER.db_network: {}}


def test_the_pooler_may_do_nothing_but_pass_on() -> None:
    services = stack_of(POOLED)["services"]
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
