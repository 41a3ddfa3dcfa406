"""The statements that make and remove one environment's database and role.

Each function gets an open session with the administrative database. A run may be killed between
any two statements: what is there is looked at first, and every step is made so that doing it again
changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from junov.databases.copies import clear, copy
from junov.databases.sessions import Open
from junov.databases.stamp import Stamp, StampMismatchError, read_stamp
from junov.environments.identity import generation_of, making_name, templates_role, verify_name
from junov.errors import NotFoundError, StageError
from junov.secret import Secret

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.sql import SQL, Composed


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `make` is asked for.

    Args:
        database: the database's name.
        role: the role's name, which owns it.
        password: the role's password.
        connections: how many connections the role may hold at once.
        stamp: whose they are.
        template: the project's template that a new database is copied from; empty for an empty one.
    """

    database: str
    role: str
    password: Secret
    connections: int
    stamp: Stamp
    template: str = ""


@dataclass(frozen=True, slots=True)
class _Database:
    name: str
    comment: str | None
    owner: str | None
    half_dropped: bool

    @property
    def stamp(self) -> Stamp | None:
        return read_stamp(self.comment)


@dataclass(frozen=True, slots=True)
class _Role:
    comment: str | None

    @property
    def stamp(self) -> Stamp | None:
        return read_stamp(self.comment)


def lock(admin: Connection[Any], database: str) -> None:
    """Keep other runs off this database until the session ends, however it ends.

    Advisory locks count within one database only, so every run takes them in the same one.
    """
    key = f"junov database {database.partition('.')[0]}"  # the same for all its generations
    admin.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (key,))


def make(admin: Connection[Any], open_database: Open, wanted: Wanted) -> tuple[bool, bool, Stamp]:
    """Make database and role, or bring those that are there to what is wanted.

    Returns:
        Whether the database was made, whether the role was, and the stamp on the database.

    Raises:
        StampMismatchError: one of the two is somebody else's; nothing was changed.
        NotFoundError: there is no such template.
    """
    role, database = _find_role(admin, wanted.role), _find_database(admin, wanted.database)
    _refuse_foreign_role(wanted.role, role, wanted.stamp)
    if database:
        _refuse_foreign_database(database, wanted.stamp)

    _set_role(admin, wanted, exists=role is not None)
    if database and database.half_dropped:
        # Its DROP was cut short: Postgres admits nobody, and its files are partly gone.
        _run(admin, "DROP DATABASE {} WITH (FORCE)", database.name)
        database = None
    stamp = (database.stamp if database else None) or _create(admin, open_database, wanted)
    if database and database.owner != wanted.role:
        _run(admin, "ALTER DATABASE {} OWNER TO {}", wanted.database, wanted.role)
    _run(admin, "REVOKE ALL ON DATABASE {} FROM PUBLIC", wanted.database)
    _run(admin, "GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}", wanted.database, wanted.role)
    _own_public_schema(open_database, wanted)
    _run(admin, "ALTER DATABASE {} CONNECTION LIMIT -1", wanted.database)
    return database is None, role is None, stamp


def remove(
    admin: Connection[Any], open_database: Open, name: str, role_name: str, expected: Stamp
) -> tuple[tuple[str, ...], bool]:
    """Remove the database and its other generations, whatever else their roles own, and the roles.

    Returns:
        The databases that were removed, and whether a role was.

    Raises:
        StampMismatchError: one of them is somebody else's; nothing was changed.
    """
    theirs, roles = removable(admin, name, role_name, expected)
    clear(admin, making_name(name))
    for database in theirs:
        _run(admin, "DROP DATABASE IF EXISTS {} WITH (FORCE)", database.name)
    for each in roles:
        drop_role(admin, open_database, each)
    return tuple(database.name for database in theirs), bool(roles)


def removable(
    admin: Connection[Any], name: str, role_name: str, expected: Stamp
) -> tuple[list[_Database], list[str]]:
    """What `remove` removes: the databases, and the names of the roles; nothing is changed.

    Raises:
        StampMismatchError: one of them is somebody else's.
        StageError: somebody has renamed one of the databases.
    """
    roles = _roles_of(admin, role_name)
    for each, role in roles.items():
        _refuse_foreign_role(each, role, expected)
    theirs = _databases_of(admin, name, [role_name, *roles])
    for database in theirs:
        _refuse_foreign_database(database, expected)
        if generation_of(database.name, name) is None and database.name != verify_name(name):
            raise StageError(
                f"the database {database.name} is of {expected.owner}, and somebody has renamed "
                "it; nothing was changed",
                remedy="rename it back; or if it is to stay, give it another owner and COMMENT",
            )
    return theirs, list(roles)


def secure(admin: Connection[Any]) -> None:
    """Close the databases that every Postgres has to all but its superuser."""
    for database in ("postgres", "template1"):
        _run(admin, "REVOKE ALL ON DATABASE {} FROM PUBLIC", database)


def find_stamp(admin: Connection[Any], database: str) -> Stamp | None:
    """The stamp on a database; None where it has none, or isn't there."""
    found = _find_database(admin, database)
    return found.stamp if found else None


def find_role_stamp(admin: Connection[Any], role: str) -> Stamp | None:
    """The stamp on a role; None where it has none, or isn't there."""
    found = _find_role(admin, role)
    return found.stamp if found else None


def fill(admin: Connection[Any], database: str) -> Stamp:
    """Note on the stamp that the fixtures have been loaded.

    Raises:
        NotFoundError: there is no such database, or it has no stamp.
    """
    stamp = find_stamp(admin, database)
    if stamp is None:
        raise NotFoundError(
            f"there is no database {database} with a stamp of junov's",
            remedy="a deploy of its environment makes it",
        )
    if not stamp.filled:
        stamp = stamp.as_filled()
        write_stamp(admin, database, stamp)
    return stamp


def write_stamp(admin: Connection[Any], database: str, stamp: Stamp) -> None:
    """Put a stamp on a database, in the place of any other COMMENT."""
    from psycopg import sql

    statement = sql.SQL("COMMENT ON DATABASE {} IS {}")
    admin.execute(statement.format(sql.Identifier(database), sql.Literal(stamp.to_comment())))


def _refuse_foreign_role(name: str, role: _Role | None, expected: Stamp) -> None:
    if role and not expected.matches(role.stamp):
        raise StampMismatchError(f"the role {name}", expected=expected, found=role.stamp)


def _refuse_foreign_database(database: _Database, expected: Stamp) -> None:
    if not expected.matches(database.stamp):
        raise StampMismatchError(
            f"the database {database.name}", expected=expected, found=database.stamp
        )


def _create(admin: Connection[Any], open_database: Open, wanted: Wanted) -> Stamp:
    """Make the database, with its stamp and its owner from the moment that it has its name."""
    stamp, unfinished = wanted.stamp, making_name(wanted.database)
    if wanted.template:
        stamp, owner = stamp.as_filled(), templates_role(stamp.project)
        copy(admin, open_database, wanted.template, unfinished, owner, wanted.role)
    else:
        clear(admin, unfinished)
        # template0 rather than template1: what somebody has put into template1 does not leak into
        # environments, nobody can be connected to it (which would fail the copy), and only it lets
        # the encoding be chosen. Nobody but the superuser is let in until the rest is done.
        statement = "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' CONNECTION LIMIT 0"
        _run(admin, statement, unfinished)
    with admin.transaction():
        write_stamp(admin, unfinished, stamp)
        _run(admin, "ALTER DATABASE {} OWNER TO {}", unfinished, wanted.role)
        _run(admin, "ALTER DATABASE {} RENAME TO {}", unfinished, wanted.database)
    return stamp


def _set_role(admin: Connection[Any], wanted: Wanted, *, exists: bool) -> None:
    from psycopg import sql

    # Only the hash leaves this process, so the password is in no statement and no server's log.
    hashed = admin.pgconn.encrypt_password(
        wanted.password.reveal().encode(), wanted.role.encode(), b"scram-sha-256"
    ).decode()
    role = sql.Identifier(wanted.role)
    with admin.transaction():
        admin.execute(
            sql.SQL(
                "{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION "
                "NOBYPASSRLS CONNECTION LIMIT {} PASSWORD {}"
            ).format(
                sql.SQL("ALTER" if exists else "CREATE"),
                role,
                sql.Literal(wanted.connections),
                sql.Literal(hashed),
            )
        )
        if not exists:
            comment = sql.Literal(wanted.stamp.to_comment())
            admin.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(role, comment))


def _own_public_schema(open_database: Open, wanted: Wanted) -> None:
    """Let the role create in `public`.

    Since Postgres 15 the schema belongs to `pg_database_owner`, whose rights a NOINHERIT role does
    not have by itself. A project may also have dropped the schema; then that is as it wants it.
    """
    with open_database(wanted.database) as inside:
        row = inside.execute(
            "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'public'"
        ).fetchone()
        if row and row[0] != wanted.role:
            _run(inside, "ALTER SCHEMA public OWNER TO {}", wanted.role)


def drop_role(admin: Connection[Any], open_database: Open, role: str) -> None:
    """Remove a role and its rights; what it owns in databases of others becomes the superuser's."""
    from psycopg import errors

    try:
        _run(admin, "DROP ROLE IF EXISTS {}", role)
    except errors.DependentObjectsStillExist:
        # A person has given it rights, or things, in databases that are not its own. The things
        # stay, as the superuser's; the rights go.
        rows = admin.execute(
            "SELECT DISTINCT datname FROM pg_shdepend JOIN pg_database ON pg_database.oid = dbid "
            "WHERE refclassid = 'pg_authid'::regclass AND refobjid = (SELECT oid FROM pg_roles "
            "WHERE rolname = %s) AND datallowconn",
            (role,),
        ).fetchall()
        for name in {admin.info.dbname, *(row[0] for row in rows)}:
            with open_database(name) as inside:
                _run(inside, "REASSIGN OWNED BY {} TO CURRENT_USER", role)
                _run(inside, "DROP OWNED BY {}", role)
        _run(admin, "DROP ROLE IF EXISTS {}", role)


_DATABASE = (
    "SELECT datname, shobj_description(oid, 'pg_database'), pg_get_userbyid(datdba), "
    "datconnlimit = -2 FROM pg_database "
)


def _find_database(admin: Connection[Any], name: str) -> _Database | None:
    row = admin.execute(_DATABASE + "WHERE datname = %s", (name,)).fetchone()
    return _Database(*row) if row else None


def _databases_of(admin: Connection[Any], name: str, roles: Sequence[str]) -> list[_Database]:
    """The database itself, its other generations, and whatever else the roles own."""
    rows = admin.execute(_DATABASE + "ORDER BY datname").fetchall()
    found = (_Database(*row) for row in rows)
    return [
        each for each in found if generation_of(each.name, name) is not None or each.owner in roles
    ]


def _roles_of(admin: Connection[Any], first: str) -> dict[str, _Role]:
    """The role itself, those of other generations, and that of a verification, by name."""
    rows = admin.execute(
        "SELECT rolname, shobj_description(oid, 'pg_authid') FROM pg_roles ORDER BY rolname"
    ).fetchall()
    return {
        name: _Role(text)
        for name, text in rows
        if generation_of(name, first) is not None or name == verify_name(first)
    }


def _find_role(admin: Connection[Any], name: str) -> _Role | None:
    row = admin.execute(
        "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = %s", (name,)
    ).fetchone()
    return _Role(*row) if row else None


def _run(connection: Connection[Any], statement: str, *names: str) -> None:
    """Execute a statement of this file's own, with names put in as quoted identifiers."""
    connection.execute(_named(statement, names))


def _named(statement: str, names: tuple[str, ...]) -> Composed:
    from psycopg import sql

    template: SQL = sql.SQL(statement)
    return template.format(*map(sql.Identifier, names))
