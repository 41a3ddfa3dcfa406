"""The commands of `junov db` about backups: take, list, verify and restore them."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from typing import Any

import click

from junov.cli import options
from junov.cli.environment import confirm, name, of_project, project_here
from junov.cli.progress import shown
from junov.cli.tables import print_json, print_result, print_table, short_moment
from junov.delivery.environments import find_environment
from junov.errors import StageError
from junov.site import Site
from junov.steps import Steps


@click.command()
@click.argument("name", metavar="[ENV]", required=False)
@of_project
@click.option(
    "--due",
    is_flag=True,
    help="Instead of ENV: each environment of every project whose newest backup is older than "
    "server.yaml wants it.",
)
@options.no_wait
@options.verbose
@options.json_lines
def backup(
    name: str | None,
    project: str | None,
    due: bool,
    no_wait: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Write an environment's database to a file of the server, as it is at this moment.

    Everybody goes on working. How many backups are kept, and how long, is in server.yaml.
    """
    from junov.delivery.backups.backup import back_up
    from junov.delivery.backups.schedule import back_up_due

    site, wait = Site(), 0 if no_wait else None
    if due:
        if name or project:
            raise click.UsageError("--due is for every environment: leave ENV and --project out")
        with shown(as_json=as_json, verbose=verbose) as progress:
            made = back_up_due(site, Steps(progress), wait=wait)
        _tell_due(made, as_json=as_json)
        return
    if not name:
        raise click.UsageError("name an environment, or use --due")
    view = find_environment(site, name, project or project_here())
    with shown(as_json=as_json, verbose=verbose) as progress:
        result = back_up(site, view, Steps(progress), wait=wait)
    print_result(result, as_json=as_json)
    if not as_json:
        click.echo(f"backup: {result['name']}")


def _warn(text: str) -> None:
    click.secho(f"warning: {text}", fg="yellow", err=True)


def _tell_due(made: Mapping[str, Any], *, as_json: bool) -> None:
    """Say what came of the backups that were due; raises where one has failed."""
    if as_json:
        print_result(made, as_json=True)
    else:
        for each in made["taken"]:
            click.echo(f"backup: {each['project']}/{each['environment']} {each['name']}")
        if not made["taken"] and not made["failed"]:
            click.echo(f"nothing is due of {made['not_due']} environments", err=True)
    failed = made["failed"]
    if failed:
        said = "; ".join(f"{e['project']}/{e['environment']}: {e['message']}" for e in failed)
        raise StageError(
            f"{len(failed)} of {len(failed) + len(made['taken'])} backups have failed: {said}",
            remedy=failed[0]["remedy"],
            detail="\n".join(filter(None, (each["detail"] for each in failed))),
        )


@click.command()
@name
@of_project
@options.as_json
def backups(name: str, project: str | None, as_json: bool) -> None:
    """List the backups of an environment, the newest first."""
    from junov.delivery.backups.copies import list_stored
    from junov.delivery.backups.streams import megabytes

    site = Site()
    view = find_environment(site, name, project or project_here())
    stored = list_stored(site, view.identity, _warn)
    if as_json:
        print_json([each.to_json() for each in stored])
        return
    if not stored:
        said = f"there are none; make one with: junov db backup {quote(view.name)}"
        click.echo(said, err=True)
        return
    print_table(
        ("BACKUP", "TAKEN (UTC)", "SIZE", "RELEASE", "MIGRATIONS AT", "TABLES", "BY", "WHERE"),
        [
            (
                each.backup.name,
                short_moment(each.backup.taken_at),
                megabytes(each.backup.size_bytes),
                str(each.backup.release or "-"),
                ", ".join(each.backup.heads) or "-",
                str(each.backup.table_count),
                each.backup.who,
                ", ".join(each.where),
            )
            for each in stored
        ],
        spare=("BY", "TABLES", "MIGRATIONS AT", "TAKEN (UTC)"),
    )


@click.command()
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
    from junov.delivery.backups.copies import find_stored
    from junov.delivery.backups.restore import verify as story

    site = Site()
    view = find_environment(site, name, project or project_here())
    found = find_stored(site, view.identity, backup, _warn)
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


@click.command()
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
    Production's is replaced only where junov.yaml allows it, with a backup of the last 15 minutes,
    and when its name is typed again, whatever --yes says.
    """
    from junov.delivery.backups.copies import find_stored
    from junov.delivery.backups.restore import restore as story
    from junov.delivery.exchange import (
        refuse_protected,
        require_fresh_backup,
        serving_with_database,
    )

    site = Site()
    view = find_environment(site, name, project or project_here(to_change=True))
    found = find_stored(site, view.identity, backup, _warn)
    serving = serving_with_database(site, view)
    refuse_protected(serving)
    again = f"junov db restore {quote(view.name)} {found.name}"
    require_fresh_backup(site, serving, then=again)
    old = serving.environment.identity.database
    when = short_moment(found.taken_at)
    click.echo(f"This gives {view.name} of {view.project} what it had at {when} UTC:", err=True)
    click.echo(f"  the backup {found.name}, brought up by its migrations", err=True)
    click.echo(f"  {old} is kept, and comes back with: junov db undo {quote(view.name)}", err=True)
    confirm(view, yes=yes, to="replace its database")
    with shown(as_json=as_json, verbose=verbose) as progress:
        result = story(site, view, found, Steps(progress), wait=0 if no_wait else None)
    print_result(result, as_json=as_json)
