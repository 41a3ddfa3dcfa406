"""A database as one file: the commands that write and read it, and the moment that it is of.

The file is pg_dump's custom format (https://www.postgresql.org/docs/15/app-pgdump.html). Both
commands run inside the server's container, so they are of its version, and as the role that owns
the database, so what is in a file becomes nobody there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from junov.databases.checksums import TableSum, table_sums
from junov.databases.heads import alembic_heads
from junov.databases.sessions import Address, connect, session

if TYPE_CHECKING:
    from psycopg import Connection

LOCK_SECONDS = 60
_APPLICATION = "junov backup"


def dump_command(database: str, snapshot: str) -> list[str]:
    """The command that writes a database to its standard output; PGPASSWORD has the password.

    Args:
        database: the name of the database and its role.
        snapshot: the moment, as `Snapshot.name` has it.
    """
    return [
        "env", f"PGAPPNAME={_APPLICATION}",
        "pg_dump", "--host=127.0.0.1", f"--username={database}", f"--dbname={database}",
        "--no-password", "--format=custom", f"--snapshot={snapshot}",
        f"--lock-wait-timeout={LOCK_SECONDS}s",
    ]  # fmt: skip


def restore_command(database: str) -> list[str]:
    """The command that reads a dump from its standard input; PGPASSWORD has the password.

    All of it is restored or nothing is.

    Args:
        database: the name of an empty database and its role.
    """
    return [
        "pg_restore", "--host=127.0.0.1", f"--username={database}", f"--dbname={database}",
        "--no-password", "--no-owner", "--no-privileges", "--exit-on-error",
        "--single-transaction",
    ]  # fmt: skip


class Snapshot:
    """A database as it is at one moment, for as long as the session is open.

    Args:
        own: the session, in the transaction that holds the moment.
    """

    def __init__(self, own: Connection[Any]) -> None:
        self._own = own
        row = own.execute("SELECT pg_catalog.pg_export_snapshot()").fetchone()
        self.name = str(row[0]) if row else ""

    def heads(self) -> tuple[str, ...]:
        """Where its migrations stand."""
        return alembic_heads(self._own)

    def table_sums(self, report: Callable[[str], None]) -> dict[str, TableSum]:
        """See `checksums.table_sums`."""
        return table_sums(self._own, report)


@contextmanager
def snapshot(own: Address) -> Iterator[Snapshot]:
    """Hold on to how a database is now, while others go on writing.

    Args:
        own: the database's own role, and the database.

    Raises:
        UnavailableError: Postgres does not answer or refuses.
        LockedError: something in it was locked for a minute.
    """
    with session(connect, own) as connection:
        # Whatever the role has set for itself: this session waits while the dump is written.
        connection.execute("SET idle_in_transaction_session_timeout = 0")
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield Snapshot(connection)
        connection.execute("COMMIT")


def end_dumps(own: Address) -> None:
    """End the dumps of a database that are under way, as its own role.

    A run that was killed leaves its dump behind: the engine doesn't end what runs in a container
    when nobody listens any more, and a dump keeps migrations from the tables that it reads.

    Args:
        own: the database's own role, and the database; no other run is dumping it.

    Raises:
        UnavailableError: Postgres does not answer or refuses.
    """
    with session(connect, own) as connection:
        connection.execute(
            "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity "
            "WHERE usename = current_user AND datname = current_database() "
            "AND application_name = %s",
            (_APPLICATION,),
        )


def sums_of(own: Address, report: Callable[[str], None]) -> dict[str, TableSum]:
    """What is in a database now, as `checksums.table_sums`, asked as its own role."""
    with snapshot(own) as moment:
        return moment.table_sums(report)
