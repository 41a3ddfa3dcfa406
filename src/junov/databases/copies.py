"""A database that is made under a name of its own, and gets its real one when it is whole.

Until then it has no stamp, admits nobody and is the superuser's, so what a killed run has left of
it can be told from everything else, and the next run begins it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from junov.databases.ownership import hand_over
from junov.errors import JunovError, NotFoundError, StageError

if TYPE_CHECKING:
    from psycopg import Connection

    from junov.databases.sessions import Open

# Measured with PostgreSQL 15 on two cores: of 8 MB, 0.08 s by WAL and 0.13 s by file; from 40 to
# 70 MB, as long by either; of 140 MB, 0.6 s and 0.26 s; of 1 GB, 2.9 s and 0.7 s. Copying files
# costs two checkpoints of the whole server, so what is small is not copied so.
BY_FILE_FROM = 50_000_000  # bytes


class NotCopyableError(JunovError):
    """A database can't be copied as it is: somebody uses it, or a copy would lack something."""


def copy(
    admin: Connection[Any], open_database: Open, source: str, unfinished: str, old: str, new: str
) -> None:
    """Copy a database, and hand over what is in the copy.

    Args:
        admin: a session with the administrative database.
        open_database: opens one with the copy.
        source: the database to copy; nobody may be connected to it.
        unfinished: the copy's name until it is finished.
        old: the role that owns what is in the source.
        new: the role that is to own what is in the copy.

    Raises:
        NotCopyableError: somebody is connected to the source.
        NotFoundError: there is no such source.
        StageError: a person has made a database of the copy's name.
    """
    from psycopg import errors, sql

    clear(admin, unfinished)
    strategy = "file_copy" if is_large(admin, source) else "wal_log"
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY {} CONNECTION LIMIT 0")
    names = sql.Identifier(unfinished), sql.Identifier(source), sql.Identifier(strategy)
    try:
        admin.execute(statement.format(*names))
    except errors.ObjectInUse:
        raise NotCopyableError(
            f"the database {source} can't be copied while somebody is connected to it",
            remedy="stop what uses it, or copy its data with: junov db clone",
        ) from None
    except errors.InvalidCatalogName:
        raise NotFoundError(
            f"there is no database {source} to be copied", remedy="see what there is: junov db ls"
        ) from None
    with open_database(unfinished) as inside:
        hand_over(inside, old, new)


def is_large(admin: Connection[Any], database: str) -> bool:
    """Whether a database is so large that its files are copied rather than its pages."""
    row = admin.execute(
        "SELECT pg_database_size(oid) FROM pg_database WHERE datname = %s", (database,)
    ).fetchone()
    return row is not None and row[0] >= BY_FILE_FROM


def clear(admin: Connection[Any], unfinished: str) -> None:
    """Remove what a killed run has left of a database that it was making.

    Raises:
        StageError: a person has made a database of that name; it stays.
    """
    from psycopg import sql

    row = admin.execute(
        "SELECT pg_get_userbyid(datdba) = current_user AND datconnlimit IN (0, -2) "
        "AND shobj_description(oid, 'pg_database') IS NULL FROM pg_database WHERE datname = %s",
        (unfinished,),
    ).fetchone()
    if row is None:
        return
    if not row[0]:
        raise StageError(
            f"the database {unfinished} is in the way, and junov has not made it",
            remedy="look at it with psql or pgAdmin; if nobody needs it, rename or drop it by hand "
            "and run this again",
        )
    admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(unfinished)))
