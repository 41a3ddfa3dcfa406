"""The sweep: environments that nobody needs are stopped, and later removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from junov.cli import options
from junov.cli.environment import project_here
from junov.cli.progress import shown
from junov.cli.tables import print_result, print_table, short_moment
from junov.config.project import find_project
from junov.errors import JunovError, NotFoundError, StageError
from junov.site import Site
from junov.steps import Steps

if TYPE_CHECKING:
    from junov.delivery.sweep import Due, Refs


@click.command()
@click.option("-p", "--project", help="Only of this project; of all on the server without.")
@click.option("--dry-run", is_flag=True, help="Say what is due and why, and change nothing.")
@options.verbose
@options.json_lines
def sweep(project: str | None, dry_run: bool, verbose: bool, as_json: bool) -> None:
    """Stop environments that nobody needs, and remove those that have been stopped for long.

    Stopped is what has expired, and what is for a branch or tag that is gone. Which are gone is
    asked of the origin of the checkout that this is run in, about its own project; where it doesn't
    answer, none is taken for gone. Removed is what has been stopped for longer than `keep`, once
    its databases are backed up. Production stays as it is, and so does the only environment of a
    kind. What fails doesn't keep the others from theirs.
    """
    from junov.delivery.sweep import list_due
    from junov.delivery.sweep import sweep as story

    site = Site()
    refs, unknown = _ask_origin(project)
    due = list_due(site, project, refs)
    if dry_run:
        _show(due, as_json=as_json)
    else:
        with shown(as_json=as_json, verbose=verbose) as progress:
            done = story(site, due, Steps(progress))
        _tell(done, as_json=as_json)
        _raise_failed(done["failed"])
    if unknown:
        raise unknown


def _ask_origin(project: str | None) -> tuple[Refs, JunovError | None]:
    """The branches and tags of the project here, and why they aren't known where they should be."""
    from junov.delivery.sweep import refs_of

    here = project_here()
    if here is None or project not in (None, here):
        return {}, None
    try:
        return refs_of(here, find_project(Path())), None
    except JunovError as error:
        said = f"{error.message}; no branch of {here} is taken for one that is gone"
        click.secho(f"warning: {said}", fg="yellow", err=True)
        # Where there is no origin there is nobody to ask, and nothing to mend.
        return {}, None if isinstance(error, NotFoundError) else error


def _show(due: Sequence[Due], *, as_json: bool) -> None:
    if as_json:
        print_result({"dry_run": True, "due": [each.to_json() for each in due]}, as_json=True)
        return
    if not due:
        click.echo("nothing is due", err=True)
        return
    print_table(
        ("ENVIRONMENT", "WOULD BE", "BECAUSE", "SINCE (UTC)"),
        [
            (
                each.name,
                "stopped" if each.action == "stop" else "removed",
                each.why,
                short_moment(each.since.isoformat() if each.since else ""),
            )
            for each in due
        ],
    )


def _tell(done: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_result(done, as_json=True)
        return
    for each in done["stopped"]:
        click.echo(f"stopped: {_named(each)}, {each['why']}")
    for each in done["removed"]:
        backups = ", ".join(each["backups"])
        click.echo(f"removed: {_named(each)}, {each['why']}")
        click.echo(f"  its data: {backups}" if backups else "  it had no database")
    for each in done["left"]:
        click.echo(f"left for the next sweep: {_named(each)}, {each['message']}")
    if not any(done.values()):
        click.echo("nothing is due", err=True)


def _raise_failed(failed: Sequence[Mapping[str, Any]]) -> None:
    """Raise where an environment could not be stopped or removed."""
    if not failed:
        return
    said = "; ".join(f"{_named(each)}: {each['message']}" for each in failed)
    raise StageError(
        f"{len(failed)} could not be swept: {said}",
        remedy=failed[0]["remedy"],
        detail="\n".join(filter(None, (each["detail"] for each in failed))),
    )


def _named(each: Mapping[str, Any]) -> str:
    return f"{each['project']}/{each['environment']}"
