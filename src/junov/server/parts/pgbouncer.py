"""PgBouncer: a pooler in front of Postgres, for projects that ask for it."""

from __future__ import annotations

from junov.config.postgres import POSTGRES_PORT
from junov.pgbouncer import FOLDER, user
from junov.server.parts.part import Ground, Kind, Part, bind


def _part(ground: Ground) -> Part:
    settings = ground.server.postgres
    return Part(
        service={
            # Said here rather than left to the image: each has a script of its own for it.
            "entrypoint": ["pgbouncer", f"{FOLDER}/pgbouncer.ini"],
            "networks": {ground.server.db_network: {}},
            "volumes": [bind(ground.home.pgbouncer_folder, FOLDER)],
            "user": user(),
            "cap_drop": ["ALL"],
            "read_only": True,
            # Each client takes one, and so does each connection to Postgres.
            "ulimits": {"nofile": settings.pgbouncer.clients + settings.connections + 100},
            "stop_grace_period": "10s",
            "healthcheck": {
                # Whether it listens, as the kernel tells: what could ask it is in no such image.
                "test": ["CMD-SHELL", f"grep -q ':{POSTGRES_PORT:04X} 0*:0000 0A' /proc/net/tcp*"],
                "interval": "1s",
                "timeout": "3s",
                "retries": 30,
            },
        }
    )


PGBOUNCER = Kind(
    "pgbouncer",
    lambda server: server.postgres.pgbouncer if server.postgres.pgbouncer.enabled else None,
    _part,
    needed=True,
)
