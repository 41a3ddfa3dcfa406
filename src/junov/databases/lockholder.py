"""Who in a database keeps others waiting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from junov.config.fields import format_duration

if TYPE_CHECKING:
    from psycopg import Connection


@dataclass(frozen=True, slots=True)
class LockHolder:
    """The session that has held locks in a database for the longest time.

    Args:
        pid: its number in Postgres.
        state: what it does, as Postgres says it: `active`, `idle in transaction`.
        seconds: how long its transaction has been under way.
        application: what it calls itself; empty where it doesn't.
        role: whom it is logged in as.
    """

    pid: int
    state: str
    seconds: float
    application: str
    role: str

    def __str__(self) -> str:
        called = f", application {self.application}" if self.application else ""
        return (
            f"it was probably held by the session {self.pid} of {self.role} ({self.state}"
            f"{called}), whose transaction has been under way for {format_duration(self.seconds)}"
        )


def lock_holder(admin: Connection[Any], database: str) -> LockHolder | None:
    """Who probably keeps a migration waiting: whose transaction is the oldest that holds a lock.

    What it is asking the database is not looked at: there may be data in it.

    Args:
        admin: the superuser's session.
        database: the database's name.

    Returns:
        None where nobody there holds a lock any more.
    """
    row = admin.execute(_HOLDER, (database,)).fetchone()
    return LockHolder(*row) if row else None


# Tables of the database's own, not Postgres's catalogue, of which everybody holds locks; and the
# locks that programs make up themselves, which sessions can hold without a transaction.
_HOLDER = """
SELECT pid, coalesce(state, 'unknown'),
       extract(epoch FROM clock_timestamp() - coalesce(xact_start, state_change))::float8,
       application_name, usename
  FROM pg_stat_activity
 WHERE datname = %s AND backend_type = 'client backend' AND EXISTS (
       SELECT FROM pg_locks
        WHERE pg_locks.pid = pg_stat_activity.pid AND granted
          AND (locktype = 'advisory' OR (locktype = 'relation' AND relation >= 16384)))
 ORDER BY coalesce(xact_start, state_change)
 LIMIT 1
"""
