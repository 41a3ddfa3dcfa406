"""The file that makes GitLab run the pipeline: written, and checked."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path

import click

from junov import __version__
from junov.cli import options
from junov.config.project import find_project, read_project
from junov.errors import JunovError, NotFoundError, StageError
from junov.git import Repository
from junov.gitlab.ci_file import CI_FILE, COMPONENT_FILE, OWN_FILE, own_file, render_component
from junov.gitlab.ci_file import render as render_file

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
        if _text_of(file) == text:
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
        there = _text_of(file)
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
    if not component and not _includes_ours(folder):
        raise StaleFileError(
            f"{folder / OWN_FILE} does not include the rendered pipeline, so GitLab doesn't run it",
            remedy=f"add to it: include: [{{local: {CI_FILE}}}]",
        )
    click.echo("the rendered pipeline is current")


def _files(folder: Path, *, component: bool) -> Mapping[Path, str]:
    """What is to be in which file: the rendered one, and GitLab's own where there is none.

    Raises:
        StageError: GitLab would not look for them there, or something is in their way.
    """
    project = read_project(folder).config
    _require_top(folder)
    if component:
        return {Path(COMPONENT_FILE): render_component(project, __version__)}
    files = {Path(CI_FILE): render_file(project, __version__)}
    if not _text_of(folder / OWN_FILE):
        files[Path(OWN_FILE)] = own_file()
    return files


def _require_top(folder: Path) -> None:
    try:
        top = Repository.open(folder).root
    except NotFoundError:
        return  # a repository is to be made of it yet
    if top.resolve() != folder.resolve():
        raise StageError(
            f"GitLab reads {OWN_FILE} in {top} only, and junov.yaml is in {folder}",
            remedy="let junov.yaml stand at the top of the repository",
        )


def _text_of(file: Path) -> str:
    """A file's text; empty where it isn't there.

    Raises:
        StageError: something else is there.
    """
    if file.is_symlink() and not file.exists():
        raise StageError(f"{file} is a link to nothing", remedy="remove it")
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (IsADirectoryError, NotADirectoryError):
        raise StageError(
            f"{file} is a folder, or in what is none", remedy="move it out of the way"
        ) from None
    except UnicodeDecodeError:
        raise StageError(f"{file} is not UTF-8 text", remedy="save the file as UTF-8") from None


def _includes_ours(folder: Path) -> bool:
    """Whether GitLab's own file names ours, other than in a comment."""
    lines = _text_of(folder / OWN_FILE).splitlines()
    return any(CI_FILE in line.partition("#")[0] for line in lines)


def _say_how_to_include(folder: Path, *, component: bool) -> None:
    if not component and not _includes_ours(folder):
        click.secho(
            f"warning: {folder / OWN_FILE} does not include it yet; add to it:\n"
            f"include:\n  - local: {CI_FILE}",
            fg="yellow",
            err=True,
        )
