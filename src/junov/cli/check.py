"""Check the configuration and the wall."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from junov.cli import options
from junov.cli.tables import print_json

if TYPE_CHECKING:
    from junov.delivery.check import Checked
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
        _show(results)
    if refused:
        raise click.exceptions.Exit(1)


def _show(results: Sequence[Checked]) -> None:
    """Each environment on a line; then each finding once, with the environments that have it."""
    found: dict[tuple[str, str, str], tuple[Finding, list[str]]] = {}
    for result in results:
        click.echo(_summary(result))
        for finding in result.refused:
            key = (finding.rule, finding.message, str(finding.place))
            found.setdefault(key, (finding, []))[1].append(result.environment)
    where: list[str] = []
    for finding, environments in found.values():
        names = list(dict.fromkeys(environments))
        if names != where:
            click.echo(f"\nin {', '.join(names)}:")
            where = names
        click.echo(f"  {finding.place}: {finding.message} [{finding.rule}]")
        if finding.remedy:
            click.echo(f"    → {finding.remedy}")


def _summary(result: Checked) -> str:
    if result.refused:
        return f"{click.style('✗', fg='red')} {result.environment}: {len(result.refused)} refused"
    accepted = len(result.findings)
    waived = f" ({accepted} accepted in junov.yaml)" if accepted else ""
    return f"{click.style('✓', fg='green')} {result.environment}{waived}"
