"""The journal's file: its schema, how it is opened, and its failures as errors.

Several processes read and write it at once: the write-ahead log lets readers go on during a write,
and each writer takes its turn with BEGIN IMMEDIATE (https://www.sqlite.org/wal.html).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from junov.errors import JunovError, LockedError, UnavailableError

BUSY_SECONDS = 10.0

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE environments (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            project TEXT NOT NULL,
            name TEXT NOT NULL,
            kind TEXT NOT NULL,
            tier TEXT NOT NULL,
            ref_type TEXT NOT NULL CHECK (ref_type IN ('branch', 'tag')),
            ref_name TEXT NOT NULL,
            slug TEXT NOT NULL,
            label TEXT NOT NULL,
            host TEXT NOT NULL UNIQUE,
            database_name TEXT NOT NULL UNIQUE,
            network TEXT NOT NULL UNIQUE,
            stack TEXT NOT NULL UNIQUE,
            image_tag TEXT NOT NULL,
            expires INTEGER,
            status TEXT NOT NULL CHECK (status IN ('new', 'running', 'stopped', 'removing')),
            created_at TEXT NOT NULL,
            expires_at TEXT,
            last_number INTEGER NOT NULL DEFAULT 0,
            UNIQUE (project, name),
            UNIQUE (project, slug),
            UNIQUE (project, label)
        ) STRICT
        """,
        """
        CREATE TABLE releases (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            environment_id INTEGER NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            commit_id TEXT NOT NULL,
            subject TEXT NOT NULL,
            author TEXT NOT NULL,
            image TEXT NOT NULL,
            debug_image TEXT NOT NULL,
            stack_file TEXT,
            who TEXT NOT NULL,
            started_at TEXT NOT NULL,
            ended_at TEXT,
            outcome TEXT NOT NULL CHECK (
                outcome IN ('running', 'succeeded', 'failed', 'superseded', 'cancelled')
            ),
            error TEXT NOT NULL DEFAULT '',
            UNIQUE (environment_id, number)
        ) STRICT
        """,
        # Finds the last release of an environment, of all or of one outcome, without a scan.
        "CREATE INDEX releases_by_outcome ON releases (environment_id, outcome, number)",
        """
        CREATE TABLE steps (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            release_id INTEGER NOT NULL REFERENCES releases (id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            name TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('started', 'done', 'failed')),
            started_at TEXT NOT NULL,
            ended_at TEXT,
            detail TEXT NOT NULL DEFAULT '',
            UNIQUE (release_id, position)
        ) STRICT
        """,
        # By name and not by number: what happened is still true after the environment has gone.
        """
        CREATE TABLE events (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            at TEXT NOT NULL,
            project TEXT NOT NULL,
            environment TEXT NOT NULL,
            what TEXT NOT NULL,
            who TEXT NOT NULL,
            detail TEXT NOT NULL
        ) STRICT
        """,
        "CREATE INDEX events_by_environment ON events (project, environment, id)",
    ),
    (
        "ALTER TABLE releases ADD COLUMN committed_at TEXT",
        "ALTER TABLE releases ADD COLUMN restores INTEGER",
        "ALTER TABLE releases ADD COLUMN schema_heads TEXT NOT NULL DEFAULT '[]'",
        "ALTER TABLE releases ADD COLUMN seconds REAL",
        "ALTER TABLE steps ADD COLUMN seconds REAL",
    ),
    ("ALTER TABLE releases ADD COLUMN schema_before TEXT NOT NULL DEFAULT '[]'",),
    (
        # What has never been told is the default of `keep` in junov.yaml.
        "ALTER TABLE environments ADD COLUMN keep INTEGER NOT NULL DEFAULT 604800",
        "ALTER TABLE environments ADD COLUMN stopped_at TEXT",
        "ALTER TABLE environments ADD COLUMN used_at TEXT NOT NULL DEFAULT ''",
        """
        UPDATE environments SET used_at = coalesce(
            (SELECT max(started_at) FROM releases WHERE environment_id = environments.id),
            created_at
        )
        """,
        """
        UPDATE environments SET stopped_at = coalesce(
            (SELECT max(at) FROM events WHERE what = 'stopped'
                AND events.project = environments.project AND environment = name),
            used_at
        ) WHERE status = 'stopped'
        """,
    ),
)
"""What brings a file from one version to the next; its version is how many have been applied."""


class JournalError(JunovError):
    """The journal's file is damaged, or not one that this junov can use."""


class TakenError(JunovError):
    """A name that has to be unique on the server belongs to another environment."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the journal, make it if there is none, and bring it up to this junov's schema.

    Raises:
        JournalError: the file is damaged, or was written by a newer junov.
        LockedError: other runs have been writing for 10 s.
        UnavailableError: the file can't be opened or made.
    """
    with readable_errors(path):
        _make_private(path)
        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            connection.row_factory = sqlite3.Row
            _use_wal(connection)
            connection.execute("PRAGMA foreign_keys = ON")
            if _version(connection) != len(MIGRATIONS):
                _migrate(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def readable_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors inside a `with` block into errors that a user can read."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.IntegrityError):
        raise  # a bug of junov's, such as a Secret among the values
    except sqlite3.DatabaseError as error:
        raise _readable(path, error) from None
    except OSError as error:
        raise UnavailableError(
            f"the journal {path} can't be opened: {error.strerror or error}",
            remedy="mend the folder's owner and mode, or set JUNOV_HOME to one that you may write",
        ) from None


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that takes its turn among other writers, and is whole or not there at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has made SQLite roll back already
            connection.execute("ROLLBACK")
        raise


def _make_private(path: Path) -> None:
    """Make the file closed to others before SQLite opens it; its side files take its mode."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        if path.is_file() and path.stat().st_mode & 0o077:
            path.chmod(0o600)


def _use_wal(connection: sqlite3.Connection) -> None:
    # Two first runs may change the mode at once, and SQLite then says "locked" without waiting.
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    with writing(connection):
        version = _version(connection)  # again: another run may have been faster
        if version > len(MIGRATIONS):
            raise JournalError(
                f"the journal {path} was written by a newer junov (its version is {version}, "
                f"this one knows {len(MIGRATIONS)})",
                remedy="update junov on this machine; environments go on serving meanwhile",
            )
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


# On a full disk SQLite says IOERR where it can't make room for the write-ahead log's index.
_DISK = (
    *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR),
    *(sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN),
)


def _is_busy(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _readable(path: Path, error: sqlite3.DatabaseError) -> JunovError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if _is_busy(error):
        return LockedError(
            f"other runs have been writing to the journal {path} for {BUSY_SECONDS:g} s",
            remedy="wait for them to end and try again",
        )
    if code in _DISK:
        return UnavailableError(
            f"the journal {path} can't be written: {error}",
            remedy="free some disk, or mend the owner and mode of the folder, and try again",
        )
    return JournalError(
        f"the journal {path} can't be used: {error}",
        remedy=f"move it aside (mv {path} {path}.broken) and run this again; environments go on "
        "serving, and the next deploy of each writes it down anew",
    )
