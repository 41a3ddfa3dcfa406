"""Check the configuration and the wall."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from junov.cli import options
from junov.cli.tables import print_json

if TYPE_CHECKING:
    from junov.stacks.guard import Finding


@click.command()
@click.argument("environment", required=False)
@options.project_folder
@options.as_json
def check(environment: str | None, start: Path, as_json: bool) -> None:
    """Check junov.yaml and the compose files of every environment. It needs no engine.

    ENVIRONMENT limits it to one, such as `stage` or `feature/search`. What stands in the work tree
    is checked, committed or not. Exit code 1 where something is refused.
    """
    from junov.delivery.check import check_project

    results = check_project(start, environment)
    refused = [finding for result in results for finding in result.refused]
    if as_json:
        print_json(
            [
                {"environment": result.environment, **finding.as_json()}
                for result in results
                for finding in result.findings
            ]
        )
    else:
        for result in results:
            _show(result.environment, result.findings)
    if refused:
        raise click.exceptions.Exit(1)


def _show(environment: str, findings: Sequence[Finding]) -> None:
    refused = [finding for finding in findings if finding.waived_by is None]
    if not refused:
        waived = f" ({len(findings)} accepted in junov.yaml)" if findings else ""
        click.echo(f"{click.style('✓', fg='green')} {environment}{waived}")
        return
    click.echo(f"{click.style('✗', fg='red')} {environment}: {len(refused)} refused")
    for finding in refused:
        click.echo(f"  {finding.place}: {finding.message} [{finding.rule}]")
        if finding.remedy:
            click.echo(f"    → {finding.remedy}")
