"""Options and arguments that commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

as_json = click.option("--json", "as_json", is_flag=True, help="Print data as JSON.")
json_lines = click.option(
    "--json", "as_json", is_flag=True, help="Print progress and the result as JSON lines."
)
verbose = click.option(
    "-v", "--verbose", is_flag=True, help="Show every line of the programs that are run."
)
yes = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
project_folder = click.option(
    "-C",
    "--project",
    "start",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The project's folder, instead of the current one.",
)
ref = click.argument("ref", required=False)
allow_dirty = click.option(
    "--allow-dirty", is_flag=True, help="Take changes along that are not committed."
)
no_wait = click.option(
    "--no-wait", is_flag=True, help="Fail at once where another run holds the environment."
)


def _number_or_all(context: click.Context, parameter: click.Parameter, value: str) -> str:
    del context, parameter
    if value != "all" and not (value.isascii() and value.isdecimal()):
        raise click.BadParameter(f"expected a number or `all`, found {value!r}")
    return value


tail = click.option(
    "--tail",
    default="200",
    show_default=True,
    callback=_number_or_all,
    help="How many lines, or `all`.",
)


def stage(command: F) -> F:
    """The arguments and options that every stage has."""
    for option in (ref, project_folder, allow_dirty, verbose, json_lines):
        command = option(command)
    return command
