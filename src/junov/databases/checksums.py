"""How many rows each table of a database has, and a checksum of them that doesn't know their order.

Both are reckoned in the server, so no data leaves it. They tell damage and loss from a copy that is
whole; they are no proof against somebody who means to deceive. What they don't see:

- sequences, which are outside of every snapshot: two looks at one that is used differ;
- indexes, constraints, functions, views and rights: a restore that can't make one of them fails;
- materialized views, whose contents a restore computes anew, and tables of extensions;
- of a large object, what comes after its first 64 MiB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

LARGE_OBJECTS = "(large objects)"
"""What stands among the tables' names for all large objects together."""

_LARGE_OBJECT_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class TableSum:
    """What is in a table.

    Args:
        rows: how many rows it has.
        checksum: 32 hexadecimal digits.
    """

    rows: int
    checksum: str


def table_sums(own: Connection[Any], report: Callable[[str], None]) -> dict[str, TableSum]:
    """Count and sum up every table, partition by partition, and the large objects.

    The checksum of a table is the sum of its rows' MD5, so equal rows count as often as they are
    there. A row is what Postgres writes it as, with settings that are the same everywhere.

    Args:
        own: a session of the environment's own role. As the superuser, what it wrote into its
            database, such as a cast, would run with the superuser's rights.
        report: told which table it is at.

    Returns:
        By the name of the table with its schema, each quoted where Postgres needs it.
    """
    from psycopg import sql

    for setting, value in _SETTINGS.items():
        own.execute("SELECT pg_catalog.set_config(%s, %s, false)", (setting, value))
    found = {}
    for schema, table, name in own.execute(_TABLES).fetchall():
        report(f"adding up {name}")
        source = sql.SQL("SELECT md5((it.*)::text) AS md5 FROM ONLY {} AS it OFFSET 0").format(
            sql.Identifier(schema, table)
        )
        found[name] = _sum(own, source)
    large = sql.SQL(
        "SELECT md5(oid::text || md5(lo_get(oid, 0, {}))) AS md5 FROM pg_largeobject_metadata"
    )
    found[LARGE_OBJECTS] = _sum(own, large.format(sql.Literal(_LARGE_OBJECT_BYTES)))
    return found


def differences(expected: dict[str, TableSum], found: dict[str, TableSum]) -> list[str]:
    """The names of the tables that are not the same in both, in order."""
    return sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))


def _sum(own: Connection[Any], hashes: Any) -> TableSum:
    from psycopg import sql

    row = own.execute(sql.SQL(_SUM).format(hashes)).fetchone()
    if row is None:
        raise AssertionError(hashes)
    rows, first, second = row
    return TableSum(rows, f"{int(first) % 2**64:016x}{int(second) % 2**64:016x}")


# What a role, a database or the server may set otherwise, and what a value is written by.
_SETTINGS = {
    "search_path": "pg_catalog, pg_temp",
    "row_security": "off",  # an error rather than the rows that somebody may see
    "statement_timeout": "0",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_monetary": "C",
    "xmlbinary": "base64",
}

_TABLES = """
SELECT n.nspname, c.relname, format('%I.%I', n.nspname, c.relname)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't'
   AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 3
"""

_SUM = """
SELECT count(*), coalesce(sum(('x' || left(md5, 16))::bit(64)::bigint), 0),
       coalesce(sum(('x' || right(md5, 16))::bit(64)::bigint), 0)
  FROM ({}) AS hashed
"""
