"""Environments: look at them, get into them, stop, start and remove them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from junov.cli import options
from junov.cli.progress import shown
from junov.cli.tables import print_fields, print_json, print_table
from junov.config.project import find_project, read_project
from junov.delivery.environments import EnvironmentView, find_environment, list_environments
from junov.errors import NotFoundError
from junov.site import Site
from junov.steps import Steps

name = click.argument("name")
of_project = click.option(
    "-p",
    "--project",
    "project",
    help="The project, where environments of several have that name. By default the one whose "
    "junov.yaml is in this folder or above it.",
)


@click.group()
def env() -> None:
    """Look at environments and change them."""


@env.command("ls")
@of_project
@click.option("-a", "--all", "everything", is_flag=True, help="Of every project on the server.")
@options.as_json
def list_command(project: str | None, everything: bool, as_json: bool) -> None:
    """List environments: of this folder's project, or of all."""
    wanted = None if everything else project or _project_here()
    views = list_environments(Site(), wanted)
    if as_json:
        print_json([view.to_json() for view in views])
        return
    if not views:
        click.echo("there are no environments yet; make one with: junov run", err=True)
        return
    print_table(
        ("ENVIRONMENT", "STATUS", "URL", "COMMIT", "RELEASE", "DATABASE", "DEPLOYED"),
        [
            (
                view.name if wanted else f"{view.project} {view.name}",
                view.status,
                view.url,
                view.commit[:8] or "-",
                str(view.release or "-"),
                view.database or "-",
                view.deployed_at or "-",
            )
            for view in views
        ],
    )


@env.command()
@name
@of_project
@options.as_json
def show(name: str, project: str | None, as_json: bool) -> None:
    """Show everything about one environment."""
    view = _find(Site(), name, project)
    if as_json:
        print_json(view.to_json())
    else:
        print_fields((key, str(value or "-")) for key, value in view.to_json().items())


@env.command()
@name
@of_project
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes.")
@click.option("--service", "services", multiple=True, help="Only this service; may be repeated.")
@click.option("--tail", default="200", show_default=True, help="How many lines, or `all`.")
def logs(
    name: str, project: str | None, follow: bool, services: tuple[str, ...], tail: str
) -> None:
    """Show what an environment's containers print."""
    from junov.delivery.inside import show_logs

    site = Site()
    view = _find(site, name, project)
    sys.exit(show_logs(site, view, services, follow=follow, tail=tail))


@env.command("exec", context_settings={"ignore_unknown_options": True})
@name
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@of_project
@click.option("--service", help="The service; web by default.")
def exec_command(
    name: str, command: tuple[str, ...], project: str | None, service: str | None
) -> None:
    """Run a command inside an environment's container, such as: junov env exec stage -- sh."""
    from junov.delivery.inside import execute

    site = Site()
    view = _find(site, name, project)
    sys.exit(execute(site, view, command, service=service))


@env.command("open")
@name
@of_project
def open_command(name: str, project: str | None) -> None:
    """Open an environment's URL in a browser, and print it."""
    view = _find(Site(), name, project)
    click.echo(view.url)
    if sys.stdout.isatty():
        click.launch(view.url)


@env.command()
@name
@of_project
@options.verbose
def stop(name: str, project: str | None, verbose: bool) -> None:
    """Stop an environment's containers. Its database and route stay; start brings it back."""
    from junov.delivery.lifecycle import stop as story

    _change(story, name, project, verbose=verbose)


@env.command()
@name
@of_project
@options.verbose
def start(name: str, project: str | None, verbose: bool) -> None:
    """Start a stopped environment with the release that it had."""
    from junov.delivery.lifecycle import start as story

    _change(story, name, project, verbose=verbose)


@env.command()
@name
@of_project
@options.yes
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@options.verbose
def rm(name: str, project: str | None, yes: bool, dry_run: bool, verbose: bool) -> None:
    """Remove an environment: containers, network, volumes, route, role and database.

    Production is removed only when its name is typed again, whatever --yes says.
    """
    from junov.delivery.lifecycle import remove, what_goes

    site = Site()
    view = _find(site, name, project)
    click.echo(f"This removes the environment {view.name} of {view.project}:")
    for line in what_goes(site, view):
        click.echo(f"  {line}")
    if dry_run:
        return
    if view.tier == "production":
        _type_again(view)
    elif not yes:
        click.confirm("Go on?", abort=True)
    with shown(as_json=False, verbose=verbose) as progress:
        remove(site, view, Steps(progress))


def _change(
    story: Callable[[Site, EnvironmentView, Steps], None],
    name: str,
    project: str | None,
    *,
    verbose: bool,
) -> None:
    site = Site()
    view = _find(site, name, project)
    with shown(as_json=False, verbose=verbose) as progress:
        story(site, view, Steps(progress))


def _type_again(view: EnvironmentView) -> None:
    typed = click.prompt(f"{view.name} is production. Type its name to remove it", err=True)
    if typed != view.name:
        raise NotFoundError(
            f"typed was {typed}, the environment is {view.name}; nothing was removed"
        )


def _find(site: Site, name: str, project: str | None) -> EnvironmentView:
    return find_environment(site, name, project or _project_here())


def _project_here() -> str | None:
    """The project of the current folder; None where it is in none."""
    try:
        return read_project(find_project(Path())).config.project
    except NotFoundError:
        return None
