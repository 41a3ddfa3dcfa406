"""Postgres: one for all environments, each with a database and a role of its own."""

from __future__ import annotations

from pathlib import Path

from junov.config.home import Home
from junov.config.postgres import POSTGRES_PORT
from junov.databases import hba
from junov.pgbouncer import postgres_address
from junov.server.parts.part import Ground, Kind, Part, bind, port, volume

_DATA = "/var/lib/postgresql/data"
_FOLDER = "/etc/junov"


def postgres_folder(home: Home) -> Path:
    """The files that Postgres reads: who may connect from where, and its first password."""
    return home.path / "postgres"


def _part(ground: Ground) -> Part:
    settings, network = ground.server.postgres, ground.db_network
    # PgBouncer is told an address, so Postgres keeps it.
    fixed = {"ipv4_address": postgres_address(network.subnets[0])}
    values = {
        "max_connections": settings.connections,
        "shared_buffers": settings.shared_buffers,
        "hba_file": f"{_FOLDER}/pg_hba.conf",
        "password_encryption": "scram-sha-256",
    }
    command = ["postgres"]
    for key, value in values.items():
        command += ["-c", f"{key}={value}"]
    folder = postgres_folder(ground.home)
    return Part(
        service={
            "command": command,
            "environment": {"POSTGRES_PASSWORD_FILE": f"{_FOLDER}/password"},
            "networks": {network.name: fixed if settings.pgbouncer.enabled else {}},
            "ports": [port(POSTGRES_PORT, None, "127.0.0.1")],
            "volumes": [volume("postgres", _DATA), bind(folder, _FOLDER)],
            "shm_size": "256m",
            "stop_grace_period": "60s",
            "healthcheck": {
                # Over TCP: during first initialisation the image's temporary server listens on the
                # Unix socket only, and a check over the socket would say yes too early. The
                # superuser isn't let in this way, and each refusal would be a line in the log. It
                # asks as somebody who is let in as far as the password, and then goes away.
                "test": [
                    *("CMD", "pg_isready", "-q", "-h", "127.0.0.1"),
                    *("-U", "health", "-d", "health"),
                ],
                "interval": "1s",
                "timeout": "3s",
                "retries": 120,
            },
        },
        files={folder / "pg_hba.conf": hba(network.subnets)},
        private={folder / "password": ground.password("postgres")},
        volumes=("postgres",),
    )


POSTGRES = Kind("postgres", lambda server: server.postgres, _part, needed=True)
