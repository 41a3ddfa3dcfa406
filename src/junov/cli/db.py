"""Databases: look at them, get into them, bring one back, copy one's data, back up and restore."""

from __future__ import annotations

import sys
from shlex import quote

import click

from junov.cli import options
from junov.cli.backups import backup, backups, restore, verify
from junov.cli.environment import confirm, name, of_project, project_here
from junov.cli.progress import shown
from junov.cli.tables import print_json, print_result, print_table, short_moment
from junov.delivery.environments import find_environment
from junov.site import Site
from junov.steps import Steps


@click.group()
def db() -> None:
    """Look at databases and exchange them."""


for command in (backup, backups, verify, restore):
    db.add_command(command)


@db.command("ls")
@of_project
@click.option("-a", "--all", "everything", is_flag=True, help="Of every project on the server.")
@click.option("--orphans", is_flag=True, help="Only those whose environment is gone.")
@options.as_json
def list_command(project: str | None, everything: bool, orphans: bool, as_json: bool) -> None:
    """List databases: those that serve, those that are kept, and the project's templates."""
    from junov.delivery.inventory import list_databases
    from junov.delivery.orphans import list_orphans

    site, wanted = Site(), None if everything else project or project_here()
    found = list_databases(site, wanted)
    if orphans:
        gone = {(each.project, each.environment) for each in list_orphans(site, wanted)}
        found = [each for each in found if (each.project, each.environment) in gone]
    if as_json:
        print_json([each.to_json() for each in found])
        return
    if not found:
        said = (
            "there are no orphans" if orphans else "there are no databases yet; a deploy makes one"
        )
        click.echo(said, err=True)
        return
    print_table(
        (
            "DATABASE",
            "PROJECT",
            "ENVIRONMENT",
            "IS",
            "MIGRATIONS AT",
            "SINCE (UTC)",
            "SIZE",
            "CONNECTIONS",
        ),
        [
            (
                each.name,
                each.project,
                each.environment or "-",
                each.kind,
                ", ".join(each.heads) or "-",
                short_moment(each.since),
                each.size,
                str(each.connections),
            )
            for each in found
        ],
        spare=("CONNECTIONS", "MIGRATIONS AT", "SINCE (UTC)", "PROJECT"),
    )


@db.command()
@of_project
@click.option("-a", "--all", "everything", is_flag=True, help="Of every project on the server.")
@options.yes
@options.no_wait
@options.verbose
@options.json_lines
def prune(
    project: str | None,
    everything: bool,
    yes: bool,
    no_wait: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Remove databases and roles whose environment is gone, each after a backup."""
    from junov.delivery.orphans import list_orphans, remove_orphans

    site = Site()
    found = list_orphans(site, None if everything else project or project_here(to_change=True))
    if not found:
        click.echo("there are no orphans", err=True)
        return
    click.echo("This removes, after a backup of each database:", err=True)
    for each in found:
        names = ", ".join(dict.fromkeys([*(one.name for one in each.databases), *each.roles]))
        click.echo(f"  {each.project}/{each.environment}: {names}", err=True)
    if not yes:
        click.confirm("Go on?", abort=True, err=True)
    with shown(as_json=as_json, verbose=verbose) as progress:
        steps, wait = Steps(progress), 0 if no_wait else None
        removed = [remove_orphans(site, each, steps, wait=wait) for each in found]
    print_result({"removed": removed}, as_json=as_json)


@db.command()
@name
@of_project
@options.yes
@options.no_wait
@options.verbose
@options.json_lines
def undo(
    name: str, project: str | None, yes: bool, no_wait: bool, verbose: bool, as_json: bool
) -> None:
    """Bring back the database that was replaced last; the one that serves now is kept in turn.

    Its data comes back as it was then, brought up by the migrations of the release that serves.
    What was written since then stays in the database that is kept.
    """
    from junov.delivery.exchange import serving_with_database
    from junov.delivery.reset import kept_last
    from junov.delivery.reset import undo as story

    site = Site()
    view = find_environment(site, name, project or project_here(to_change=True))
    serving = serving_with_database(site, view).environment.identity
    back = serving.at(kept_last(site, serving)).database
    click.echo(f"This brings {back} back to {view.name} of {view.project}:", err=True)
    click.echo(f"  {serving.database} is kept in turn", err=True)
    confirm(view, yes=yes, to="replace its database")
    with shown(as_json=as_json, verbose=verbose) as progress:
        result = story(site, view, Steps(progress), wait=0 if no_wait else None)
    print_result(result, as_json=as_json)


@db.command()
@click.argument("source", metavar="FROM")
@click.argument("name", metavar="ENV")
@of_project
@options.yes
@options.no_wait
@options.verbose
@options.json_lines
def clone(
    source: str,
    name: str,
    project: str | None,
    yes: bool,
    no_wait: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Give an environment a copy of another one's data; never production.

    FROM goes on being used meanwhile. The database that ENV had is kept.
    """
    from junov.delivery.exchange import serving_with_database
    from junov.delivery.reset import clone as story

    site = Site()
    wanted = project or project_here(to_change=True)
    theirs, view = find_environment(site, source, wanted), find_environment(site, name, wanted)
    old = serving_with_database(site, view).environment.identity.database
    what = f"a copy of what {theirs.name} has"
    click.echo(f"This gives {view.name} of {view.project} {what}:", err=True)
    click.echo(f"  {old} is kept, and comes back with: junov db undo {quote(view.name)}", err=True)
    confirm(view, yes=yes, to="replace its database")
    with shown(as_json=as_json, verbose=verbose) as progress:
        result = story(site, theirs, view, Steps(progress), wait=0 if no_wait else None)
    print_result(result, as_json=as_json)


@db.command()
@name
@of_project
def url(name: str, project: str | None) -> None:
    """Print the URL of an environment's database, with its password, as this machine reaches it."""
    from junov.delivery.inventory import database_url

    site = Site()
    view = find_environment(site, name, project or project_here())
    click.echo(database_url(site, view).reveal())


@db.command()
@name
@of_project
@click.argument("arguments", nargs=-1)
def psql(name: str, project: str | None, arguments: tuple[str, ...]) -> None:
    """Open psql on an environment's database, as its own role; arguments come after `--`."""
    from junov.delivery.inventory import open_psql

    site = Site()
    view = find_environment(site, name, project or project_here())
    sys.exit(open_psql(site, view, arguments))
