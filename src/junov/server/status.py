"""What of the server runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from junov.environments.labels import ENVIRONMENT, PART, PROJECT, SERVER
from junov.server.stack import images
from junov.site import Site


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One part of the server.

    Args:
        part: edge, postgres, pgbouncer or registry.
        state: the engine's word for it, or `absent`.
        health: healthy, unhealthy, starting; empty where nothing tells.
        image: what it runs, or is to run.
        address: where this machine reaches it; empty where it doesn't run.
    """

    part: str
    state: str
    health: str
    image: str
    address: str

    @property
    def ok(self) -> bool:
        """Whether it does its work."""
        return self.state == "running" and self.health in ("", "healthy")

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        return asdict(self)


def status(site: Site) -> list[PartStatus]:
    """Every part that `server.yaml` asks for, running or not."""
    server = site.server
    running = {
        container.labels.get(PART, ""): container
        for container in site.engine.containers({SERVER: server.name})
        if PART in container.labels
    }
    addresses = {
        "edge": f"{server.edge.bind}:{server.edge.port}",
        "registry": f"127.0.0.1:{server.registry.port}",
    }
    found = []
    for part, image in images(server).items():
        container = running.get(part)
        if container is None:
            found.append(PartStatus(part, "absent", "", image, ""))
            continue
        port = next(iter(container.ports.values()), None)
        address = addresses.get(part) or (f"127.0.0.1:{port}" if port else "")
        found.append(PartStatus(part, container.state, container.health, container.image, address))
    return found


def environments_on(site: Site) -> list[str]:
    """The environments that have a private network on this server, as `project/name`."""
    return sorted(
        f"{network.labels[PROJECT]}/{network.labels[ENVIRONMENT]}"
        for network in site.engine.networks({SERVER: site.server.name})
        if ENVIRONMENT in network.labels
    )
