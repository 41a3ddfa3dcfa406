"""The edge (Traefik): the one way in from outside. It never sees the engine's socket."""

from __future__ import annotations

import os

from junov.edge import static_config
from junov.edge.config import API_PORT, GRACE_SECONDS, WEB_PORT
from junov.server.parts.part import Ground, Kind, Part, bind, port


def _part(ground: Ground) -> Part:
    server, folder = ground.server, ground.home.edge_folder
    return Part(
        service={
            "command": ["--configFile=/etc/traefik/traefik.yaml"],
            "networks": {server.webproxy: {}},
            # The engine answers at once, or not at all while it is restarted: then the edge's next
            # try asks it again.
            "dns_opt": ["timeout:1", "attempts:1"],
            "ports": [
                port(WEB_PORT, server.edge.port, server.edge.bind),
                port(API_PORT, None, "127.0.0.1"),
            ],
            "volumes": [bind(folder, "/etc/traefik")],
            # The state folder is closed to everybody but its owner, and without capabilities even a
            # container's root may not read past that. Ports below 1024 need none inside a
            # container.
            "user": f"{os.geteuid()}:{os.getegid()}",
            "cap_drop": ["ALL"],
            "read_only": True,
            "tmpfs": ["/tmp"],  # noqa: S108 - inside the container
            "stop_grace_period": f"{GRACE_SECONDS + 10}s",
        },
        files={folder / "traefik.yaml": static_config()},
    )


EDGE = Kind("edge", lambda server: server.edge, _part, needed=True)
