"""What is delivered: one release of one environment, and the folder that keeps it.

A release's folder holds all that it takes to deliver it again, so a rollback needs no checkout and
a repair needs nobody who remembers: the stack that the engine was handed, the project's
`junov.yaml`, and a few facts beside them. It holds secrets, so only its owner can read it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any

from junov.config.home import write_private
from junov.config.project import FILE_NAME, Project, Web, read_project
from junov.delivery.recipe import Recipe
from junov.environments import Environment, Ref, identify
from junov.environments.identity import Identity
from junov.errors import JunovError, NotFoundError, StageError
from junov.secret import Secret
from junov.site import Site
from junov.stacks.assemble import parse, render
from junov.stacks.on_database import on_database
from junov.stacks.side_by_side import renumbered
from junov.stacks.stack import Stack

STACK_FILE = "stack.yaml"
_FACTS_FILE = "release.json"
_FORMAT = 1


@dataclass(frozen=True)
class Delivered:
    """One release of one environment, and how its project wants it delivered.

    Args:
        environment: where it goes.
        project: the project's settings at its commit.
        stack: what the guard has passed.
        release: its number.
        folder: the release's folder.
        recipe: what a fresh database of it comes from; None in releases of earlier versions.
    """

    environment: Environment
    project: Project
    stack: Stack
    release: int
    folder: Path
    recipe: Recipe | None = None

    @property
    def file(self) -> Path:
        """The stack as the engine is handed it."""
        return self.folder / STACK_FILE

    @property
    def web(self) -> Web:
        """How its web is reached, in this kind of environment."""
        return self.project.web_in(self.environment.kind)

    def again(self, site: Site, number: int) -> Delivered:
        """The same once more, as a release of another number."""
        return replace(
            self,
            stack=renumbered(self.stack, self.release, number),
            release=number,
            folder=release_folder(site, self.environment.identity, number),
        )

    def on(self, generation: int) -> Delivered:
        """The same, for a database of another generation; its file is still the old one."""
        old = self.environment.identity
        new = old.at(generation)
        return replace(
            self,
            environment=replace(self.environment, identity=new),
            stack=on_database(self.stack, old.database, new.database),
        )


def releases_folder(site: Site, identity: Identity) -> Path:
    """The folder with an environment's releases."""
    return site.home.environments_folder / identity.folder / "releases"


def release_folder(site: Site, identity: Identity, number: int) -> Path:
    """The folder of one release."""
    return releases_folder(site, identity) / str(number)


def write_release(delivered: Delivered, junov_yaml: str) -> None:
    """Write a release's folder; the facts last, so a folder that has them is whole.

    Args:
        delivered: the release.
        junov_yaml: the text of its project's `junov.yaml`.
    """
    write_private(delivered.folder / FILE_NAME, junov_yaml)
    write_private(delivered.file, render(delivered.stack))
    write_private(delivered.folder / _FACTS_FILE, json.dumps(_facts(delivered), indent=2))


def junov_yaml_of(delivered: Delivered) -> str:
    """The text of a recorded release's `junov.yaml`."""
    return (delivered.folder / FILE_NAME).read_text(encoding="utf-8")


def read_release(site: Site, identity: Identity, number: int) -> Delivered:
    """A release as its folder has it.

    Raises:
        NotFoundError: it was pruned, or its run was killed before it was written.
        StageError: it was written by another version of junov, or is damaged.
    """
    folder = release_folder(site, identity, number)
    if not (folder / _FACTS_FILE).is_file():
        raise NotFoundError(
            f"release {number} of {identity.name} is not kept on this server any more",
            remedy=f"see those that are with: junov releases {quote(identity.name)}; or deploy its "
            "commit",
        )
    try:
        facts = json.loads((folder / _FACTS_FILE).read_text(encoding="utf-8"))
        if facts["format"] != _FORMAT:
            raise ValueError(f"its format is {facts['format']}")
        return Delivered(
            environment=_environment(facts["environment"]),
            project=read_project(folder).config,
            stack=_stack(facts["stack"], (folder / STACK_FILE).read_text(encoding="utf-8")),
            release=number,
            folder=folder,
            recipe=Recipe.from_json(facts["recipe"]) if facts.get("recipe") else None,
        )
    except (OSError, ValueError, KeyError, TypeError, JunovError) as error:
        why = error.message if isinstance(error, JunovError) else str(error)
        raise StageError(
            f"the record of release {number} of {identity.name} can't be used: {why}",
            remedy="deploy its commit instead",
        ) from None


def find_release(site: Site, identity: Identity, number: int) -> Delivered | None:
    """A release as its folder has it; None where it can't be read, whatever the reason."""
    try:
        return read_release(site, identity, number)
    except JunovError:
        return None


def _facts(delivered: Delivered) -> dict[str, Any]:
    environment, stack = delivered.environment, delivered.stack
    return {
        "format": _FORMAT,
        "recipe": delivered.recipe.to_json() if delivered.recipe else None,
        "environment": {
            "project": environment.project,
            "name": environment.name,
            "ref": asdict(environment.ref),
            "generation": environment.identity.generation,
            **{key: getattr(environment, key) for key in _PLAIN},
        },
        "stack": {
            "image": stack.image,
            "web": stack.web,
            "migrate": stack.migrate,
            "background": stack.background,
            "supporting": stack.supporting,
            "secrets": sorted(secret.reveal() for secret in stack.secrets),
        },
    }


_PLAIN = ("kind", "tier", "host", "image_tag", "expires")


def _environment(facts: Mapping[str, Any]) -> Environment:
    return Environment(
        # Releases of earlier versions of junov have the first, and don't say so.
        identity=identify(facts["project"], facts["name"]).at(facts.get("generation", 1)),
        ref=Ref(**facts["ref"]),
        **{key: facts[key] for key in _PLAIN},
    )


def _stack(facts: Mapping[str, Any], text: str) -> Stack:
    model = parse(text)
    return Stack(
        name=model["name"],
        model=model,
        image=facts["image"],
        web=facts["web"],
        migrate=facts["migrate"],
        background=tuple(facts["background"]),
        supporting=tuple(facts["supporting"]),
        secrets=frozenset(map(Secret, facts["secrets"])),
    )
