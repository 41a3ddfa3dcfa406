"""What is wrong with this machine and its server, and the mend for each."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, Literal

from junov.databases.budget import ConnectionBudget, largest
from junov.engine.private_network import DATABASE_ALIAS, pool_conflicts
from junov.environments.labels import ENVIRONMENT, PART, PROJECT, SERVER
from junov.environments.subnets import capacity
from junov.errors import JunovError
from junov.pgbouncer import are_current
from junov.server.status import status
from junov.site import Site

Verdict = Literal["ok", "warning", "failed"]

LEAST_FREE_BYTES = 5 * 1024**3
LEAST_FREE_SHARE = 0.10
GREATEST_USE_OF_CONNECTIONS = 0.80
GREATEST_CLOCK_SKEW_SECONDS = 5.0
FIRST_YEAR = 2026  # of junov itself: a clock before that has lost its battery


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Args:
        check: the check's name.
        verdict: ok, warning or failed.
        message: what was found.
        remedy: what to do; empty where all is well.
    """

    check: str
    verdict: Verdict
    message: str
    remedy: str = ""

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        return asdict(self)


def examine(site: Site) -> Iterator[Finding]:
    """Run every check, the first ones first: later ones may fail because of them."""
    for name, check in CHECKS.items():
        try:
            found = check(site)
        except JunovError as error:
            found = Finding(name, "failed", error.message, error.remedy)
        yield Finding(name, found.verdict, found.message, found.remedy)


def _engine(site: Site) -> Finding:
    return Finding("", "ok", f"Docker {site.engine.version()} answers")


def _tools(site: Site) -> Finding:
    tools = site.tools
    builder = "buildx" if tools.buildx else "BuildKit of the docker client"
    return Finding(
        "",
        "ok",
        f"Compose {tools.compose_version}; docker client {tools.docker_version} with {builder}",
    )


def _server(site: Site) -> Finding:
    wrong = [part for part in status(site) if not part.ok]
    if wrong:
        said = ", ".join(f"{part.part} is {part.health or part.state}" for part in wrong)
        return Finding("", "failed", said, "start what is missing with: junov server up")
    return Finding("", "ok", "every part of the server runs")


def _disk(site: Site) -> Finding:
    folder = site.home.path if site.home.path.exists() else site.home.path.anchor
    usage = shutil.disk_usage(folder)
    said = f"{usage.free / 1024**3:.0f} GiB of {usage.total / 1024**3:.0f} GiB are free"
    if usage.free < LEAST_FREE_BYTES or usage.free / usage.total < LEAST_FREE_SHARE:
        return Finding(
            "",
            "warning",
            said,
            "remove environments that nobody needs (junov env ls), then: docker image prune",
        )
    return Finding("", "ok", said)


def _ports(site: Site) -> Finding:
    server = site.server
    wanted = {server.edge.port: (server.edge.bind, "edge")}
    if server.registry.enabled:
        wanted[server.registry.port] = ("127.0.0.1", "registry")
    ours = {part.part for part in status(site) if part.state == "running"}
    taken = [
        f"{port} (for the {part})"
        for port, (address, part) in wanted.items()
        if part not in ours and not _can_listen(address, port)
    ]
    if taken:
        return Finding(
            "",
            "failed",
            f"another program listens on port {', '.join(taken)}",
            "end that program (ss -ltnp shows it), or choose another port in server.yaml",
        )
    return Finding("", "ok", f"ports {', '.join(map(str, sorted(wanted)))} are the server's")


def _pool(site: Site) -> Finding:
    networks = site.server.networks
    conflicts = pool_conflicts(site.engine, site.server.name, networks.pool)
    if conflicts:
        what = ", ".join(f"{name} ({subnet})" for name, subnet in conflicts)
        return Finding(
            "",
            "warning",
            f"in the address pool {networks.pool} lies {what}; junov goes around it",
            "choose a `networks.pool` in server.yaml that nothing else uses",
        )
    used = len(site.engine.networks({SERVER: site.server.name}))
    room = capacity(networks.pool, networks.size)
    if used > room * 0.9:
        return Finding(
            "",
            "warning",
            f"{used} of the {room} networks of {networks.pool} are used",
            "choose a larger `networks.pool` in server.yaml",
        )
    return Finding("", "ok", f"{used} of the {room} networks of {networks.pool} are used")


def _dns(site: Site) -> Finding:
    domain = site.server.domain
    if domain == "localhost" or domain.endswith(".localhost"):
        return Finding("", "ok", f"{domain} is this machine (RFC 6761)")
    missing = []
    found = set()
    for name in (domain, f"any.{domain}"):
        try:
            found |= {info[4][0] for info in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)}
        except OSError:
            missing.append(name)
    if missing:
        return Finding(
            "",
            "failed",
            f"no address is known for {' and '.join(missing)}",
            f"add DNS records for {domain} and *.{domain} that point to this server",
        )
    shown = ", ".join(sorted(str(ip_address(address)) for address in found))
    return Finding("", "ok", f"{domain} and its names point to {shown}")


def _clock(site: Site) -> Finding:
    """The engine's clock against this process's: they differ where the engine is in a machine of
    its own, and then log times, expiry and certificates are wrong on one of the two.
    """
    asked = datetime.now(UTC)
    skew = abs((site.engine.clock() - asked).total_seconds())
    if skew > GREATEST_CLOCK_SKEW_SECONDS:
        return Finding(
            "",
            "warning",
            f"the engine's clock differs by {skew:.0f} s from this machine's",
            "set both by NTP (timedatectl set-ntp true)",
        )
    if asked.year < FIRST_YEAR:
        return Finding(
            "", "failed", f"the clock says {asked:%F}", "set it by NTP (timedatectl set-ntp true)"
        )
    return Finding(
        "", "ok", f"the engine's clock agrees with this machine's ({asked:%F %H:%M} UTC)"
    )


def _environments(site: Site) -> Finding:
    server = site.server.name
    edges = site.engine.containers({SERVER: server, PART: "edge"}, all_states=False)
    if not edges:
        return Finding("", "failed", "the edge does not run", "start it with: junov server up")
    apart = [
        f"{network.labels[PROJECT]}/{network.labels[ENVIRONMENT]}"
        for network in site.engine.networks({SERVER: server})
        if ENVIRONMENT in network.labels and network.name not in edges[0].addresses
    ]
    if apart:
        return Finding(
            "",
            "failed",
            f"the edge is not in the network of {', '.join(apart)}",
            "connect it again with: junov server up",
        )
    lost = sorted(
        f"{each.labels[PROJECT]}/{each.labels[ENVIRONMENT]}: {each.name}"
        for each in site.engine.containers({SERVER: server}, all_states=False)
        if ENVIRONMENT in each.labels and not any(each.addresses.values())
    )
    if lost:
        return Finding(
            "",
            "failed",
            f"in no network any more: {', '.join(lost)}",
            "deploy these environments again (junov deploy), which makes their networks anew",
        )
    return Finding("", "ok", "the edge and every container are in their environment's network")


def _pgbouncer(site: Site) -> Finding:
    server = site.server
    if not server.postgres.pgbouncer.enabled:
        return Finding("", "ok", "there is none, as server.yaml has it")
    poolers = site.engine.containers({SERVER: server.name, PART: "pgbouncer"}, all_states=False)
    remedy = "bring it up to date with: junov server up"
    if not poolers:
        return Finding("", "failed", "PgBouncer does not run", remedy)
    apart = [
        f"{network.labels[PROJECT]}/{network.labels[ENVIRONMENT]}"
        for network in site.engine.networks({SERVER: server.name})
        if DATABASE_ALIAS in network.labels and network.name not in poolers[0].addresses
    ]
    if apart:
        said = f"PgBouncer is not in the network of {', '.join(apart)}"
        return Finding("", "failed", said, remedy)
    if not are_current(site):
        return Finding(
            "", "failed", "its entries are not what Postgres and server.yaml say", remedy
        )
    return Finding("", "ok", "it leads to every environment's database")


def _connections(site: Site) -> Finding:
    return judge_connections(site.postgres.connection_budget())


def judge_connections(budget: ConnectionBudget) -> Finding:
    """What there is to say of Postgres's connections: few are left, or too many are promised."""
    room, holders = budget.room, budget.holders
    in_use = f"{budget.in_use} of the {room} connections of Postgres are in use"
    promised = f"the limits of all environments add up to {budget.promised}"
    over = budget.over
    enough = budget.most + over if over > 0 else 2 * budget.most
    raise_it = (
        f"raise `postgres.connections` in server.yaml from {budget.most} to {enough} and restart "
        "Postgres with it (junov server up)"
    )
    said, remedy = [], ""
    if budget.in_use >= room * GREATEST_USE_OF_CONNECTIONS:
        said.append(f"{in_use}, most of them by {largest(holders)}")
        remedy = f"see what holds them (junov db ls), or {raise_it}"
    if over > 0:
        most = largest(holders, by_limit=True)
        said.append(f"{promised}, {over} more than there are; the largest: {most}")
        remedy = remedy or f"lower `database.connections` in their junov.yaml, or {raise_it}"
    if said:
        return Finding("", "warning", "; ".join(said), remedy)
    return Finding("", "ok", f"{in_use}; {promised}")


CHECKS: dict[str, Callable[[Site], Finding]] = {
    "engine": _engine,
    "tools": _tools,
    "disk": _disk,
    "ports": _ports,
    "address pool": _pool,
    "DNS": _dns,
    "clock": _clock,
    "server": _server,
    "connections": _connections,
    "PgBouncer": _pgbouncer,
    "environments": _environments,
}


def _can_listen(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except PermissionError:
            return True  # a port below 1024 that only root may take; the engine is root
        except OSError:
            return False
    return True
