"""What the doctor says: of the server, and of what belongs to its environments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from junov.errors import JunovError

if TYPE_CHECKING:
    from junov.server.doctor import Finding
    from junov.site import Site


def findings(site: Site) -> Iterator[Finding]:
    """Everything that the doctor looks at, the server's own first."""
    from junov.server.doctor import examine

    yield from examine(site)
    yield backups_finding(site)


def backups_finding(site: Site) -> Finding:
    """Whether the schedule of backups is kept; a warning where nobody runs it."""
    from junov.delivery.backups.schedule import ages, judge_ages
    from junov.server.doctor import Finding

    try:
        every = site.server.postgres.backups.every
        found = ages(site) if every else []
        kept, said = judge_ages(found, every, datetime.now(UTC))
    except JunovError as error:
        return Finding("backups", "failed", error.message, error.remedy)
    if kept:
        return Finding("backups", "ok", said)
    remedy = "see why: junov db backup --due; then let cron or a timer run that (docs/backups.md)"
    return Finding("backups", "warning", said, remedy)
