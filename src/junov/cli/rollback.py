"""Rollback: an older release serves again."""

from __future__ import annotations

import shlex

import click

from junov.cli import options
from junov.cli.environment import name, of_project, project_here
from junov.cli.progress import shown
from junov.cli.tables import print_result
from junov.delivery.environments import find_environment
from junov.site import Site
from junov.steps import Steps


@click.command()
@name
@of_project
@click.option(
    "--to",
    type=click.IntRange(min=1),
    metavar="N",
    help="The release's number; see `junov releases`. By default the one before.",
)
@click.option(
    "--downgrade",
    is_flag=True,
    help="Take the database's schema back first, with the project's `migrate.downgrade`.",
)
@options.yes
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@options.no_wait
@options.verbose
@options.json_lines
def rollback(
    name: str,
    project: str | None,
    to: int | None,
    downgrade: bool,
    yes: bool,
    dry_run: bool,
    no_wait: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Let an older release of an environment serve again.

    It comes from the release's own record on this server: its stack and its image by digest. What
    serves goes on doing so until the older one is ready, as in a deploy. Where the database's
    schema is ahead of its code, that is told and asked about first.
    """
    from junov.delivery.rollback import Way, downgrade_command, find_way
    from junov.delivery.rollback import rollback as story

    def tell(way: Way) -> None:
        for line in way.lines():
            click.echo(line, err=True)

    def ask(way: Way) -> None:
        tell(way)
        if way.schema_is_ahead and not downgrade and not yes:
            click.confirm("Go on?", abort=True, err=True)

    site = Site()
    view = find_environment(site, name, project or project_here(to_change=True))
    if dry_run:
        way = find_way(site, view, to)
        command = downgrade_command(way, view) if downgrade else None
        tell(way)
        if command:
            click.echo(f"`{shlex.join(command)}` would run first", err=True)
        if as_json:
            plan = {"environment": view.name, "restores": way.target.number, "dry_run": True}
            print_result({**plan, "downgrade": command}, as_json=True)
        return
    with shown(as_json=as_json, verbose=verbose) as progress:
        result = story(
            site,
            view,
            Steps(progress),
            to=to,
            downgrade=downgrade,
            ask=ask,
            wait=0 if no_wait else None,
        )
    print_result(result, as_json=as_json)
