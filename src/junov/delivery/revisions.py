"""The revisions of a project's migrations, read from its files without running any of them.

Alembic gives a revision its place by what it follows (`down_revision`); one that no other follows
is a head (https://alembic.sqlalchemy.org/en/latest/branches.html). Two branches that each add a
revision give two heads once both are merged, and then `alembic upgrade head` refuses to run. What
can't be told from the files alone is left to Alembic.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator, Sequence
from configparser import ConfigParser
from configparser import Error as IniError
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from junov.config.project import ProjectFolder
from junov.errors import Place, Problem, StageError
from junov.stacks.stack import Model, Stack

INI = "alembic.ini"
_SETTINGS = (
    *("script_location", "version_locations", "recursive_version_locations", "prepend_sys_path"),
    *("path_separator", "version_path_separator"),
)
_MERGE = (
    'join them: alembic merge -m "merge" heads, and commit what it writes; or, if there are to be '
    "several, let the migration service run: alembic upgrade heads"
)
_CONFLICT = "two branches have made it: give one of them another id, and let it follow the other"


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision.

    Args:
        id: what its file calls it.
        follows: the revisions before it; none for a first one, several for a merge.
        place: where its file says so.
        content: a digest of its file.
    """

    id: str
    follows: tuple[str, ...]
    place: Place
    content: str = ""


def refuse_unclear_revisions(folder: ProjectFolder, stack: Stack) -> None:
    """Refuse migrations that Alembic could not put in one order, before anything is touched.

    Args:
        folder: the project at the commit that is deployed.
        stack: says which service migrates, and by which command.

    Raises:
        StageError: there are several heads, or a revision is missing, there twice or unreadable.
    """
    problems = revision_problems(folder, stack.model, stack.migrate)
    if problems:
        first, *others = problems
        raise StageError(
            first.message,
            remedy=first.remedy,
            place=first.place,
            detail="\n".join(str(each) for each in others),
        )


def revision_problems(folder: ProjectFolder, model: Model, service: str | None) -> list[Problem]:
    """What keeps the project's migrations from running in one order.

    Args:
        folder: the project.
        model: the resolved model.
        service: the service that migrates; None where the project has none.

    Returns:
        Nothing, too, where it can't be told: without an `alembic.ini` in the project's folder or
        its build's, or where ids are made by code.
    """
    found = _found(folder, model, service)
    if found is None:
        return []
    revisions, unreadable = found
    if unreadable:
        return unreadable
    broken = _broken(revisions)
    return broken or _several(revisions, may_be=_wants_all_heads(model["services"][service]))


def revisions_of(folder: ProjectFolder, model: Model, service: str) -> list[Revision] | None:
    """The revisions of the project's migrations; None where they can't be told. See above."""
    found = _found(folder, model, service)
    return found[0] if found and not found[1] else None


def _found(
    folder: ProjectFolder, model: Model, service: str | None
) -> tuple[list[Revision], list[Problem]] | None:
    if service not in model["services"]:
        return None
    roots = dict.fromkeys((folder.root, folder.root / folder.config.build.context))
    ini = next((root / INI for root in roots if (root / INI).is_file()), None)
    return read_revisions(ini, folder) if ini else None


def heads(revisions: Sequence[Revision]) -> list[Revision]:
    """The revisions that no other one follows, by id."""
    followed = {before for revision in revisions for before in revision.follows}
    return sorted((each for each in revisions if each.id not in followed), key=lambda each: each.id)


def read_revisions(ini: Path, folder: ProjectFolder) -> tuple[list[Revision], list[Problem]] | None:
    """The revisions that an `alembic.ini` leads to, in the order of their files' names.

    Args:
        ini: the file.
        folder: the project; nothing outside of it is read.

    Returns:
        The revisions, and files that are no Python; None where their places or ids are not written
        down in a way that can be read.
    """
    files = _files(ini, folder.root.resolve())
    if files is None:
        return None
    revisions, unreadable = [], []
    for file in files:
        shown = folder.shown(file)
        try:
            content = file.read_bytes()
            revision = _revision(ast.parse(content), shown)
        except (SyntaxError, ValueError) as error:
            line = error.lineno or 0 if isinstance(error, SyntaxError) else 0
            why = error.msg if isinstance(error, SyntaxError) else str(error)
            message = f"this migration can't be read as Python: {why}"
            unreadable.append(Problem(message, Place(shown, line), "mend the file"))
            continue
        if revision is None:
            return None
        revisions.append(replace(revision, content=hashlib.sha256(content).hexdigest()))
    return revisions, unreadable


def _files(ini: Path, inside: Path) -> list[Path] | None:
    """The files of the revisions; None where it isn't known where they are."""
    here = ini.parent.resolve()
    # As Alembic does: `here` may itself have a `%` in it.
    parser = ConfigParser({"here": str(here).replace("%", "%%")})
    try:
        parser.read_string(ini.read_text(encoding="utf-8"))
        # Not all of them: a URL may have signs in it that only the project's code puts in.
        settings = {key: parser.get("alembic", key, fallback="") for key in _SETTINGS}
    except (ValueError, IniError):
        return None
    script = _script_folder(settings, here)
    if script is None:
        return None
    listed = settings["version_locations"].strip()
    named = _split(listed, settings) if listed else [str(script / "versions")]
    if named is None:
        return None
    folders = [(here / name).resolve() for name in named]
    if not all(folder.is_relative_to(inside) and folder.is_dir() for folder in folders):
        return None
    recursive = settings["recursive_version_locations"].strip().lower() in ("true", "1")
    pattern = "**/*.py" if recursive else "*.py"
    found = {
        file
        for folder in folders
        for file in folder.glob(pattern)
        if not file.name.startswith(("__init__", ".#")) and file.is_file()
    }
    return sorted(found) if all(each.resolve().is_relative_to(inside) for each in found) else None


def _script_folder(settings: dict[str, str], here: Path) -> Path | None:
    location = settings["script_location"].strip()
    package, colon, path = location.partition(":")
    if not location:
        return None
    if not colon:
        return here / location
    # `package:path` is inside a package, which is imported from one of these folders.
    for source in (*settings["prepend_sys_path"].split(":"), "src", "."):
        folder = here / source.strip() / package.replace(".", "/")
        if folder.is_dir():
            return folder / path
    return None


def _split(listed: str, settings: dict[str, str]) -> list[str] | None:
    """The folders of a list, by the separator that the file names; None for one nobody knows."""
    word = settings["path_separator"] or settings["version_path_separator"]
    separators = {"": r"[,\s]+", "os": ":", ":": ":", ";": ";", "space": r"\s+", "newline": r"\n"}
    separator = separators.get(word.strip())
    if separator is None:
        return None
    return [name.strip() for name in re.split(separator, listed) if name.strip()]


def _revision(module: ast.Module, shown: Path) -> Revision | None:
    """The revision that a file declares; None where it declares none by a plain value."""
    values: dict[str, tuple[Any, int]] = {}
    for name, value in _assignments(module):
        if name in ("revision", "down_revision"):
            try:
                values[name] = ast.literal_eval(value), value.lineno
            except ValueError:
                return None
    if len(values) < 2:
        return None
    name, line = values["revision"]
    follows = values["down_revision"][0] or ()
    follows = (follows,) if isinstance(follows, str) else tuple(follows)
    if not isinstance(name, str) or not all(isinstance(each, str) for each in follows):
        return None
    return Revision(name, follows, Place(shown, line))


def _assignments(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for statement in module.body:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value:
            targets, value = [statement.target], statement.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name):
                yield target.id, value


def _broken(revisions: Sequence[Revision]) -> list[Problem]:
    """Revisions that are there twice, follow one that isn't there, or go round in a circle."""
    first: dict[str, Revision] = {}
    problems = []
    for revision in revisions:
        if revision.id in first:
            message = f"the revision {revision.id} is also that of {first[revision.id].place.file}"
            problems.append(Problem(message, revision.place, _CONFLICT))
        first.setdefault(revision.id, revision)
    for revision in revisions:
        for missing in (each for each in revision.follows if each not in first):
            message = f"the revision {revision.id} follows {missing}, which is in no file"
            problems.append(
                Problem(message, revision.place, f"commit the migration with revision {missing}")
            )
    if not problems and (rest := _in_circles(first)):
        message = f"no first revision leads to {', '.join(sorted(rest))}: they go round in a circle"
        remedy = "let the `down_revision` of one of them be what came before it"
        problems.append(Problem(message, first[min(rest)].place, remedy))
    return problems


def _in_circles(revisions: dict[str, Revision]) -> set[str]:
    """The revisions that can't be reached from a first one."""
    reached: set[str] = set()
    while True:
        next_ones = {
            name
            for name, revision in revisions.items()
            if name not in reached and reached.issuperset(revision.follows)
        }
        if not next_ones:
            return revisions.keys() - reached
        reached |= next_ones


def _several(revisions: Sequence[Revision], *, may_be: bool) -> list[Problem]:
    found = heads(revisions)
    if len(found) < 2 or may_be:
        return []
    named = " and ".join(f"{each.id} ({each.place.file})" for each in found)
    return [Problem(f"the migrations have {len(found)} heads: {named}", found[0].place, _MERGE)]


def _wants_all_heads(service: Model) -> bool:
    """Whether its command brings a database up to every head, or to that of one branch."""
    said = [service.get("entrypoint") or "", service.get("command") or ""]
    words = " ".join(" ".join(each) if isinstance(each, list) else str(each) for each in said)
    return re.search(r"\bheads\b|@head\b", words) is not None
