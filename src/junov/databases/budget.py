"""Postgres's connections: how many there are, who has them, and how many have been promised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from junov.databases.stamp import read_stamp

if TYPE_CHECKING:
    from psycopg import Connection


@dataclass(frozen=True, slots=True)
class ConnectionHolder:
    """An environment whose role may log in.

    Args:
        name: `project/name`; of a role that is no environment's, its own name.
        limit: how many connections it may hold.
        in_use: how many it holds.
    """

    name: str
    limit: int
    in_use: int


@dataclass(frozen=True, slots=True)
class ConnectionBudget:
    """All connections of the server's Postgres.

    Args:
        most: how many there can be (`max_connections`).
        reserved: how many of them only superusers get, so that junov always gets in.
        holders: who may hold the others, by name.
    """

    most: int
    reserved: int
    holders: tuple[ConnectionHolder, ...]

    @property
    def room(self) -> int:
        """How many environments can hold together."""
        return self.most - self.reserved

    @property
    def in_use(self) -> int:
        """How many they hold."""
        return sum(each.in_use for each in self.holders)

    @property
    def promised(self) -> int:
        """How many they may hold, all limits added up."""
        return sum(each.limit for each in self.holders)

    @property
    def over(self) -> int:
        """How many more have been promised than there are; below 0 where there is room left."""
        return self.promised - self.room


def connection_budget(admin: Connection[Any]) -> ConnectionBudget:
    """What there is and what has been promised, as Postgres itself has it."""
    rows = admin.execute(_ROLES).fetchall()
    ((most, reserved),) = admin.execute(_LIMITS).fetchall()
    # While a database takes another one's place, its environment has a role for each.
    sums: dict[str, tuple[int, int]] = {}
    for role, stamp, limit, in_use in rows:
        before = sums.get(_named(role, stamp), (0, 0))
        sums[_named(role, stamp)] = before[0] + limit, before[1] + in_use
    holders = (ConnectionHolder(name, *sums[name]) for name in sorted(sums))
    return ConnectionBudget(most, reserved, tuple(holders))


def largest(holders: Sequence[ConnectionHolder], *, by_limit: bool = False) -> str:
    """Those that hold, or may hold, the most: at most three, in words."""

    def size(holder: ConnectionHolder) -> int:
        return holder.limit if by_limit else holder.in_use

    first = sorted(filter(size, holders), key=size, reverse=True)[:3]
    return ", ".join(f"{each.name} ({size(each)})" for each in first)


def _named(role: str, comment: str | None) -> str:
    stamp = read_stamp(comment)
    return f"{stamp.project}/{stamp.environment}" if stamp else role


# A role of a kept database may not log in, so it holds none. Superusers have no limit.
_ROLES = """
SELECT rolname, shobj_description(oid, 'pg_authid'), rolconnlimit,
       (SELECT count(*)::int FROM pg_stat_activity WHERE usesysid = pg_roles.oid)
  FROM pg_roles
 WHERE rolcanlogin AND NOT rolsuper AND rolconnlimit >= 0
"""
# The second kind of reserve is Postgres 16's.
_LIMITS = """
SELECT current_setting('max_connections')::int,
       current_setting('superuser_reserved_connections')::int
       + coalesce(current_setting('reserved_connections', true)::int, 0)
"""
