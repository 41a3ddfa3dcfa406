"""The statements that change which generation of an environment's database is the live one.

Each function gets an open session with the administrative database, and the caller holds its lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from junov.databases.provision import drop_role, find_role_stamp, find_stamp, write_stamp
from junov.databases.sessions import Open
from junov.databases.stamp import Stamp, StampMismatchError
from junov.environments.identity import generation_of
from junov.errors import NotFoundError, StageError

if TYPE_CHECKING:
    from psycopg import Connection


def settle(
    admin: Connection[Any], live: str, expected: Stamp, heads: Mapping[str, tuple[str, ...]]
) -> None:
    """See `Postgres.settle`."""
    from psycopg import sql

    now = datetime.now(UTC)
    rows = admin.execute("SELECT datname FROM pg_database ORDER BY datname").fetchall()
    first = live.partition(".")[0]
    names = [name for (name,) in rows if generation_of(name, first) is not None]
    roles = {name for (name,) in admin.execute("SELECT rolname FROM pg_roles").fetchall()}
    if live not in names:
        raise NotFoundError(
            f"there is no database {live}", remedy="a deploy of its environment makes it"
        )
    with admin.transaction():
        for name in names:
            stamp = _expected_stamp(admin, name, expected)
            role = sql.Identifier(name)
            if name == live:
                if stamp.kind != "live":
                    write_stamp(admin, name, stamp.as_kind("live", now))
                if name in roles:
                    admin.execute(sql.SQL("ALTER ROLE {} LOGIN").format(role))
            elif stamp.kind != "new":
                if stamp.kind == "live":
                    kept = replace(stamp.as_kind("kept", now), heads=heads.get(name, ()))
                    write_stamp(admin, name, kept)
                if name in roles:
                    admin.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(role))


def drop(admin: Connection[Any], open_database: Open, name: str, expected: Stamp) -> None:
    """See `Postgres.drop_generation`."""
    from psycopg import sql

    # A run that was killed may still be copying into it, and into the next one of this name.
    admin.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = %s",
        (name,),
    )
    if find_role_stamp(admin, name) is None and find_stamp(admin, name) is None:
        return  # both have gone; what has no stamp is nothing of ours
    if find_stamp(admin, name) is not None:
        stamp = _expected_stamp(admin, name, expected)
        if stamp.kind == "live":
            raise StageError(
                f"the database {name} is the live one of {expected.owner}; nothing was changed",
                remedy="remove the environment, or let another database take its place first",
            )
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    found = find_role_stamp(admin, name)
    if found:
        if not expected.matches(found):
            raise StampMismatchError(f"the role {name}", expected=expected, found=found)
        drop_role(admin, open_database, name)


def _expected_stamp(admin: Connection[Any], name: str, expected: Stamp) -> Stamp:
    stamp = find_stamp(admin, name)
    if stamp is None or not expected.matches(stamp):
        raise StampMismatchError(f"the database {name}", expected=expected, found=stamp)
    return stamp
