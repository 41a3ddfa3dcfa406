"""How commands are told which environment is meant."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from junov.cli.boundary import nobody_to_ask
from junov.config.project import FILE_NAME, find_project, nearby
from junov.config.yamlfile import read_yaml
from junov.errors import ConfigError, NotFoundError, Place, Problem, StageError

if TYPE_CHECKING:
    from junov.delivery.environments import EnvironmentView

name = click.argument(
    "name",
    metavar="ENV",
    help="An environment's name, such as stage; or heads/<branch> or tags/<tag>, for the one that "
    "this branch or tag was last delivered to.",
)
of_project = click.option(
    "-p",
    "--project",
    "project",
    help="The project, where environments of several have that name. By default the one whose "
    "junov.yaml is in this folder or above it.",
)


def confirm(view: EnvironmentView, *, yes: bool, to: str) -> None:
    """Ask before something of an environment is lost or replaced; production's name is typed again.

    Args:
        view: the environment.
        yes: whether the answer was given already; for production it doesn't count.
        to: what would be done, such as `remove it`.

    Raises:
        click.Abort: the answer was no.
        StageError: it is production, and there is nobody to type its name.
        NotFoundError: another name was typed.
    """
    if view.tier != "production":
        if not yes:
            click.confirm("Go on?", abort=True, err=True)
        return
    try:
        typed = click.prompt(f"{view.name} is production. Type its name to {to}", err=True)
    except click.Abort as abort:
        if not nobody_to_ask(abort):
            raise
        click.echo(err=True)
        raise StageError(
            "there is no terminal to ask at", remedy="type the name at a terminal"
        ) from None
    if typed != view.name:
        raise NotFoundError(
            f"typed was {typed}, the environment is {view.name}; nothing was changed"
        )


def project_here(*, to_change: bool = False) -> str | None:
    """The project of the current folder; None where it is in none.

    Only its name is read: what else is wrong with a branch's file does not keep anyone from what
    runs. A file without a name leaves all projects to look at, but none to change: an environment
    of that name could be another project's.

    Args:
        to_change: whether the environment is about to be changed.

    Raises:
        ConfigError: `to_change`, and the folder's file doesn't say the project's name.
    """
    try:
        folder = nearby(find_project(Path()))
    except NotFoundError:
        return None
    try:
        data: Any = read_yaml(folder / FILE_NAME).data
        found = data.get("project") if isinstance(data, Mapping) else None
        if isinstance(found, str) and found:
            return found
        what = "expected the project's name under `project`"
        raise ConfigError([Problem(what, Place(folder / FILE_NAME))])
    except ConfigError as error:
        if to_change:
            raise
        said = f"{error.place}: {error.message}; looking at all projects"
        click.secho(f"warning: {said}", fg="yellow", err=True)
        return None
