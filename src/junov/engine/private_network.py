"""An environment's private network: its own subnet, and the server's trusted containers in it.

The edge and Postgres are connected into every private network, and PgBouncer where there is one;
nothing else of the server is, and nothing of another environment. Connections survive a restart of
those containers, but not their re-creation, so `connect_trusted` is what both a deploy and `junov
server up` end with.
"""

from __future__ import annotations

from collections.abc import Mapping

from junov.engine.api import Engine
from junov.engine.host_routes import host_routes
from junov.engine.inspection import Network
from junov.environments.labels import ENVIRONMENT, PART, SERVER
from junov.environments.subnets import foreign_overlaps, free_subnet
from junov.errors import CommandError, StageError

NETWORKS_LOCK = "networks"
_TRIES = 20

DATABASE_ALIAS = "dev.junov.database-alias"
"""A private network's label: the name under which its environment reaches Postgres."""

PGBOUNCER_ALIAS = "pgbouncer"
"""The name under which environments with a database reach PgBouncer, if the server has it."""


def ensure_network(
    engine: Engine,
    name: str,
    *,
    server: str | None,
    pool: str,
    size: int,
    labels: Mapping[str, str],
) -> Network:
    """The network of that name, made with a free subnet of the pool if it isn't there.

    The caller holds `NETWORKS_LOCK`, so that two networks of one server never want one subnet.
    Another server on the same engine may still take it first; the engine refuses then, and the
    next one is tried.

    Args:
        engine: the engine.
        name: the network's name.
        server: the server's name; None for a network of a test run.
        pool: where subnets come from.
        size: the prefix length of the subnet.
        labels: labels of a new network, beside the server's.

    Raises:
        StageError: a network of that name belongs to somebody else.
        UnavailableError: the pool is used up.
    """
    wanted = {**labels, SERVER: server} if server else dict(labels)
    for _ in range(_TRIES):
        try:
            return _find_or_make(engine, name, wanted, pool, size)
        except CommandError as error:
            if "overlap" not in error.message:
                raise
    raise StageError(
        f"another run takes every subnet that {name} wants",
        remedy="give each server on this machine a `networks.pool` of its own in server.yaml",
    )


def _find_or_make(
    engine: Engine, name: str, wanted: Mapping[str, str], pool: str, size: int
) -> Network:
    networks = engine.networks()
    existing = next((net for net in networks if net.name == name), None)
    if existing:
        refuse_foreign(existing, wanted)
        return existing
    taken = [subnet for net in networks for subnet in net.subnets]
    subnet = str(free_subnet(pool, size, [*taken, *(route for _, route in host_routes())]))
    made = engine.create_network(name, subnet, wanted)
    return engine.network(name) or Network(made, name, (subnet,), "", wanted)


def refuse_foreign(network: Network, wanted: Mapping[str, str]) -> None:
    """Do nothing if a network carries these labels.

    Args:
        network: a network of the engine.
        wanted: what it carries if it is ours; the database's alias may change with the files.

    Raises:
        StageError: it belongs to another server of this machine, or isn't junov's.
    """
    if all(
        network.labels.get(key) == value for key, value in wanted.items() if key != DATABASE_ALIAS
    ):
        return
    owner = network.labels.get(SERVER)
    if owner and owner != wanted.get(SERVER):
        raise StageError(
            f"the network {network.name} belongs to another server of this machine, {owner}",
            remedy="a project can be on one server of a machine: work with that one's JUNOV_HOME, "
            "or give this project another name in junov.yaml",
        )
    raise StageError(
        f"there is a network {network.name} already, and it is not this environment's",
        remedy=f"see what uses it: docker network inspect {network.name}",
    )


def pool_conflicts(engine: Engine, server: str, pool: str) -> list[tuple[str, str]]:
    """Networks and routes that lie in the server's pool and are not the server's.

    Returns:
        (what it is, its range) of each.
    """
    networks = engine.networks()
    ours = {
        subnet for net in networks if net.labels.get(SERVER) == server for subnet in net.subnets
    }
    of_engine = {subnet for net in networks for subnet in net.subnets}
    foreign = [
        (f"the network {net.name}", subnet)
        for net in networks
        if net.labels.get(SERVER) != server
        for subnet in net.subnets
    ]
    foreign += [
        (f"the route through {device}", route)
        for device, route in host_routes()
        if route not in ours and route not in of_engine
    ]
    return foreign_overlaps(pool, foreign)


def connect_trusted(engine: Engine, server: str, network: Network) -> list[str]:
    """Connect the edge, Postgres and PgBouncer into a private network.

    Returns:
        The names of the containers that were not in it yet.
    """
    connected = []
    alias = network.labels.get(DATABASE_ALIAS)
    wanted: dict[str, tuple[str, ...]] = {"edge": ()}
    if alias:  # a project without a database sees no Postgres at all
        wanted |= {"postgres": (alias,), "pgbouncer": (PGBOUNCER_ALIAS,)}
    for part, aliases in wanted.items():
        connected += [
            container.name
            for container in engine.containers({SERVER: server, PART: part})
            if container.running and engine.connect(network.name, container, aliases)
        ]
    return connected


def connect_all(engine: Engine, server: str) -> dict[str, list[str]]:
    """Connect the edge, Postgres and PgBouncer into every private network of the server.

    Returns:
        Network → the containers that were not in it yet, for those that lacked one.
    """
    connected = {
        network.name: connect_trusted(engine, server, network)
        for network in engine.networks({SERVER: server})
        if ENVIRONMENT in network.labels
    }
    return {name: containers for name, containers in connected.items() if containers}
