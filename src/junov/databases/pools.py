"""Which databases a pooler in front of Postgres leads to, and how many connections each may have.

Read from Postgres itself, in one statement: what is there is what can be reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from junov.databases.stamp import Stamp, read_stamp
from junov.environments.identity import generation_of, identify

if TYPE_CHECKING:
    from psycopg import Connection


@dataclass(frozen=True, slots=True)
class Poolable:
    """One generation of an environment's database.

    Args:
        name: its name, and that of its role.
        stamp: which environment's it is.
        connections: how many connections its role may hold at once.
    """

    name: str
    stamp: Stamp
    connections: int


def poolable(admin: Connection[Any], server: str) -> list[Poolable]:
    """Every generation of every environment's database of a server, by name.

    Args:
        admin: a session with the administrative database.
        server: the server's name; what others have stamped doesn't count.
    """
    rows = admin.execute(_DATABASES).fetchall()
    found = ((name, read_stamp(text), limit) for name, text, limit in rows)
    return [
        Poolable(name, stamp, limit)
        for name, stamp, limit in found
        if stamp and stamp.server == server and _is_its_own(name, stamp)
    ]


def _is_its_own(name: str, stamp: Stamp) -> bool:
    """Whether a database has a name of the environment that its stamp says.

    A role may change the stamp on its own database, and a person its name.
    """
    first = identify(stamp.project, stamp.environment).first_database
    return generation_of(name, first) is not None


# A role of ours bears the name of its database, and always has a limit.
_DATABASES = """
SELECT d.datname, shobj_description(d.oid, 'pg_database'), r.rolconnlimit
  FROM pg_database d JOIN pg_roles r ON r.rolname = d.datname
 WHERE r.rolconnlimit >= 0
 ORDER BY d.datname
"""
