"""Environments: look at them, get into them, stop, start and remove them."""

from __future__ import annotations

import sys

import click

from junov.cli import options
from junov.cli.environment import confirm, name, of_project, project_here
from junov.cli.progress import shown
from junov.cli.sweep import sweep
from junov.cli.tables import in_words, print_fields, print_json, print_table, short_moment
from junov.delivery.environments import (
    EnvironmentView,
    NoEnvironmentError,
    find_environment,
    list_environments,
)
from junov.site import Site
from junov.steps import Steps


@click.group()
def env() -> None:
    """Look at environments and change them."""


env.add_command(sweep)


@env.command("ls")
@of_project
@click.option("-a", "--all", "everything", is_flag=True, help="Of every project on the server.")
@options.as_json
def list_command(project: str | None, everything: bool, as_json: bool) -> None:
    """List environments: of this folder's project, or of all."""
    wanted = None if everything else project or project_here()
    views = list_environments(Site(), wanted)
    if as_json:
        print_json([view.to_json() for view in views])
        return
    if not views:
        click.echo("there are no environments yet; make one with: junov run", err=True)
        return
    expiring = any(view.expires_at for view in views)
    stopped = any(view.stopped_at for view in views)
    print_table(
        (
            *("ENVIRONMENT", "STATUS", "URL", "COMMIT", "RELEASE", "DATABASE", "DEPLOYED (UTC)"),
            *(["EXPIRES (UTC)"] if expiring else []),
            *(["STOPPED (UTC)"] if stopped else []),
        ),
        [
            (
                view.name if wanted else f"{view.project} {view.name}",
                view.status,
                view.url,
                view.commit[:8] or "-",
                str(view.release or "-"),
                view.database or "-",
                short_moment(view.deployed_at),
                *([short_moment(view.expires_at)] if expiring else []),
                *([short_moment(view.stopped_at)] if stopped else []),
            )
            for view in views
        ],
        spare=(
            *("DATABASE", "RELEASE", "DEPLOYED (UTC)", "EXPIRES (UTC)", "STOPPED (UTC)"),
            "COMMIT",
        ),
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
        print_fields((key, in_words(key, value)) for key, value in view.to_json().items())


@env.command()
@name
@of_project
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes.")
@click.option("--service", "services", multiple=True, help="Only this service; may be repeated.")
@options.tail
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
    view = _find(site, name, project, to_change=True)
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
    """Stop an environment's containers. Its data stays; start or the next deploy brings it back.

    One that is stopped stays so. For heads/<branch> or tags/<tag> it is no error either if there is
    none, as in GitLab's job after a branch was deleted.
    """
    from junov.delivery.lifecycle import stop as story

    site = Site()
    try:
        view = _find(site, name, project, to_change=True)
    except NoEnvironmentError as none:
        click.echo(f"{none.message}: there is nothing to stop", err=True)
        return
    with shown(as_json=False, verbose=verbose) as progress:
        stopped = story(site, view, Steps(progress))
    if not stopped:
        click.echo(f"{view.name} was stopped already", err=True)


@env.command()
@name
@of_project
@options.verbose
def start(name: str, project: str | None, verbose: bool) -> None:
    """Start a stopped environment with the release that it had.

    Where as many of its kind run as `limit` allows, the least recently used of them is stopped.
    """
    from junov.delivery.lifecycle import start as story

    site = Site()
    view = _find(site, name, project, to_change=True)
    with shown(as_json=False, verbose=verbose) as progress:
        story(site, view, Steps(progress))


@env.command()
@name
@of_project
@click.option("--dry-run", is_flag=True, help="Say what was found, and change nothing.")
@options.no_wait
@options.verbose
def repair(name: str, project: str | None, dry_run: bool, no_wait: bool, verbose: bool) -> None:
    """Finish or undo what a killed run has left in an environment.

    The next deploy does the same by itself. Only what is this environment's own is touched.
    """
    from junov.delivery.repair import find_damage, repaired
    from junov.delivery.turn import turn

    site = Site()
    view = _find(site, name, project, to_change=True)
    with shown(as_json=False, verbose=verbose) as progress:
        steps = Steps(progress)
        wait = 0 if no_wait else None
        with turn(site, view, purpose=f"repair of {view.name}", steps=steps, wait=wait):
            if dry_run:
                found = find_damage(site, view, view.identity)
            else:
                found = repaired(site, view, view.identity, steps)
    for line in found.lines():
        click.echo(f"found: {line}")
    if not found:
        click.echo(f"{view.name} is whole: there is nothing to repair")


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
    view = _find(site, name, project, to_change=True)
    click.echo(f"This removes the environment {view.name} of {view.project}:")
    for line in what_goes(site, view):
        click.echo(f"  {line}")
    if dry_run:
        return
    confirm(view, yes=yes, to="remove it")
    with shown(as_json=False, verbose=verbose) as progress:
        remove(site, view, Steps(progress))


def _find(
    site: Site, name: str, project: str | None, *, to_change: bool = False
) -> EnvironmentView:
    return find_environment(site, name, project or project_here(to_change=to_change))
