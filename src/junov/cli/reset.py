"""Reset: a fresh database, and the release rolled out anew."""

from __future__ import annotations

from shlex import quote

import click

from junov.cli import options
from junov.cli.environment import confirm, name, of_project, project_here
from junov.cli.progress import shown
from junov.cli.tables import print_result
from junov.delivery.environments import find_environment
from junov.site import Site
from junov.steps import Steps


@click.command()
@name
@of_project
@click.option(
    "--data",
    metavar="ENV",
    help="Fill it with a copy of this environment's data, instead of the fixtures.",
)
@options.yes
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@options.no_wait
@options.verbose
@options.json_lines
def reset(
    name: str,
    project: str | None,
    data: str | None,
    yes: bool,
    dry_run: bool,
    no_wait: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Give an environment a fresh database, and roll its release out anew.

    The new database is made and filled beside the old one, which serves until the release that uses
    the new one is ready; nobody is turned away. The old one is kept for a while: `junov db undo`
    brings it back. Production's is replaced only where junov.yaml allows it, with a backup of the
    last 15 minutes, and when its name is typed again, whatever --yes says.
    """
    from junov.delivery.exchange import (
        refuse_protected,
        require_fresh_backup,
        serving_with_database,
    )
    from junov.delivery.provision import start_of
    from junov.delivery.reset import clone
    from junov.delivery.reset import reset as story

    site = Site()
    wanted = project or project_here(to_change=True)
    view = find_environment(site, name, wanted)
    source = find_environment(site, data, wanted) if data else None
    serving = serving_with_database(site, view)
    refuse_protected(serving)
    require_fresh_backup(site, serving)
    old = serving.environment.identity.database
    click.echo(f"This gives {view.name} of {view.project} another database:", err=True)
    start = source.name if source else start_of(serving.environment, serving.project)
    known = {"fixtures": "its migrations and fixtures", "empty": "its migrations, and no data"}
    filled = known.get(start, f"a copy of what {start} has")
    click.echo(f"  a new one with {filled}", err=True)
    click.echo(f"  {old} is kept, and comes back with: junov db undo {quote(view.name)}", err=True)
    if dry_run:
        return
    confirm(view, yes=yes, to="replace its database")
    with shown(as_json=as_json, verbose=verbose) as progress:
        steps, wait = Steps(progress), 0 if no_wait else None
        if source:
            result = clone(site, source, view, steps, wait=wait)
        else:
            result = story(site, view, steps, wait=wait)
    print_result(result, as_json=as_json)
