"""Where an environment's requests go: switched to new containers, and drained from old ones."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from junov.delivery.delivered import Delivered, find_release
from junov.edge import Route
from junov.edge.config import LONGEST_PAUSE_SECONDS
from junov.engine.inspection import Container
from junov.engine.sockets import RESOLVER, TABLES, open_connections
from junov.environments import Identity
from junov.environments.labels import PART, SERVER
from junov.errors import JunovError, UnavailableError
from junov.site import Site
from junov.steps import Step

ROUTE_SECONDS = 15.0
_POLL_SECONDS = 0.2


def route_to(delivered: Delivered, containers: Sequence[Container]) -> Route:
    """The route that leads an environment's requests to these containers of a release."""
    environment = delivered.environment
    return Route(
        name=environment.identity.route,
        host=environment.host,
        # Not by address: that changes when the engine restarts. Not by name: the edge looks a name
        # up in every network that it is in, and in another environment's network somebody may have
        # taken it for an alias. An id cannot be known before it is there.
        servers=tuple(f"http://{each.id[:12]}:{delivered.web.port}" for each in containers),
        project=environment.project,
        environment=environment.name,
        release=delivered.release,
    )


def switch(site: Site, route: Route) -> float:
    """Send requests where a route leads, and wait until the edge does so.

    Returns:
        How long that took, in seconds.

    Raises:
        HostTakenError: another environment has the host.
        UnavailableError: the edge doesn't take the route.
    """
    site.routes.write(route)
    return site.edge_api.wait_until_routed(route, timeout=ROUTE_SECONDS)


def close(site: Site, identity: Identity, step: Step) -> None:
    """Have the edge answer 503 at once for an environment that is about to be stopped.

    Its host stays its own. What can't be done is told, and keeps nobody from stopping it.

    Args:
        site: the server.
        identity: the environment.
        step: told what can't be done.
    """
    try:
        route = site.routes.read(identity.route)
        # Where its release can't be read, a start could not tell where its web listens.
        if route and route.servers and find_release(site, identity, route.release):
            closed = replace(route, servers=())
            site.routes.write(closed)
            if edge_runs(site):
                site.edge_api.wait_until_routed(closed, timeout=ROUTE_SECONDS)
    except JunovError as error:
        step.say(f"its route stays as it is: {error.message}")


def edge_runs(site: Site) -> bool:
    """Whether there is an edge at all that could send requests anywhere."""
    labels = {SERVER: site.server.name, PART: "edge"}
    return bool(site.engine.containers(labels, all_states=False))


def drain(
    site: Site,
    containers: Sequence[Container],
    port: int,
    seconds: float,
    step: Step,
    *,
    since: float | None = None,
) -> None:
    """Wait until the requests that old containers still have are answered.

    No new ones reach them any more. What is in flight is told by the edge's own connections: it
    closes those that are idle within a second or two. What still is open when the time is up
    (WebSockets, server-sent events, downloads) is closed when the container is stopped, last.

    A request that no container has taken yet is tried again with the old ones. So the edge must be
    seen without a connection to them, and without a name that it looks up, for as long as it may
    pause between two tries.

    Args:
        site: the server.
        containers: the old containers.
        port: where they listen; it need not be the port of the new ones.
        seconds: how long to wait at most.
        step: told what came of it.
        since: when the last request was sent to them, by `time.monotonic`; now, unless it is given.
    """
    addresses = [address for each in containers for address in each.addresses.values() if address]
    servers = [(address, port) for address in addresses]
    began = time.monotonic()
    seen = since = began if since is None else since
    first = left = _open(site, servers)
    while servers:
        now = time.monotonic()
        seen = now if left else seen
        if now - seen >= LONGEST_PAUSE_SECONDS or now - since >= seconds:
            break
        time.sleep(_POLL_SECONDS)
        left = _open(site, servers)
        first = max(first, left)
    took = time.monotonic() - began
    if left:
        step.note = f"{left} of {first} connections were still open after {took:.0f} s"
    elif first:
        step.note = f"{first} connections ended within {seen - began:.1f} s"
    else:
        step.note = "nothing was under way"


def _open(site: Site, servers: list[tuple[str, int]]) -> int:
    if not servers:
        return 0
    _, tables = site.engine.execute(site.part("edge").id, TABLES)
    try:
        return open_connections(tables, [*servers, RESOLVER])
    except ValueError:
        raise UnavailableError(
            "the edge's connections can't be read",
            remedy="look at it with: junov server doctor",
            detail=tables,
        ) from None
