"""Sessions with Postgres, and its failures as errors that a user can read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from junov.errors import LockedError, UnavailableError
from junov.secret import Secret

if TYPE_CHECKING:
    from psycopg import Connection

CONNECT_TIMEOUT = 5  # seconds
LOCK_TIMEOUT = 60  # seconds; CREATE DATABASE of a neighbour takes well under one
_REMEDY = "see what is wrong with: junov server doctor; start it with: junov server up"
_FULL_REMEDY = "end what holds them, or raise `postgres.connections` in server.yaml"
# What libpq puts before the server's own sentence: where that server is, which we say ourselves.
_PREFIX = re.compile(r"connection failed: connection to server at .* failed: (?:FATAL: +)?")
_FULL = re.compile(r"too many clients|connection slots are reserved")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server's Postgres is reached, and as whom.

    Args:
        host: a name or an address that this machine reaches.
        port: its TCP port there.
        user: a superuser.
        password: its password.
        database: the database to be connected to while others are made and dropped.
    """

    host: str
    port: int
    user: str
    password: Secret
    database: str = "postgres"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


Connect = Callable[[Address, str], "Connection[Any]"]
"""Opens an autocommitting connection to a database; tests hand in their own."""


Open = Callable[[str], AbstractContextManager["Connection[Any]"]]
"""Opens a session with the database of that name."""


def connect(address: Address, database: str) -> Connection[Any]:
    """Open a connection that commits each statement, as CREATE and DROP DATABASE require."""
    from psycopg import Connection

    # What is set here to nothing, or to its default, is about the shell's PG… variables and
    # ~/.pgpass, which are somebody else's: PGHOSTADDR would lead to another server.
    return Connection.connect(
        host=address.host,
        hostaddr="",
        port=address.port,
        user=address.user,
        password=address.password.reveal(),
        dbname=database,
        connect_timeout=CONNECT_TIMEOUT,
        application_name="junov",
        options=f"-c lock_timeout={LOCK_TIMEOUT}s -c client_min_messages=warning",
        sslmode="disable",
        gssencmode="disable",
        passfile="/dev/null",
        autocommit=True,
    )


@contextmanager
def session(opener: Connect, address: Address, database: str = "") -> Iterator[Connection[Any]]:
    """A connection for the time of a `with` block.

    Args:
        opener: `connect`, or a test's own.
        address: where Postgres is.
        database: the database to connect to; by default the address's own.

    Raises:
        LockedError: another run has held what this one needs for a minute.
        UnavailableError: Postgres does not answer, refuses the connection or a statement.
    """
    from psycopg import Error, OperationalError, errors

    try:
        connection = opener(address, database or address.database)
    except OperationalError as error:
        why = _PREFIX.sub("", _first_line(error))
        raise UnavailableError(
            f"Postgres at {address} cannot be used: {why}",
            remedy=_FULL_REMEDY if _FULL.search(why) else _REMEDY,
        ) from None
    try:
        with connection:
            yield connection
    except errors.LockNotAvailable:
        raise LockedError(
            f"another run has been making or removing the same database for {LOCK_TIMEOUT} s",
            remedy="wait for it to end and try again",
        ) from None
    except Error as error:
        raise UnavailableError(
            f"Postgres at {address} refused: {_first_line(error)}", remedy=_REMEDY
        ) from None


def _first_line(error: Exception) -> str:
    from psycopg import Error

    # The server's own sentence, which never repeats the statement that it is about.
    said = error.diag.message_primary if isinstance(error, Error) else None
    return said or (str(error).strip().splitlines() or ["no reason given"])[0]
