"""The journal's file, open for as long as it is needed."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from junov.journal.schema import connect, readable_errors, writing


def _utc_now() -> datetime:
    return datetime.now(UTC)


class JournalFile:
    """A connection that is opened at first use, and the two ways to use it.

    Args:
        path: the file.
        now: the clock; tests hand in their own.
    """

    def __init__(self, path: Path, *, now: Callable[[], datetime] = _utc_now) -> None:
        self.path = path
        self.now = now
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            if self._connection:
                self._connection.close()
                self._connection = None

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time."""
        with self._lock, readable_errors(self.path):
            if self._connection is None:
                self._connection = connect(self.path)
            yield self._connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """The connection within one transaction, on disk at the end of the `with` block."""
        with self.read() as db, writing(db):
            yield db
