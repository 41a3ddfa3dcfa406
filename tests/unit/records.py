"""Environments as the journal knows them, for what is planned by them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from junov.environments import identify
from junov.journal import EnvironmentRecord

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = 86400


def record(name: str, *, project: str = "notes", **changes: Any) -> EnvironmentRecord:
    """An environment that runs, for the branch of its name.

    Args:
        name: its name.
        project: its project.
        changes: what else of it is different.
    """
    identity = identify(project, name)
    values: dict[str, Any] = {
        "id": 1,
        "project": project,
        "name": name,
        "kind": name.partition("/")[0],
        "tier": "development",
        "ref_type": "branch",
        "ref_name": name,
        "slug": identity.slug,
        "label": identity.label,
        "host": f"{identity.slug}.{project}.example.com",
        "database": identity.database,
        "network": identity.network,
        "stack": identity.stack,
        "image_tag": identity.label,
        "expires": None,
        "keep": 7 * DAY,
        "status": "running",
        "created_at": NOON,
        "used_at": NOON,
        "expires_at": None,
        "stopped_at": None,
    }
    return EnvironmentRecord(**values | changes)
