"""The server's own image registry, on loopback."""

from __future__ import annotations

from junov.server.parts.part import Ground, Kind, Part, port, volume


def _part(ground: Ground) -> Part:
    server = ground.server
    return Part(
        service={
            "environment": {"REGISTRY_STORAGE_DELETE_ENABLED": "true"},
            "networks": {server.webproxy: {}},
            "ports": [port(5000, server.registry.port, "127.0.0.1")],
            "volumes": [volume("registry", "/var/lib/registry")],
            "cap_drop": ["ALL"],
        },
        volumes=("registry",),
    )


REGISTRY = Kind(
    "registry",
    lambda server: server.registry if server.registry.enabled else None,
    _part,
    needed=True,
)
