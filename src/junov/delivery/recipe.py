"""Recipe: what a fresh database of a commit comes from. Two commits of one recipe can share one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from junov.config.project import ProjectFolder
from junov.delivery.revisions import Revision, heads, revisions_of
from junov.errors import Problem, StageError
from junov.stacks.stack import Stack

_LETTERS = 32  # of a SHA-256 in hexadecimal: half of it


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a fresh database comes from.

    Args:
        basis: a digest of all but the migrations; the commit, where what decides isn't known.
        revisions: a digest of each migration with all that it follows, none before those.
        heads: those of them that no other migration follows.
    """

    basis: str
    revisions: tuple[str, ...]
    heads: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """What a release's folder keeps."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Recipe:
        """The recipe that `to_json` made."""
        return cls(data["basis"], tuple(data["revisions"]), tuple(data["heads"]))


def read_recipe(folder: ProjectFolder, stack: Stack, revision: str) -> Recipe:
    """The recipe of a commit; its migrations must be in one order (`refuse_unclear_revisions`).

    Args:
        folder: the project at that commit.
        stack: says which service migrates.
        revision: the commit.

    Raises:
        StageError: what the fixtures are made from isn't there.
    """
    problems = recipe_problems(folder)
    if problems:
        raise StageError(problems[0].message, remedy=problems[0].remedy, place=problems[0].place)
    found = revisions_of(folder, stack.model, stack.migrate) if stack.migrate else []
    database = folder.config.database
    declared = database is None or database.fixtures is None or database.fixtures_from
    if found is None or not declared:
        return Recipe(revision, (), ())
    digests = lineage(found)
    return Recipe(
        _basis(folder), tuple(digests.values()), tuple(digests[each.id] for each in heads(found))
    )


def recipe_problems(folder: ProjectFolder) -> list[Problem]:
    """What `database.fixtures_from` names and isn't there."""
    database = folder.config.database
    return [
        Problem(
            f"`database.fixtures_from` names {path}, which isn't there",
            folder.file.place(("database", "fixtures_from", number)),
            "name files and folders of the repository, seen from junov.yaml",
        )
        for number, path in enumerate(database.fixtures_from if database else ())
        if not (folder.root / path).exists()
    ]


def lineage(revisions: Sequence[Revision]) -> dict[str, str]:
    """A digest of each revision that changes with it or with any that it follows.

    Args:
        revisions: each one follows others of them, and none itself.

    Returns:
        Revision → digest; no revision stands before one that it follows.
    """
    left = sorted(revisions, key=lambda each: each.id)
    digests: dict[str, str] = {}
    while left:
        ready = [each for each in left if digests.keys() >= set(each.follows)]
        for each in ready:
            before = sorted(digests[name] for name in each.follows)
            digests[each.id] = _digest([each.id, each.content, before])
        left = [each for each in left if each.id not in digests]
        if not ready:
            raise ValueError(f"not in one order: {', '.join(each.id for each in left)}")
    return digests


def _basis(folder: ProjectFolder) -> str:
    database = folder.config.database
    command = database.fixtures if database else None
    named = database.fixtures_from if database and command else ()
    files = sorted({file for path in named for file in _files(folder.root / path)})
    contents = [
        [str(file.relative_to(folder.root)), hashlib.sha256(file.read_bytes()).hexdigest()]
        for file in files
    ]
    return _digest([command, contents])


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (each for each in path.rglob("*") if each.is_file())
    else:
        yield path


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:_LETTERS]
