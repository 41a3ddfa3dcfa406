"""The server's own stack as a compose model, put together from its parts. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from junov.config.server import Server
from junov.environments.labels import PART, SERVER
from junov.server.parts import KINDS, Ground, Part

_CONFIG_HASH = "dev.junov.config"


def images(server: Server) -> dict[str, str]:
    """The images that the server is to run, by part."""
    wanted = {kind.name: kind.settings(server) for kind in KINDS}
    return {name: settings.image for name, settings in wanted.items() if settings}


def make_parts(ground: Ground, images: Mapping[str, str]) -> dict[str, Part]:
    """The parts whose images there are, by name."""
    return {kind.name: kind.make(ground) for kind in KINDS if kind.name in images}


def server_stack(
    server: Server, parts: Mapping[str, Part], images: Mapping[str, str]
) -> dict[str, Any]:
    """The compose model of the server.

    Args:
        server: `server.yaml`.
        parts: what it runs, by name.
        images: the image of each, as the engine knows it.
    """
    return {
        "name": server.name,
        "services": {
            name: _service(server, name, part, images[name]) for name, part in parts.items()
        },
        "networks": {
            name: {"name": name, "external": True} for name in (server.webproxy, server.db_network)
        },
        "volumes": {
            volume: {"name": f"{server.name}_{volume}", "labels": {SERVER: server.name, PART: name}}
            for name, part in parts.items()
            for volume in part.volumes
        },
    }


def _service(server: Server, name: str, part: Part, image: str) -> dict[str, Any]:
    # A container whose files change is re-created, because its hash of them changes.
    read = "\0".join(text for _, text in sorted(part.files.items()))
    return {
        **part.service,
        "image": image,
        "labels": {
            SERVER: server.name,
            PART: name,
            _CONFIG_HASH: hashlib.sha256(read.encode()).hexdigest()[:16],
        },
        "restart": "unless-stopped",
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
        "security_opt": ["no-new-privileges:true"],
    }
