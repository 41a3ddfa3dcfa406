"""The one Postgres that all environments share: a database and a role for each of them.

Nothing else in junov speaks to Postgres. The driver is imported when the first session is opened,
not when this package is.
"""

from junov.databases.copies import NotCopyableError
from junov.databases.hba import hba
from junov.databases.listing import DatabaseInfo, Orphans
from junov.databases.postgres import Address, Connections, Dropped, Ensured, Postgres
from junov.databases.stamp import Kind, Stamp, StampMismatchError
from junov.databases.templates import Template
from junov.databases.variables import url_values

__all__ = [
    "Address",
    "Connections",
    "DatabaseInfo",
    "Dropped",
    "Ensured",
    "Kind",
    "NotCopyableError",
    "Orphans",
    "Postgres",
    "Stamp",
    "StampMismatchError",
    "Template",
    "hba",
    "url_values",
]
