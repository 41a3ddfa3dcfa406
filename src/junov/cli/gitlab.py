"""The project on GitLab: what it needs there, whether it has it, and what it is told."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from junov.cli import options
from junov.cli.findings import show_findings
from junov.cli.gitlab_file import check, render
from junov.cli.progress import shown
from junov.cli.tables import print_json, print_result
from junov.config.project import find_project, read_project
from junov.errors import JunovError, StageError
from junov.secret import Secret
from junov.site import Site
from junov.steps import Steps

if TYPE_CHECKING:
    from junov.config.project import Project
    from junov.gitlab.api import GitLabApi

F = TypeVar("F", bound=Callable[..., Any])

TOKEN_VARIABLES = ("JUNOV_GITLAB_TOKEN", "GITLAB_TOKEN")


@click.group()
def gitlab() -> None:
    """The project on GitLab: its pipeline's file, runners, protection, variables, notes."""


gitlab.add_command(render)
gitlab.add_command(check)


def _place(command: F) -> F:
    """The options that say which project on which GitLab is meant."""
    for option in (
        options.project_folder,
        click.option("--path", help="The project's path there, such as team/notes."),
        click.option("--url", help="GitLab's address, instead of junov.yaml's or `origin`'s."),
    ):
        command = option(command)
    return command


no_notes = click.option(
    "--no-notes",
    is_flag=True,
    help="Without notes on merge requests, and the access token that they take.",
)


@gitlab.command()
@_place
@click.option(
    "--runner",
    "executors",
    type=click.Choice(["docker", "shell"]),
    multiple=True,
    help="Which runner is to be on this machine; may be repeated. Both by default.",
)
@click.option(
    "--runner-config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The config.toml of a GitLab Runner that is there already; it is not started by junov.",
)
@click.option("--runner-image", help="The image of GitLab Runner; by default of GitLab's version.")
@click.option("--no-start", is_flag=True, help="Don't start the runners.")
@no_notes
@click.option(
    "--token-days",
    type=click.IntRange(1, 365),
    default=364,
    show_default=True,
    help="How long the access token for notes lasts.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
@options.verbose
@options.json_lines
def setup(
    url: str | None,
    path: str | None,
    start: Path,
    executors: tuple[str, ...],
    runner_config: Path | None,
    runner_image: str | None,
    no_start: bool,
    no_notes: bool,
    token_days: int,
    dry_run: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Give the project what its pipelines need: on GitLab, and runners on this machine.

    Run it on the server with --runner shell, and on the machine for builds with --runner docker.
    It may be repeated: what is there is left as it is.

    The token of a maintainer, with the scope api, is taken from JUNOV_GITLAB_TOKEN or GITLAB_TOKEN,
    or asked for.
    """
    from junov.gitlab.desired import EXECUTORS
    from junov.server.gitlab_setup import Wishes, prepare, set_up

    wanted = tuple(each for each in EXECUTORS if not executors or each in executors)
    if runner_config and len(wanted) != 1:
        raise click.UsageError("--runner-config is of one runner: say which with --runner")
    project, api = _open(start, url, path)
    wishes = Wishes(
        executors=wanted,
        notes=not no_notes,
        token_days=token_days,
        config=runner_config.absolute() if runner_config else None,
        start=not no_start,
        runner_image=runner_image,
    )
    site = Site()
    prepared = prepare(site, project, api, wishes)
    if dry_run and as_json:
        print_json(prepared.to_json())
        return
    if not as_json:
        _tell_plan(prepared.to_json(), dry_run=dry_run)
    if dry_run:
        return
    with shown(as_json=as_json, verbose=verbose) as progress:
        result = set_up(site, project, api, wishes, prepared, Steps(progress))
    if as_json:
        print_result(result, as_json=True)
    elif result["done"]:
        click.echo("look at all of it with: junov gitlab doctor", err=True)


def _tell_plan(data: dict[str, Any], *, dry_run: bool) -> None:
    for remark in data["remarks"]:
        click.secho(f"note: {remark}", fg="yellow", err=True)
    if not data["actions"]:
        click.echo("there is nothing to do: the project has all that its pipelines need", err=True)
    elif dry_run:
        click.echo("This would be done:")
        for each in data["actions"]:
            click.echo(f"  • {each['does']}")
            for request in each.get("requests", ()):
                click.secho(f"      {request}", dim=True)


@gitlab.command()
@_place
@no_notes
@options.as_json
def doctor(url: str | None, path: str | None, start: Path, no_notes: bool, as_json: bool) -> None:
    """Check what the project has on GitLab, with the mend for each thing that it lacks.

    Exit code 1 where something failed; warnings alone do not fail. Nothing is changed.
    """
    from junov.server.gitlab_doctor import examine

    project, api = _open(start, url, path)
    found = examine(Site().home, project, api, notes=not no_notes)
    show_findings(found, as_json=as_json)


@gitlab.command()
@_place
def note(url: str | None, path: str | None, start: Path) -> None:
    """Tell the merge request of this job what came of its deploy, in one note that is kept current.

    For after_script. Outside of a merge request, or without JUNOV_GITLAB_TOKEN, it says so. It
    always ends with exit code 0: a job isn't red because a note couldn't be written.
    """
    from junov.delivery.feedback import compose, gather, marker
    from junov.git.refs import ci_ref
    from junov.gitlab.notes import merge_request_of, put_note

    number = merge_request_of(os.environ)
    if number is None:
        _no_note("this job is about no merge request")
        return
    token = os.environ.get(TOKEN_VARIABLES[0])
    if not token:
        _no_note(f"there is no {TOKEN_VARIABLES[0]} (junov gitlab setup makes it)")
        return
    try:
        job = ci_ref(os.environ)
        if job is None:
            _no_note("this is no job of GitLab's")
            return
        if job.from_fork:
            _no_note("this merge request comes from a fork, and has no environment here")
            return
        project, api = _open(start, url, path, token=Secret(token))
        told = gather(Site(), project, job, api, os.environ)
        done = put_note(api, number, marker(told.project, told.environment), compose(told))
    except JunovError as error:
        _no_note(error.message, error.remedy)
        return
    click.echo(f"note on !{number}: {done}", err=True)


def _no_note(why: str, remedy: str = "") -> None:
    click.echo(f"no note: {why}", err=True)
    if remedy:
        click.echo(f"  → {remedy}", err=True)


def _open(
    start: Path, url: str | None, path: str | None, *, token: Secret | None = None
) -> tuple[Project, GitLabApi]:
    """The project in a folder, and on GitLab."""
    from junov.git import Repository
    from junov.gitlab.api import GitLabApi
    from junov.gitlab.place import find_place

    root = find_project(start)
    project = read_project(root).config
    try:
        origin = Repository.open(root).origin_url
    except JunovError:
        origin = ""
    place = find_place(project.gitlab, os.environ, origin, url=url, path=path)
    api = GitLabApi(place.url, place.path, token or _token(place.url))
    click.get_current_context().call_on_close(api.close)
    return project, api


def _token(url: str) -> Secret:
    for name in TOKEN_VARIABLES:
        if os.environ.get(name):
            return Secret(os.environ[name])
    if not sys.stdin.isatty():
        raise StageError(
            "there is no token for GitLab, and no terminal to ask at",
            remedy=f"make one at {url}/-/user_settings/personal_access_tokens with the scope api, "
            f"and set {TOKEN_VARIABLES[0]} to it",
        )
    typed = click.prompt(f"Token of a maintainer for {url}", hide_input=True, err=True)
    return Secret(str(typed).strip())
