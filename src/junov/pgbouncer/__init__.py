"""The optional pooler in front of Postgres: PgBouncer's files, kept in step with what is there."""

from junov.pgbouncer.entries import (
    are_current,
    postgres_address,
    prepare,
    remove_files,
    user,
    write_entries,
)
from junov.pgbouncer.files import FOLDER

__all__ = [
    "FOLDER",
    "are_current",
    "postgres_address",
    "prepare",
    "remove_files",
    "user",
    "write_entries",
]
