"""The databases of environments: which there are, and how one gets into the live one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from junov.config.postgres import POSTGRES_PORT
from junov.databases import DatabaseInfo
from junov.delivery.environments import EnvironmentView
from junov.delivery.generations import live_identity
from junov.delivery.migrations import database_heads
from junov.delivery.values import database_password
from junov.engine.compose import exec_argv
from junov.environments import identify
from junov.environments.identity import generation_of
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
        environment: the environment's name; empty for a template, which is the project's.
        kind: `live`, `kept`, `template`, or `new` while it is being made.
        heads: where its migrations stand; empty where that can't be told.
        since: when it became that; of a template when it was used last.
        size_bytes: its size on disk.
        connections: how many clients are connected to it.
    """

    name: str
    project: str
    environment: str
    kind: str
    heads: tuple[str, ...]
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

    A project's templates come before its environments.

    Args:
        site: the server.
        project: only those of this project; all without.
    """
    views = (_view(site, each) for each in site.postgres.databases())
    found = [each for each in views if each and (project is None or each.project == project)]
    order = ("live", "new", "kept", "template")
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


def _view(site: Site, database: DatabaseInfo) -> DatabaseView | None:
    """A database as it is shown; None where it isn't this server's."""
    stamp, template = database.stamp, database.template
    whose = stamp or template
    if whose is None or whose.server != site.server.name:
        return None
    environment, kind = (stamp.environment, stamp.kind) if stamp else ("", "template")
    since: datetime | None = None
    heads: tuple[str, ...] = ()
    if stamp:
        names = identify(stamp.project, environment)
        own = names.at(generation_of(database.name, names.database) or 1)
        heads = database_heads(site, own) if kind == "live" else stamp.heads
        since = stamp.since or stamp.created_at
    elif template:
        heads, since = template.heads, template.used_at
    return DatabaseView(
        name=database.name,
        project=whose.project,
        environment=environment,
        kind=kind,
        heads=heads,
        since=since.isoformat(timespec="seconds") if since else "",
        size_bytes=database.size_bytes,
        connections=database.connections,
    )
