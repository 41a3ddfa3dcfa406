"""The databases of environments: which there are, and how one gets into the live one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from junov.config.server import POSTGRES_PORT
from junov.databases import DatabaseInfo
from junov.delivery.environments import EnvironmentView
from junov.delivery.generations import live_identity
from junov.delivery.values import database_password
from junov.engine.compose import exec_argv
from junov.process import interactive
from junov.secret import Secret
from junov.site import Site

_UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True)
class DatabaseView:
    """One database, as `db ls` shows it.

    Args:
        name: its name, which is its role's as well.
        project: the project's name.
        environment: the environment's name.
        kind: `live`, `kept`, or `new` while it is being made.
        since: when it became that; empty where nobody wrote it down.
        size_bytes: its size on disk.
        connections: how many clients are connected to it.
    """

    name: str
    project: str
    environment: str
    kind: str
    since: str
    size_bytes: int
    connections: int

    @property
    def size(self) -> str:
        """The size in the largest unit of which it is at least one."""
        size, unit = float(self.size_bytes), 0
        while size >= 1000 and unit < len(_UNITS) - 1:
            size, unit = size / 1000, unit + 1
        return f"{size:.0f} {_UNITS[unit]}"

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        return asdict(self)


def list_databases(site: Site, project: str | None) -> list[DatabaseView]:
    """The databases that bear this server's stamp, by environment, the live one first.

    Args:
        site: the server.
        project: only those of this project; all without.
    """
    found = [_view(each) for each in site.postgres.databases() if _is_ours(site, each, project)]
    order = ("live", "new", "kept")
    return sorted(found, key=lambda each: (each.project, each.environment, order.index(each.kind)))


def database_url(site: Site, view: EnvironmentView) -> Secret:
    """The URL of an environment's live database, as this machine reaches it, with the password."""
    names = live_identity(site, view.identity)
    port = site.part("postgres").ports[POSTGRES_PORT]
    password = quote(database_password(site, names).reveal(), safe="")
    return Secret(f"postgresql://{names.role}:{password}@127.0.0.1:{port}/{names.database}")


def open_psql(site: Site, view: EnvironmentView, arguments: Sequence[str]) -> int:
    """Run psql on an environment's live database, on this terminal; returns its exit code.

    It runs in the server's own container, so client and server are of one version, and as the
    environment's role, which reaches nothing else.
    """
    names = live_identity(site, view.identity)
    command = ["psql", "--host=127.0.0.1", f"--username={names.role}", names.database, *arguments]
    container = site.part("postgres").name
    argv = exec_argv(site.tools.docker, container, command, ["PGPASSWORD"])
    return interactive(
        argv, env={**site.tools.env, "PGPASSWORD": database_password(site, names).reveal()}
    )


def _is_ours(site: Site, database: DatabaseInfo, project: str | None) -> bool:
    stamp = database.stamp
    if stamp is None or stamp.server != site.server.name:
        return False
    return project is None or stamp.project == project


def _view(database: DatabaseInfo) -> DatabaseView:
    stamp = database.stamp
    if stamp is None:
        raise AssertionError(database)
    return DatabaseView(
        name=database.name,
        project=stamp.project,
        environment=stamp.environment,
        kind=stamp.kind,
        since=(stamp.since or stamp.created_at).isoformat(timespec="seconds"),
        size_bytes=database.size_bytes,
        connections=database.connections,
    )
