"""What is in a folder, as far as it says how the project is built and run."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_LARGEST = 200_000  # bytes; what says how a project is run is written by hand
_MOST_FILES = 4_000
_SKIPPED = re.compile(
    r"\.(?!junov$)|(?:node_modules|__pycache__|venv|site-packages|vendor|target)$"
)
_PROGRAMS = (".py", ".js", ".mjs", ".cjs", ".ts", ".go", ".rb")
_READ = re.compile(
    r"""(?x)
    .*\.(?: py | js | mjs | cjs | ts | go | rb )
    | (?: .*[.-] )? (?: Dockerfile | dockerfile ) (?: \..* )?
    | (?: docker- )? compose .* \.ya?ml
    | (?: .*[.-] )? requirements .* \.(?: txt | in )
    | pyproject\.toml | Pipfile | uv\.lock | package\.json | junov\.yaml
    | .*\.env | \.env
    """
)


@dataclass(frozen=True, slots=True)
class Facts:
    """A folder as `plan` sees it.

    Args:
        name: the folder's name.
        files: the files in it, by their path from the folder with `/`. Of those that say how the
            project is built and run it has the text, of the others an empty one.
        branches: the repository's branches, the current one first; empty where it has none yet.
        closed: folders in which no files of the project can be kept, because git ignores them or
            because they are virtual environments.
    """

    name: str
    files: Mapping[str, str] = field(default_factory=dict)
    branches: tuple[str, ...] = ()
    closed: frozenset[str] = frozenset()

    def first(self, *paths: str) -> str | None:
        """The first of these files that is there."""
        return next((path for path in paths if path in self.files), None)

    def text(self, path: str) -> str:
        """A file's text; empty where it isn't there."""
        return self.files.get(posixpath.normpath(path), "")

    def sources(self) -> Iterator[tuple[str, str]]:
        """The programs in the folder, tests left out, those nearest to the top first."""
        for path in sorted(self.files, key=lambda path: (path.count("/"), path)):
            if path.endswith(_PROGRAMS) and not is_test(path):
                yield path, self.files[path]


def is_test(path: str) -> bool:
    """Whether a program is part of the tests, by its name."""
    *folders, name = path.split("/")
    if {"tests", "test", "__tests__", "spec"} & set(folders):
        return True
    return bool(re.match(r"test_.*\.py$|.*_test\.(py|go)$|.*\.(test|spec)\.\w+$|conftest", name))


def read_folder(
    root: Path, *, branches: tuple[str, ...] = (), ignored: frozenset[str] = frozenset()
) -> Facts:
    """Look at a folder.

    Args:
        root: the folder.
        branches: the repository's branches, the current one first.
        ignored: folders in it that git ignores.
    """
    files: dict[str, str] = {}
    closed = set(ignored)
    for folder, subfolders, names in os.walk(root):
        here = Path(folder)
        inside = here.relative_to(root)
        for name in list(subfolders):
            if (here / name / "pyvenv.cfg").exists():
                closed.add((inside / name).as_posix())
                subfolders.remove(name)
            elif _SKIPPED.match(name):
                subfolders.remove(name)
        subfolders.sort()
        for name in sorted(names):
            path = (inside / name).as_posix()
            files[path] = _text(here / name) if _READ.fullmatch(name) else ""
        if len(files) > _MOST_FILES:
            break
    return Facts(root.resolve().name, files, branches, frozenset(closed))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
