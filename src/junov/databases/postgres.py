"""The server's Postgres: what junov asks of it, in verbs."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from junov.databases import heads, provision
from junov.databases.sessions import Address, Connect, connect, session
from junov.databases.stamp import Stamp, read_stamp
from junov.secret import Secret

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["Address", "Connections", "DatabaseInfo", "Dropped", "Ensured", "Postgres"]


@dataclass(frozen=True, slots=True)
class Ensured:
    """What `ensure` found or made.

    Args:
        created_database: whether the database was made just now.
        created_role: whether the role was made just now.
        stamp: the stamp on the database: the one that was there, else the one asked for.
    """

    created_database: bool
    created_role: bool
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Dropped:
    """What `drop` removed.

    Args:
        databases: the names of the databases, with those kept aside; empty where none was left.
        role: whether the role was removed.
    """

    databases: tuple[str, ...]
    role: bool


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """One database of the server, as Postgres tells it.

    Args:
        name: its name.
        stamp: whose it is; None where junov didn't make it.
        size_bytes: its size on disk.
        connections: how many clients are connected to it.
        owner: the role that owns it.
    """

    name: str
    stamp: Stamp | None
    size_bytes: int
    connections: int
    owner: str


@dataclass(frozen=True, slots=True)
class Connections:
    """How full the server is.

    Args:
        in_use: clients that are connected now, this question's own among them.
        limit: how many there can be (`max_connections`).
    """

    in_use: int
    limit: int


class Postgres:
    """The one Postgres that all environments share, seen by its superuser.

    A session is opened for each call and closed after it; nothing is kept, so an instance may be
    shared by threads.

    Args:
        address: where it is.
        opener: how a connection is opened; tests hand in their own.

    Every method raises UnavailableError where Postgres does not answer or refuses.
    """

    def __init__(self, address: Address, *, opener: Connect = connect) -> None:
        self._address = address
        self._opener = opener

    def ping(self) -> None:
        """Log in and out again."""
        with self._session() as admin:
            admin.execute("SELECT 1")

    def server_version(self) -> str:
        """Its version, such as `15.14`."""
        with self._session() as admin:
            (text,) = _row(admin, "SHOW server_version")
        return str(text).split()[0]

    def connections_in_use(self) -> Connections:
        """How many connections there are, and how many there can be."""
        with self._session() as admin:
            in_use, limit = _row(
                admin,
                "SELECT count(*), current_setting('max_connections')::int "
                "FROM pg_stat_activity WHERE backend_type = 'client backend'",
            )
        return Connections(in_use, limit)

    def secure_server(self) -> None:
        """Revoke from PUBLIC what Postgres grants on `postgres` and `template1`. Repeatable."""
        with self._session() as admin:
            provision.lock(admin, "postgres")
            provision.secure(admin)

    def stamp(self, database: str) -> Stamp | None:
        """The stamp on a database; None where it has none, or isn't there."""
        with self._session() as admin:
            return provision.find_stamp(admin, database)

    def ensure(
        self, *, database: str, role: str, password: Secret, connections: int, stamp: Stamp
    ) -> Ensured:
        """Make an environment's database and role, or put right those that are there.

        Safe to call again, from several runs at once, and after a run that was killed anywhere.
        The role can log in and owns the database and its schema `public`, and nothing else; only
        it may connect. Data and the stamp of a database that is there stay as they are.

        Args:
            database: the database's name, at most 63 bytes.
            role: the role's name, at most 63 bytes.
            password: the role's password; it is set, so a new server's key counts at once.
            connections: how many connections the role may hold at once.
            stamp: whose it is. Its `created_at` and `filled` count only for a new database.

        Raises:
            StampMismatchError: database or role is another's or has no stamp; nothing was changed.
            LockedError: another run has been at it for a minute.
        """
        wanted = provision.Wanted(_legal(database), _legal(role), password, connections, stamp)
        with self._session() as admin:
            provision.lock(admin, database)
            return Ensured(*provision.make(admin, self._session, wanted))

    def mark_filled(self, database: str) -> Stamp:
        """Note on the stamp that the fixtures have been loaded.

        Raises:
            NotFoundError: there is no such database, or it has no stamp.
        """
        with self._session() as admin:
            provision.lock(admin, database)
            return provision.fill(admin, database)

    def drop(self, database: str, role: str, expected: Stamp) -> Dropped:
        """Remove an environment's database, those kept aside of it, and its role.

        Open connections are ended. What is gone already is no error.

        Args:
            database: the database's name.
            role: the role's name.
            expected: whose they have to be; only server, project and environment are compared.

        Raises:
            StampMismatchError: one of them is another's or has no stamp; nothing was changed.
            LockedError: another run has been at it for a minute.
        """
        with self._session() as admin:
            provision.lock(admin, database)
            return Dropped(
                *provision.remove(admin, self._session, _legal(database), _legal(role), expected)
            )

    def alembic_heads(self, database: str, role: str, password: Secret) -> tuple[str, ...]:
        """Where the migrations of a database stand, asked as its own role.

        Returns:
            Alembic's heads, in order; nothing where the database has no table of Alembic's.
        """
        own = replace(self._address, user=role, password=password)
        with session(self._opener, own, _legal(database)) as connection:
            return heads.alembic_heads(connection)

    def databases(self) -> list[DatabaseInfo]:
        """Every database but Postgres's own, by name."""
        with self._session() as admin:
            rows = admin.execute(_DATABASES).fetchall()
        return [
            DatabaseInfo(name, read_stamp(comment), size, connections, owner)
            for name, comment, size, connections, owner in rows
        ]

    def _session(self, database: str = "") -> AbstractContextManager[Connection[Any]]:
        return session(self._opener, self._address, database)


# A database that is dropped while it is measured has no size.
_DATABASES = """
SELECT d.datname, shobj_description(d.oid, 'pg_database'), coalesce(pg_database_size(d.oid), 0),
       (SELECT count(*) FROM pg_stat_activity a
         WHERE a.datid = d.oid AND a.backend_type = 'client backend'),
       pg_get_userbyid(d.datdba)
  FROM pg_database d
 WHERE NOT d.datistemplate AND d.datname <> 'postgres'
 ORDER BY d.datname
"""


def _row(admin: Connection[Any], statement: str) -> tuple[Any, ...]:
    row = admin.execute(statement).fetchone()
    if row is None:
        raise AssertionError(statement)
    return tuple(row)


def _legal(name: str) -> str:
    """The name, if Postgres keeps all of it; a longer one it would cut short without a word."""
    if not name or len(name.encode()) > 63 or "\x00" in name:
        raise ValueError(f"not a name for Postgres: {name!r}")
    return name
