"""What the server runs beside the application: a file for each part, and their list here."""

from junov.server.parts.edge import EDGE
from junov.server.parts.part import Ground, Kind, Part
from junov.server.parts.pgbouncer import PGBOUNCER
from junov.server.parts.postgres import POSTGRES
from junov.server.parts.registry import REGISTRY

__all__ = ["KINDS", "Ground", "Kind", "Part"]

KINDS = (EDGE, POSTGRES, PGBOUNCER, REGISTRY)
"""Every kind of part, in the order in which people read of them."""
