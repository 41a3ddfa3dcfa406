"""The server's Postgres: what junov asks of it, in verbs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from junov.databases import (
    budget,
    generations,
    heads,
    listing,
    lockholder,
    pools,
    provision,
    templates,
    transfer,
)
from junov.databases.budget import ConnectionBudget
from junov.databases.listing import DatabaseInfo, Orphans
from junov.databases.lockholder import LockHolder
from junov.databases.pools import Poolable
from junov.databases.sessions import Address, Connect, connect, session
from junov.databases.stamp import Stamp, StampMismatchError
from junov.databases.templates import Template
from junov.environments.identity import making_name
from junov.secret import Secret

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["Address", "Connections", "Dropped", "Ensured", "Postgres"]


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

    def connection_budget(self) -> ConnectionBudget:
        """See `budget.connection_budget`."""
        with self._session() as admin:
            return budget.connection_budget(admin)

    def lock_holder(self, database: str) -> LockHolder | None:
        """See `lockholder.lock_holder`."""
        with self._session() as admin:
            return lockholder.lock_holder(admin, database)

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
        self,
        *,
        database: str,
        role: str,
        password: Secret,
        connections: int,
        stamp: Stamp,
        template: Template | None = None,
    ) -> Ensured:
        """Make an environment's database and role, or put right those that are there.

        Safe to call again, from several runs at once, and after a run that was killed anywhere.
        The role can log in and owns the database and its schema `public`, and nothing else; only
        it may connect. Data and the stamp of a database that is there stay as they are.

        Args:
            database: the database's name, at most 63 bytes, and 56 before its generation.
            role: the role's name, at most 63 bytes.
            password: the role's password; it is set, so a new server's key counts at once.
            connections: how many connections the role may hold at once.
            stamp: whose it is. Its `created_at` and `filled` count only for a new database.
            template: what a new database is copied from; it is stamped as filled. Without one it
                is empty.

        Raises:
            StampMismatchError: database or role is another's or has no stamp; nothing was changed.
            NotFoundError: the template has gone meanwhile; the database was not made.
            LockedError: another run has been at it for a minute.
        """
        wanted = provision.Wanted(_legal(database), _legal(role), password, connections, stamp)
        _legal(making_name(database))
        if template:
            if (template.server, template.project) != (stamp.server, stamp.project):
                raise ValueError(f"{template.name} is no template for {stamp.owner}")
            wanted = replace(wanted, template=template.name)
        with self._session() as admin:
            provision.lock(admin, database)
            if template:
                templates.mark_used(admin, template)
            return Ensured(*provision.make(admin, self._session, wanted))

    def mark_filled(self, database: str) -> Stamp:
        """Note on the stamp that the fixtures have been loaded.

        Raises:
            NotFoundError: there is no such database, or it has no stamp.
        """
        with self._session() as admin:
            provision.lock(admin, database)
            return provision.fill(admin, database)

    def require_removable(self, database: str, role: str, expected: Stamp) -> None:
        """Refuse what `drop` would refuse, before anything of the environment is removed.

        Args and Raises as `drop`.
        """
        with self._session() as admin:
            provision.removable(admin, _legal(database), _legal(role), expected)

    def drop(self, database: str, role: str, expected: Stamp) -> Dropped:
        """Remove an environment's database with all its generations, and their roles.

        Open connections are ended. What is gone already is no error.

        Args:
            database: the name of the first generation's database.
            role: the name of its role.
            expected: whose they have to be; only server, project and environment are compared.

        Raises:
            StampMismatchError: one of them is another's or has no stamp; nothing was changed.
            StageError: somebody has renamed one of the databases; nothing was changed.
            LockedError: another run has been at it for a minute.
        """
        with self._session() as admin:
            provision.lock(admin, database)
            return Dropped(
                *provision.remove(admin, self._session, _legal(database), _legal(role), expected)
            )

    def names(self) -> frozenset[str]:
        """The names of all databases and roles that there are."""
        with self._session() as admin:
            rows = admin.execute(
                "SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles"
            ).fetchall()
        return frozenset(name for (name,) in rows)

    def settle(
        self, live: str, expected: Stamp, heads: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        """Let one generation of an environment's database be the live one, and keep the others.

        All at once: stamps are written, the role of the live one may log in, and those of the
        others may not. Those that are only being made stay as they are.

        Args:
            live: the database's name; its role has the same one.
            expected: whose they have to be; only server, project and environment are compared.
            heads: where the migrations of the others stand, as far as that is known.

        Raises:
            NotFoundError: there is no such database.
            StampMismatchError: one of them is another's or has no stamp; nothing was changed.
        """
        with self._session() as admin:
            provision.lock(admin, live)
            generations.settle(admin, live, expected, heads or {})

    def drop_generation(self, database: str, expected: Stamp) -> None:
        """Remove one generation that isn't live, with its role; safe to repeat.

        Args:
            database: its name; its role has the same one.
            expected: whose they have to be; only server, project and environment are compared.

        Raises:
            StampMismatchError: it is another's or has no stamp; nothing was changed.
            StageError: it is the live one; nothing was changed.
        """
        with self._session() as admin:
            provision.lock(admin, database)
            generations.drop(admin, self._session, database, expected)

    def alembic_heads(self, database: str, role: str, password: Secret) -> tuple[str, ...]:
        """Where the migrations of a database stand, asked as its own role.

        Returns:
            Alembic's heads, in order; nothing where the database has no table of Alembic's.
        """
        own = replace(self._address, user=role, password=password)
        with session(self._opener, own, _legal(database)) as connection:
            return heads.alembic_heads(connection)

    def is_empty(self, database: str, role: str, password: Secret) -> bool:
        """Whether there is nothing in a database that somebody has made, asked as its own role."""
        own = replace(self._address, user=role, password=password)
        with session(self._opener, own, _legal(database)) as connection:
            return transfer.is_empty(connection)

    def databases(self) -> list[DatabaseInfo]:
        """Every database but Postgres's own, by name."""
        with self._session() as admin:
            return listing.databases(admin)

    def orphans(self, server: str, known: Collection[tuple[str, str]]) -> Orphans:
        """The databases and roles with this server's stamp whose environment isn't known.

        Args:
            server: the server's name.
            known: the environments that there are, each as its project's name and its own.
        """
        with self._session() as admin:
            return listing.orphans(admin, server, known)

    def poolable(self, server: str) -> list[Poolable]:
        """See `pools.poolable`."""
        with self._session() as admin:
            return pools.poolable(admin, server)

    def templates(self, server: str, project: str) -> list[Template]:
        """The templates of a project, the last used first."""
        with self._session() as admin:
            return templates.find(admin, server, project)

    def make_template(
        self,
        source: str,
        role: str,
        expected: Stamp,
        *,
        heads: tuple[str, ...],
        fixtures: str,
        lineage: tuple[str, ...],
        commit: str,
    ) -> Template:
        """Make a template of an environment's database, which stays as it is. Safe to repeat.

        Args:
            source: the database; nobody may be connected to it.
            role: the role that owns what is in it.
            expected: whose it has to be; only server, project and environment are compared.
            heads: where its migrations stand.
            fixtures: a digest of what it was filled with.
            lineage: of each head a digest of that migration with all that it follows.
            commit: the commit whose migrations and fixtures it has.

        Returns:
            The template; the one that was there, where there is one of these heads and fixtures.

        Raises:
            NotCopyableError: somebody is connected to it, or it has settings of its own.
            StampMismatchError: it is another's or has no stamp.
            StageError: something that isn't this project's bears the name of its templates.
        """
        now = datetime.now(UTC)
        server, project = expected.server, expected.project
        wanted = Template(
            server, project, heads, fixtures, lineage, commit, made_at=now, used_at=now
        )
        with self._session() as admin:
            provision.lock(admin, source)
            provision.lock(admin, project)
            found = provision.find_stamp(admin, source)
            if not expected.matches(found):
                raise StampMismatchError(f"the database {source}", expected=expected, found=found)
            return templates.make(admin, self._session, source, role, wanted)

    def prune_templates(self, server: str, project: str, *, keep: int) -> tuple[str, ...]:
        """Remove the templates of a project but the last used ones; returns what was removed.

        Args:
            server: the server's name.
            project: the project's name.
            keep: how many stay; with none, the role that owns what is in them goes as well.

        Raises:
            StageError: a person has made a database of the name of an unfinished one.
            LockedError: one of them has been copied for a minute.
        """
        with self._session() as admin:
            provision.lock(admin, project)
            return templates.prune(admin, self._session, server, project, keep)

    @contextmanager
    def _session(self, database: str = "") -> Iterator[Connection[Any]]:
        with session(self._opener, self._address, database) as connection:
            # An environment's role may set a `search_path` for its database. With its own
            # functions and operators before Postgres's, ours would run them as the superuser.
            connection.execute("SET search_path = pg_catalog, pg_temp")
            yield connection


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
