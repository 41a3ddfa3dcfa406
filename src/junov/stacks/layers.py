"""Which compose files and env files make a stack, and in which order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from junov.config.project import Project, ProjectFolder
from junov.environments import Environment
from junov.errors import ConfigError, Problem
from junov.secret import Secret
from junov.stacks.documents import Documents, read_documents
from junov.stacks.envfile import EnvFile, read_env_file, values_of
from junov.stacks.variables import identity_variables

Variables = Mapping[str, str | Secret]

_USUAL_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")


@dataclass(frozen=True)
class Layers:
    """What Compose reads to make one stack.

    Args:
        project_dir: the project's folder, absolute.
        shown_dir: the same folder as messages name it.
        files: the compose files; each wins over the ones before it.
        env_files: the env files, likewise. Compose interpolates with them, and every service with
            `build:` gets their variables.
        overlay: the compose document, given on standard input, that adds the env files to these
            services; empty if there is nothing to add.
        variables: what interpolation sees besides the env files, and before them.
        documents: the compose files as nodes.
        own: the services that run the project's own image.
    """

    project_dir: Path
    shown_dir: Path
    files: tuple[Path, ...]
    env_files: tuple[Path, ...]
    overlay: str
    variables: Variables = field(repr=False)
    documents: Documents = field(repr=False)
    own: frozenset[str]

    def shown(self, path: Path) -> Path:
        """A file as messages name it."""
        try:
            return self.shown_dir / path.relative_to(self.project_dir)
        except ValueError:
            return path

    @cached_property
    def read_env_files(self) -> tuple[EnvFile, ...]:
        """The env files with their positions."""
        return tuple(read_env_file(path, self.shown(path)) for path in self.env_files)

    @cached_property
    def values(self) -> Mapping[str, str]:
        """Everything that interpolation sees; secrets among it, so never to be printed."""
        return values_of(self.read_env_files, revealed(self.variables))


def layers_for_deploy(
    folder: ProjectFolder, target: Environment, variables: Variables | None = None
) -> Layers:
    """The layers of a deployed environment.

    Args:
        folder: the project.
        target: the environment.
        variables: what else interpolation may see: the release's variables, the database's, the
            secrets. `stand_ins` gives them for a check.

    Raises:
        ConfigError: the base file is not there, or a file is not valid.
    """
    config = folder.config.compose
    known: dict[str, str | Secret] = {**identity_variables(target), **(variables or {})}
    return _layers(folder, [config.base, config.deploy], ["base", target.kind], known)


def layers_for_test(folder: ProjectFolder, variables: Variables | None = None) -> Layers:
    """The layers of a test run.

    Args:
        folder: the project.
        variables: what interpolation may see besides the env files.

    Raises:
        ConfigError: the base file is not there, or a file is not valid.
    """
    config = folder.config.compose
    known: dict[str, str | Secret] = {
        "JUNOV_PROJECT": folder.config.project,
        "JUNOV_ENVIRONMENT": "test",
        "JUNOV_KIND": "test",
        **(variables or {}),
    }
    return _layers(folder, [config.base, config.test], ["base", "test"], known)


def stand_ins(project: Project) -> dict[str, Secret]:
    """Values for what is known only when an environment is deployed, to check a project before.

    Returns:
        A value for each secret and each of the database's variables, the same every time, which
        looks like no placeholder.
    """
    names = [*project.secrets, *(project.database.variables if project.database else ())]
    return {name: Secret(hashlib.sha256(f"stand-in {name}".encode()).hexdigest()) for name in names}


def revealed(variables: Variables) -> dict[str, str]:
    """The variables as plain text, for the one that reads them."""
    return {
        name: value.reveal() if isinstance(value, Secret) else value
        for name, value in variables.items()
    }


def _layers(
    folder: ProjectFolder, names: Iterable[str], kinds: Iterable[str], variables: Variables
) -> Layers:
    root = folder.root.resolve()
    shown_dir = folder.file.path.parent
    base, *others = [root / name for name in names]
    if not base.is_file():
        raise _no_base(folder, root)
    files = (base, *(path for path in others if path.is_file()))
    env_files = tuple(
        path
        for kind in kinds
        if (path := root / folder.config.compose.env / f"{kind}.env").is_file()
    )

    def shown(path: Path) -> Path:
        return shown_dir / path.relative_to(root) if path.is_relative_to(root) else path

    documents = read_documents(files, root, shown)
    own = frozenset(name for name in documents.services() if documents.builds(name))
    overlay = _overlay(own, env_files)
    return Layers(root, shown_dir, files, env_files, overlay, variables, documents, own)


def _overlay(services: Iterable[str], env_files: Iterable[Path]) -> str:
    """A compose document, as JSON, that adds the env files to the services."""
    paths = [str(path).replace("$", "$$") for path in env_files]
    added = {name: {"env_file": paths} for name in sorted(services)}
    return json.dumps({"services": added}) if added and paths else ""


def _no_base(folder: ProjectFolder, root: Path) -> ConfigError:
    name = folder.config.compose.base
    there = next((usual for usual in _USUAL_NAMES if (root / usual).is_file()), None)
    remedy = (
        f"name the file that is there: compose: {{base: {there}}}"
        if there
        else "name your compose file under `compose.base` in junov.yaml, or make one with: "
        "junov init"
    )
    place = folder.file.place(("compose", "base"))
    return ConfigError([Problem(f"there is no compose file {name}", place, remedy)])
