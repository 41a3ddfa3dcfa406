"""What a doctor says: of the server with its environments, and of the project on GitLab."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from junov.cli.tables import print_json
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


def show_findings(findings: Iterable[Finding], *, as_json: bool) -> None:
    """Print what was found as it comes; exit code 1 where something failed, not for warnings."""
    failed = False
    collected = []
    for finding in findings:
        failed |= finding.verdict == "failed"
        if as_json:
            collected.append(finding.to_json())
            continue
        sign = {"ok": "✓", "warning": "!", "failed": "✗"}[finding.verdict]
        colour = {"ok": "green", "warning": "yellow", "failed": "red"}[finding.verdict]
        click.echo(f"{click.style(sign, fg=colour)} {finding.check}: {finding.message}")
        if finding.remedy:
            click.echo(f"    → {finding.remedy}")
    if as_json:
        print_json(collected)
    if failed:
        raise click.exceptions.Exit(1)
