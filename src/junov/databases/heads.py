"""Where the migrations of an environment's database stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

_MOST_HEADS = 16
_MOST_LETTERS = 64
_SECONDS = 5


def alembic_heads(own: Connection[Any]) -> tuple[str, ...]:
    """The revisions in Alembic's table, wherever the project keeps it; empty where there is none.

    Alembic writes one row for each head
    (https://alembic.sqlalchemy.org/en/latest/branches.html).

    Args:
        own: a session of the environment's own role. As the superuser, a view of that name would
            run the environment's functions with the superuser's rights.
    """
    from psycopg import sql

    own.execute(f"SET statement_timeout = '{_SECONDS}s'")
    schemas = own.execute(
        "SELECT table_schema FROM information_schema.columns "
        "WHERE table_name = 'alembic_version' AND column_name = 'version_num' ORDER BY 1"
    ).fetchall()
    heads: list[str] = []
    for (schema,) in schemas:
        found = own.execute(
            sql.SQL("SELECT left(version_num::text, %s) FROM {} LIMIT %s").format(
                sql.Identifier(schema, "alembic_version")
            ),
            (_MOST_LETTERS, _MOST_HEADS),
        ).fetchall()
        heads += [head for (head,) in found if head]
    return tuple(sorted(heads))
