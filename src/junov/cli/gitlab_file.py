"""The file that makes GitLab run the pipeline: written, and checked."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path

import click

from junov import __version__
from junov.cli import options
from junov.config.project import find_project, read_project
from junov.errors import JunovError

component_option = click.option(
    "--component",
    is_flag=True,
    help="A component that other projects include, in templates/junov.yml, instead.",
)


class StaleFileError(JunovError):
    """The file is not what the project's `junov.yaml` makes."""


@click.command()
@options.project_folder
@component_option
@click.option("--stdout", is_flag=True, help="Print the file instead of writing it.")
def render(start: Path, component: bool, stdout: bool) -> None:
    """Write the pipeline that GitLab runs: .gitlab/junov.gitlab-ci.yml.

    It is made from junov.yaml and nothing else. A repository without a .gitlab-ci.yml gets one that
    includes it; one that is there is yours and stays as it is.
    """
    folder = find_project(start)
    files = _files(folder, component=component)
    if stdout:
        click.echo(next(iter(files.values())), nl=False)
        return
    for path, text in files.items():
        file = folder / path
        if file.exists() and file.read_text(encoding="utf-8") == text:
            click.echo(f"{file} is current")
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        click.echo(f"{file} is written")
    _say_how_to_include(folder, component=component)


@click.command()
@options.project_folder
@component_option
def check(start: Path, component: bool) -> None:
    """Say whether the rendered pipeline is what junov.yaml makes: for CI and pre-commit.

    Exit code 1, with the difference, where it is not.
    """
    folder = find_project(start)
    stale = []
    for path, text in _files(folder, component=component).items():
        file = folder / path
        there = file.read_text(encoding="utf-8") if file.exists() else ""
        difference = difflib.unified_diff(
            there.splitlines(), text.splitlines(), str(file), "as it should be", lineterm="", n=1
        )
        stale += list(difference)
    if stale:
        raise StaleFileError(
            "the rendered pipeline is not what junov.yaml makes",
            remedy="write it anew: junov gitlab render" + (" --component" if component else ""),
            detail="\n".join(stale[:60]),
        )
    click.echo("the rendered pipeline is current")


def _files(folder: Path, *, component: bool) -> Mapping[Path, str]:
    """What is to be in which file: the rendered one, and GitLab's own where there is none."""
    from junov.gitlab import ci_file

    project = read_project(folder).config
    if component:
        return {Path(ci_file.COMPONENT_FILE): ci_file.render_component(project, __version__)}
    files = {Path(ci_file.CI_FILE): ci_file.render(project, __version__)}
    if not (folder / ci_file.OWN_FILE).exists():
        files[Path(ci_file.OWN_FILE)] = ci_file.own_file()
    return files


def _say_how_to_include(folder: Path, *, component: bool) -> None:
    from junov.gitlab import ci_file

    own = folder / ci_file.OWN_FILE
    if not component and ci_file.CI_FILE not in own.read_text(encoding="utf-8"):
        click.secho(
            f"warning: {own} does not include it yet; add to it:\n"
            f"include:\n  - local: {ci_file.CI_FILE}",
            fg="yellow",
            err=True,
        )
