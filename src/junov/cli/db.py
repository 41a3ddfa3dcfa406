"""Databases: look at them, get into them, bring one back, copy one's data, back up and restore."""

from __future__ import annotations

import sys
from shlex import quote

import click

from junov.cli import options
from junov.cli.environment import confirm, name, of_project, project_here
from junov.cli.progress import shown
from junov.cli.tables import print_json, print_result, print_table, short_moment
from junov.delivery.environments import find_environment
from junov.errors import StageError
from junov.site import Site
from junov.steps import Steps


@click.group()
def db() -> None:
    """Look at databases and exchange them."""


@db.command("ls")
@of_project
@click.option("-a", "--all", "everything", is_flag=True, help="Of every project on the server.")
@options.as_json
def list_command(project: str | None, everything: bool, as_json: bool) -> None:
    """List databases: those that serve, and those that were replaced and are kept."""
    from junov.delivery.inventory import list_databases

    found = list_databases(Site(), None if everything else project or project_here())
    if as_json:
        print_json([each.to_json() for each in found])
        return
    if not found:
        click.echo("there are no databases yet; a deploy makes one", err=True)
        return
    print_table(
        ("DATABASE", "PROJECT", "ENVIRONMENT", "IS", "SINCE (UTC)", "SIZE", "CONNECTIONS"),
        [
            (
                each.name,
                each.project,
                each.environment,
                each.kind,
                short_moment(each.since),
                each.size,
                str(each.connections),
            )
            for each in found
        ],
        spare=("CONNECTIONS", "SINCE (UTC)", "PROJECT"),
    )


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
@options.no_wait
@options.verbose
@options.json_lines
def backup(name: str, project: str | None, no_wait: bool, verbose: bool, as_json: bool) -> None:
    """Write an environment's database to a file of the server, as it is at this moment.

    Everybody goes on working. How many backups are kept, and how long, is in server.yaml.
    """
    from junov.delivery.backups.backup import back_up

    site = Site()
    view = find_environment(site, name, project or project_here())
    with shown(as_json=as_json, verbose=verbose) as progress:
        result = back_up(site, view, Steps(progress), wait=0 if no_wait else None)
    print_result(result, as_json=as_json)
    if not as_json:
        click.echo(f"backup: {result['name']}")


@db.command()
@name
@of_project
@options.as_json
def backups(name: str, project: str | None, as_json: bool) -> None:
    """List the backups of an environment, the newest first."""
    from junov.delivery.backups.record import list_backups
    from junov.delivery.backups.streams import megabytes

    site = Site()
    view = find_environment(site, name, project or project_here())
    found = list_backups(site, view.identity)
    if as_json:
        print_json([each.to_json() for each in found])
        return
    if not found:
        said = f"there are none; make one with: junov db backup {quote(view.name)}"
        click.echo(said, err=True)
        return
    print_table(
        ("BACKUP", "TAKEN (UTC)", "SIZE", "RELEASE", "MIGRATIONS AT", "TABLES", "BY"),
        [
            (
                each.name,
                short_moment(each.taken_at),
                megabytes(each.size_bytes),
                str(each.release or "-"),
                ", ".join(each.heads) or "-",
                str(each.table_count),
                each.who,
            )
            for each in found
        ],
        spare=("BY", "TABLES", "MIGRATIONS AT", "TAKEN (UTC)"),
    )


@db.command()
@name
@click.argument("backup", metavar="[BACKUP]", required=False)
@of_project
@options.no_wait
@options.verbose
@options.json_lines
def verify(
    name: str,
    backup: str | None,
    project: str | None,
    no_wait: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Restore a backup into a database of its own, and compare every table; the newest by default.

    Ends with exit code 1 where the file is damaged, or a table is not what it was.
    """
    from junov.delivery.backups.record import find_backup
    from junov.delivery.backups.restore import verify as story

    site = Site()
    view = find_environment(site, name, project or project_here())
    found = find_backup(site, view.identity, backup)
    with shown(as_json=as_json, verbose=verbose) as progress:
        verified = story(site, view, found, Steps(progress), wait=0 if no_wait else None)
    if as_json:
        print_result(verified.to_json(), as_json=True)
    else:
        print_table(
            ("TABLE", "ROWS", "RESTORED", "IS"),
            [
                (
                    each.table,
                    "-" if each.rows is None else str(each.rows),
                    "-" if each.restored_rows is None else str(each.restored_rows),
                    "the same" if each.same else "different",
                )
                for each in verified.tables
            ],
        )
    if verified.differs:
        raise StageError(
            f"the backup {found.name} of {view.name} is not what the database was: "
            f"{', '.join(verified.differs)}",
            remedy=f"take another backup: junov db backup {quote(view.name)}",
        )


@db.command()
@name
@click.argument("backup", metavar="[BACKUP]", required=False)
@of_project
@options.yes
@options.no_wait
@options.verbose
@options.json_lines
def restore(
    name: str,
    backup: str | None,
    project: str | None,
    yes: bool,
    no_wait: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Give an environment what a backup of it holds; the newest by default.

    It is restored beside the database that serves, which is kept: `junov db undo` brings it back.
    Production's is replaced only where junov.yaml allows it, and when its name is typed again,
    whatever --yes says.
    """
    from junov.delivery.backups.record import find_backup
    from junov.delivery.backups.restore import restore as story
    from junov.delivery.exchange import refuse_protected, serving_with_database

    site = Site()
    view = find_environment(site, name, project or project_here(to_change=True))
    found = find_backup(site, view.identity, backup)
    serving = serving_with_database(site, view)
    refuse_protected(serving)
    old = serving.environment.identity.database
    when = short_moment(found.taken_at)
    click.echo(f"This gives {view.name} of {view.project} what it had at {when} UTC:", err=True)
    click.echo(f"  the backup {found.name}, brought up by its migrations", err=True)
    click.echo(f"  {old} is kept, and comes back with: junov db undo {quote(view.name)}", err=True)
    confirm(view, yes=yes, to="replace its database")
    with shown(as_json=as_json, verbose=verbose) as progress:
        result = story(site, view, found, Steps(progress), wait=0 if no_wait else None)
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
