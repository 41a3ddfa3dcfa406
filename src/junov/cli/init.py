"""Write the files that a repository lacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from junov.cli import options
from junov.errors import JunovError, StageError

if TYPE_CHECKING:
    from junov.scaffold import Plan, PlannedFile


@click.command()
@click.option("--project", "name", metavar="NAME", help="The project's name; else the folder's.")
@click.option(
    "--domain",
    metavar="DOMAIN",
    default="localhost",
    show_default=True,
    help="The domain that points to the server; hosts become PROJECT.DOMAIN and so on.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@options.as_json
def init(name: str | None, domain: str, dry_run: bool, as_json: bool) -> None:
    """Write the files that this repository lacks to be delivered by junov.

    What is there is read, never changed: an existing compose file says which service is the web
    application, which the database and which migrates it; an existing Dockerfile, which targets it
    has. What cannot be read from the files is listed, to be done by hand.
    """
    from junov.config.project import FILE_NAME, nearby, read_project
    from junov.scaffold import plan, read_folder

    _check(name, domain)
    root = Path.cwd()
    repository, branches = _repository(root)
    ignored = _ignored(root) if repository else frozenset()
    facts = read_folder(root, branches=branches, ignored=ignored)
    existing = None
    if FILE_NAME in facts.files:
        existing = read_project(root, named=nearby(root)).config
    planned = plan(facts, name=name, domain=domain, existing=existing)
    written = [file for file in planned.files if file.text is not None]
    if not dry_run:
        written = [file for file in written if _write(root, file)]
    paths = {file.path for file in written}
    following = _next(sorted(paths), repository=repository is not None)
    if as_json:
        click.echo(
            json.dumps(_data(planned, paths, root, repository, following, dry_run), indent=2)
        )
        return
    _show(planned, paths, repository, root, dry_run=dry_run)
    for line in ["", "next", *(f"  {command}" for command in following)]:
        click.echo(line)


def _check(name: str | None, domain: str) -> None:
    from pydantic import TypeAdapter, ValidationError

    from junov.config.fields import Host, Name

    for option, kind, value in (("--project", Name, name), ("--domain", Host, domain)):
        try:
            if value is not None:
                TypeAdapter(kind).validate_python(value)
        except ValidationError as error:
            why = error.errors()[0].get("ctx", {}).get("error")
            raise click.BadParameter(str(why), param_hint=option) from None


def _repository(root: Path) -> tuple[Path | None, tuple[str, ...]]:
    """The repository that a folder is in, and its branches, the current one first."""
    from junov.git.repository import Repository, git_argv
    from junov.process import run

    try:
        top = Repository.open(root).root
    except JunovError:
        return None, ()
    head = run(git_argv(root, "symbolic-ref", "--short", "HEAD")).stdout.split()
    refs = run(
        git_argv(root, "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads", "refs/remotes")
    ).stdout.split()
    names = [*head, *(ref.removeprefix("origin/") for ref in refs)]
    return top, tuple(dict.fromkeys(names))


def _ignored(root: Path) -> frozenset[str]:
    """Which of the folders for env files git ignores."""
    from junov.git.repository import git_argv
    from junov.process import run

    paths = [f"{folder}/base.env" for folder in ("env", "envs", "deploy/env")]
    found = run(git_argv(root, "check-ignore", *paths)).stdout.split()
    return frozenset(path.removesuffix("/base.env") for path in found)


def _write(root: Path, file: PlannedFile) -> bool:
    """Write a file that isn't there; False where it is there by now."""
    path = root / file.path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as out:
            out.write(file.text or "")
    except FileExistsError:
        return False
    except OSError as error:
        raise StageError(
            f"{file.path} could not be written: {error.strerror}",
            remedy="what was written before it stays; mend the cause and run junov init again",
        ) from None
    return True


def _next(written: list[str], *, repository: bool) -> list[str]:
    from junov.process import show

    tops = sorted({path.split("/")[0] if path.count("/") else path for path in written})
    commands = ["junov check"]
    if written:
        commands += [] if repository else ["git init"]
        commands += [show(["git", "add", *tops]), "git commit"]
    return [*commands, "junov run"]


def _show(
    planned: Plan, written: set[str], repository: Path | None, root: Path, *, dry_run: bool
) -> None:
    project = planned.project
    web = f"the service {project.web.service} on port {project.web.port}"
    parts = [planned.kind, f"{web} (assumed)" if planned.is_new else web]
    parts += [f"the database {project.database.service}"] if project.database else []
    parts += [f"migrations by {project.migrate.service}"] if project.migrate else []
    click.echo(f"{project.project}: {', '.join(part for part in parts if part)}")
    if planned.is_new:
        click.echo("There is no application here yet: these files are the frame of a new one.")
    if repository is None:
        click.echo(
            "This folder is no git repository yet, and junov delivers commits of one: git init"
        )
    elif repository.resolve() != root.resolve():
        click.echo(f"This folder is inside the repository {repository}.")
    click.echo("")
    for file in planned.files:
        if file.path in written:
            click.secho(f"  {'would write' if dry_run else 'written':12}{file.path}", fg="green")
        else:
            click.echo(f"  {'kept':12}{file.path}")
    if planned.left:
        click.echo("\nleft to do by hand")
        for sentence in planned.left:
            click.echo(f"  - {sentence}")
    if dry_run:
        for file in planned.files:
            if file.text is not None and not file.path.endswith(".json"):
                click.secho(f"\n==> {file.path} <==", bold=True)
                click.echo(file.text, nl=False)


def _data(
    planned: Plan,
    written: set[str],
    root: Path,
    repository: Path | None,
    following: list[str],
    dry_run: bool,
) -> dict[str, Any]:
    def outcome(path: str) -> str:
        return "kept" if path not in written else "would write" if dry_run else "written"

    return {
        "project": planned.project.project,
        "kind": planned.kind,
        "folder": str(root),
        "repository": str(repository) if repository else None,
        "files": [
            {
                "path": file.path,
                "outcome": outcome(file.path),
                **({"text": file.text} if dry_run and file.text is not None else {}),
            }
            for file in planned.files
        ],
        "left": list(planned.left),
        "next": following,
    }
