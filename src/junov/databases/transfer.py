"""The command that copies all of one database into another, inside the server's container.

Both ends are the roles of their environments, which can reach nothing else: what comes out of one
database is run in the other, and whoever wrote it must not become anybody there.
"""

from __future__ import annotations

from junov.secret import Secret

_SCRIPT = """\
PGPASSWORD="$FROM_PASSWORD" pg_dump --host=127.0.0.1 --username="$1" --dbname="$1" \
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
