"""Which databases and roles there are, and whose."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from junov.databases.stamp import Stamp, read_stamp
from junov.databases.templates import Template, read_template

if TYPE_CHECKING:
    from psycopg import Connection


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """One database of the server, as Postgres tells it.

    Args:
        name: its name.
        stamp: which environment's it is; None where it is none's.
        size_bytes: its size on disk.
        connections: how many clients are connected to it.
        owner: the role that owns it.
        connection_limit: how many may be connected; -1 for any number, 0 while it is being made.
        template: what it holds, if it is a template of a project.
    """

    name: str
    stamp: Stamp | None
    size_bytes: int
    connections: int
    owner: str
    connection_limit: int = -1
    template: Template | None = None


@dataclass(frozen=True, slots=True)
class Orphans:
    """What is stamped with an environment that isn't there any more.

    Args:
        databases: the databases, by name.
        roles: the roles by name, each with its stamp.
    """

    databases: tuple[DatabaseInfo, ...]
    roles: tuple[tuple[str, Stamp], ...]


def databases(admin: Connection[Any]) -> list[DatabaseInfo]:
    """Every database but Postgres's own, by name."""
    return [
        DatabaseInfo(name, read_stamp(text), size, connections, owner, limit, read_template(text))
        for name, text, size, connections, owner, limit in admin.execute(_DATABASES).fetchall()
    ]


def orphans(admin: Connection[Any], server: str, known: Collection[tuple[str, str]]) -> Orphans:
    """The databases and roles with this server's stamp whose environment is not among the known.

    Args:
        admin: a session with the administrative database.
        server: the server's name.
        known: the environments that there are, each as its project's name and its own.
    """

    def lost(stamp: Stamp | None) -> bool:
        if stamp is None or stamp.server != server:
            return False
        return (stamp.project, stamp.environment) not in known

    rows = admin.execute(
        "SELECT rolname, shobj_description(oid, 'pg_authid') FROM pg_roles ORDER BY rolname"
    ).fetchall()
    stamps = ((name, read_stamp(text)) for name, text in rows)
    return Orphans(
        databases=tuple(each for each in databases(admin) if lost(each.stamp)),
        roles=tuple((name, stamp) for name, stamp in stamps if stamp and lost(stamp)),
    )


# A database that is dropped while it is measured has no size.
_DATABASES = """
SELECT d.datname, shobj_description(d.oid, 'pg_database'), coalesce(pg_database_size(d.oid), 0),
       (SELECT count(*) FROM pg_stat_activity a
         WHERE a.datid = d.oid AND a.backend_type = 'client backend'),
       pg_get_userbyid(d.datdba), d.datconnlimit
  FROM pg_database d
 WHERE NOT d.datistemplate AND d.datname <> 'postgres'
 ORDER BY d.datname
"""
