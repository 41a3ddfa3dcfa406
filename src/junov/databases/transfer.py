"""The command that copies all of one database into another, inside the server's container.

Both ends are the roles of their environments, which can reach nothing else: what comes out of one
database is run in the other, and whoever wrote it must not become anybody there.

What reads is called like the database that it is for, so that it can be found and ended where a
killed run has left it behind: the engine doesn't end what runs in a container.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from junov.secret import Secret

if TYPE_CHECKING:
    from psycopg import Connection

_SCRIPT = """\
PGAPPNAME="$2" PGPASSWORD="$FROM_PASSWORD" pg_dump --host=127.0.0.1 --username="$1" --dbname="$1" \
--format=custom --compress=0 --no-owner --no-privileges |
PGPASSWORD="$INTO_PASSWORD" pg_restore --host=127.0.0.1 --username="$2" --dbname="$2" \
--no-owner --no-privileges --exit-on-error --single-transaction
"""


def transfer(
    source: str, source_password: Secret, target: str, target_password: Secret
) -> tuple[list[str], dict[str, Secret]]:
    """How everything is copied, as the source has it at one moment.

    Args:
        source: the name of the database and its role.
        source_password: that role's password.
        target: the name of an empty database and its role.
        target_password: that role's password.

    Returns:
        The command for the container of Postgres, and the variables that it needs.
    """
    argv = ["bash", "-o", "pipefail", "-c", _SCRIPT, "transfer", source, target]
    return argv, {"FROM_PASSWORD": source_password, "INTO_PASSWORD": target_password}


def is_empty(own: Connection[Any]) -> bool:
    """Whether there is nothing in a database that somebody has made.

    What a killed run has left copying into it is ended first: the engine doesn't end what runs in a
    container when nobody listens any more.

    Args:
        own: a session of the environment's own role; no other run is copying into it.
    """
    own.execute(
        "SELECT pg_catalog.pg_terminate_backend(pid, 10000) FROM pg_catalog.pg_stat_activity "
        "WHERE usename = current_user AND datname = current_database() "
        "AND application_name = 'pg_restore'"
    )
    row = own.execute(
        "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_class c "
        "JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace "
        "WHERE n.nspname OPERATOR(pg_catalog.<>) ALL "
        "('{pg_catalog,information_schema,pg_toast}'::pg_catalog.name[]))"
    ).fetchone()
    return bool(row and row[0])
