"""The server's own stack as a compose model: edge, Postgres, PgBouncer, registry. Pure."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from junov.config.home import Home
from junov.config.server import POSTGRES_PORT, Server
from junov.edge.config import API_PORT, GRACE_SECONDS
from junov.environments.labels import PART, SERVER
from junov.pgbouncer import FOLDER as PGBOUNCER_FOLDER
from junov.pgbouncer import user as pgbouncer_user

PARTS = ("edge", "postgres", "pgbouncer", "registry")

_DATA = "/var/lib/postgresql/data"
_CONFIG_HASH = "dev.junov.config"


def images(server: Server) -> dict[str, str]:
    """The images that the server runs, by part."""
    wanted = {"edge": server.edge.image, "postgres": server.postgres.image}
    if server.postgres.pgbouncer.enabled:
        wanted["pgbouncer"] = server.postgres.pgbouncer.image
    return {**wanted, "registry": server.registry.image} if server.registry.enabled else wanted


def server_stack(
    server: Server, home: Home, config: Mapping[Path, str], *, postgres_address: str = ""
) -> dict[str, Any]:
    """The compose model of the server.

    Args:
        server: `server.yaml`.
        home: the state folder.
        config: the files that its containers read, with their contents. A service whose files
            change is re-created, because its hash of them changes.
        postgres_address: the address that Postgres always has in its network, for PgBouncer;
            without it, any.
    """
    services = {
        "edge": _edge(server, home.edge_folder),
        "postgres": _postgres(server, postgres_folder(home), postgres_address),
    }
    if server.postgres.pgbouncer.enabled:
        services["pgbouncer"] = _pgbouncer(server, home.pgbouncer_folder)
    volumes = {"postgres": _volume(server, "postgres")}
    if server.registry.enabled:
        services["registry"] = _registry(server)
        volumes["registry"] = _volume(server, "registry")
    folders = {"edge": home.edge_folder, "postgres": postgres_folder(home)}
    for part, service in services.items():
        mine = [
            text
            for path, text in sorted(config.items())
            if part in folders and path.is_relative_to(folders[part])
        ]
        digest = hashlib.sha256("\0".join(mine).encode()).hexdigest()[:16]
        service["labels"] = {SERVER: server.name, PART: part, _CONFIG_HASH: digest}
        service["restart"] = "unless-stopped"
        service["logging"] = {
            "driver": "json-file",
            "options": {"max-size": "10m", "max-file": "3"},
        }
        service["security_opt"] = ["no-new-privileges:true"]
    return {
        "name": server.name,
        "services": services,
        "networks": {
            name: {"name": name, "external": True} for name in (server.webproxy, server.db_network)
        },
        "volumes": volumes,
    }


def postgres_folder(home: Home) -> Path:
    """The files that Postgres reads: who may connect from where, and its first password."""
    return home.path / "postgres"


def _edge(server: Server, folder: Path) -> dict[str, Any]:
    return {
        "image": server.edge.image,
        "command": ["--configFile=/etc/traefik/traefik.yaml"],
        "networks": {server.webproxy: {}},
        # The engine answers at once, or not at all while it is restarted: then the edge's next try
        # asks it again.
        "dns_opt": ["timeout:1", "attempts:1"],
        "ports": [
            _port(80, server.edge.port, server.edge.bind),
            _port(API_PORT, None, "127.0.0.1"),
        ],
        "volumes": [_bind(folder, "/etc/traefik")],
        # The state folder is closed to everybody but its owner, and without capabilities even a
        # container's root may not read past that. Ports below 1024 need none inside a container.
        "user": f"{os.geteuid()}:{os.getegid()}",
        "cap_drop": ["ALL"],
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108 - inside the container
        "stop_grace_period": f"{GRACE_SECONDS + 10}s",
    }


def _postgres(server: Server, folder: Path, address: str) -> dict[str, Any]:
    settings = {
        "max_connections": server.postgres.connections,
        "shared_buffers": server.postgres.shared_buffers,
        "hba_file": "/etc/junov/pg_hba.conf",
        "password_encryption": "scram-sha-256",
    }
    command = ["postgres"]
    for key, value in settings.items():
        command += ["-c", f"{key}={value}"]
    return {
        "image": server.postgres.image,
        "command": command,
        "environment": {"POSTGRES_PASSWORD_FILE": "/etc/junov/password"},
        "networks": {server.db_network: {"ipv4_address": address} if address else {}},
        "ports": [_port(POSTGRES_PORT, None, "127.0.0.1")],
        "volumes": [
            {"type": "volume", "source": "postgres", "target": _DATA},
            _bind(folder, "/etc/junov"),
        ],
        "shm_size": "256m",
        "stop_grace_period": "60s",
        "healthcheck": {
            # Over TCP: during first initialisation the image's temporary server listens on the
            # Unix socket only, and a check over the socket would say yes too early.
            # The superuser isn't let in this way, and each refusal would be a line in the log. It
            # asks as somebody who is let in as far as the password, and then goes away.
            "test": ["CMD", "pg_isready", "-q", "-h", "127.0.0.1", "-U", "health", "-d", "health"],
            "interval": "1s",
            "timeout": "3s",
            "retries": 120,
        },
    }


def _pgbouncer(server: Server, folder: Path) -> dict[str, Any]:
    return {
        "image": server.postgres.pgbouncer.image,
        # Said here rather than left to the image: each has a script of its own for it.
        "entrypoint": ["pgbouncer", f"{PGBOUNCER_FOLDER}/pgbouncer.ini"],
        "networks": {server.db_network: {}},
        "volumes": [_bind(folder, PGBOUNCER_FOLDER)],
        "user": pgbouncer_user(),
        "cap_drop": ["ALL"],
        "read_only": True,
        # Each client takes one, and so does each connection to Postgres.
        "ulimits": {
            "nofile": server.postgres.pgbouncer.clients + server.postgres.connections + 100
        },
        "stop_grace_period": "10s",
        "healthcheck": {
            # Whether it listens, as the kernel tells: what could ask it is in no such image.
            "test": ["CMD-SHELL", f"grep -q ':{POSTGRES_PORT:04X} 0*:0000 0A' /proc/net/tcp*"],
            "interval": "1s",
            "timeout": "3s",
            "retries": 30,
        },
    }


def _registry(server: Server) -> dict[str, Any]:
    return {
        "image": server.registry.image,
        "environment": {"REGISTRY_STORAGE_DELETE_ENABLED": "true"},
        "networks": {server.webproxy: {}},
        "ports": [_port(5000, server.registry.port, "127.0.0.1")],
        "volumes": [{"type": "volume", "source": "registry", "target": "/var/lib/registry"}],
        "cap_drop": ["ALL"],
    }


def _port(target: int, published: int | None, address: str) -> dict[str, Any]:
    port: dict[str, Any] = {"target": target, "host_ip": address, "protocol": "tcp"}
    return {**port, "published": str(published)} if published else port


def _bind(source: Path, target: str) -> dict[str, Any]:
    return {
        "type": "bind",
        "source": str(source),
        "target": target,
        "read_only": True,
        "bind": {"create_host_path": False},
    }


def _volume(server: Server, name: str) -> dict[str, Any]:
    return {"name": f"{server.name}_{name}", "labels": {SERVER: server.name, PART: name}}
