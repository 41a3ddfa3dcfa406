"""What the rules may look at."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from junov.config.project import Project, ProjectFolder
from junov.config.yamlfile import Loc
from junov.environments import Environment
from junov.stacks.layers import Layers
from junov.stacks.prune import without_services
from junov.stacks.sources import Sources
from junov.stacks.stack import Model

Service = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Foreign:
    """The names of another environment, which nothing of this one may carry.

    Args:
        label: how messages call it, such as `notes/prod`.
        host: its host name.
        database, role, network, stack: its names there.
        subnet: the addresses of its network in CIDR notation, if it is up.
    """

    label: str
    host: str
    database: str
    role: str
    network: str
    stack: str
    subnet: str | None = None

    @classmethod
    def of(cls, target: Environment, subnet: str | None = None) -> Foreign:
        """The names of an environment."""
        names = target.identity
        return cls(
            label=f"{names.project}/{names.name}",
            host=target.host,
            database=names.database,
            role=names.role,
            network=names.network,
            stack=names.stack,
            subnet=subnet,
        )


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the registry says about the image that is about to be deployed.

    Args:
        digest: the digest that would run.
        promoted: the digest that the environment's tag stands for.
        commit: the commit that was asked for.
        revision: the commit that the image says it was built from, or None.
        tested: whether the registry holds the record of a passed test run for it.
    """

    digest: str
    promoted: str
    commit: str
    revision: str | None
    tested: bool


@dataclass(frozen=True)
class Context:
    """What the guard reads.

    Args:
        model: the resolved model.
        layers: what it was made of.
        folder: the project, whose `allow` holds the waivers.
        target: the environment that the stack is for; None for a test run.
        others: every other environment of the server, of any project.
        image: what is known of the image; None where no image is in question yet.
        pool: the server's pool of addresses in CIDR notation, if it is known.
    """

    model: Model = field(repr=False)
    layers: Layers
    folder: ProjectFolder
    target: Environment | None = None
    others: Sequence[Foreign] = ()
    image: ImageFacts | None = None
    pool: str | None = None

    @property
    def profile(self) -> Literal["deploy", "test"]:
        """What the stack is for."""
        return "deploy" if self.target else "test"

    @property
    def project(self) -> Project:
        """The project's configuration."""
        return self.folder.config

    @cached_property
    def sources(self) -> Sources:
        """Where everything was written."""
        return Sources(self.layers, self.model)

    @property
    def dockerfile_path(self) -> Path:
        """The project's Dockerfile."""
        build = self.project.build
        return self.layers.project_dir / build.context / build.dockerfile

    @cached_property
    def dockerfile(self) -> str | None:
        """What it holds; None where there is none that can be read."""
        path = self.dockerfile_path
        try:
            return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
        except OSError:
            return None

    @cached_property
    def stack(self) -> Model:
        """The part of the model that will run: a deployed stack has no database of its own."""
        database = self.project.database
        if self.target and database:
            return without_services(self.model, [database.service])
        return self.model

    @property
    def services(self) -> Mapping[str, Service]:
        """The services that will run."""
        services: Mapping[str, Service] = self.stack.get("services", {})
        return services

    @property
    def own(self) -> Collection[str]:
        """The services that run the project's own image."""
        return [name for name in self.services if name in self.layers.own]

    def is_given(self, service: str, variable: str) -> bool:
        """Whether junov sets this variable of this service itself, whatever the files say."""
        return service in self.layers.own and variable in self.layers.variables

    def variables(self) -> Iterator[tuple[Loc, str, str | None]]:
        """The variables of all services: place, name and value (None: passed through, unset)."""
        for service, data in self.services.items():
            for name, value in (data.get("environment") or {}).items():
                yield ("services", service, "environment", name), name, value

    def texts(self) -> Iterator[tuple[Loc, str, bool]]:
        """Every text that will reach a container or the engine.

        Yields:
            The place, the text, and whether it is a key. Paths below the project's folder are
            given relative to it: where the checkout lies says nothing about the stack.
        """
        for service, data in self.services.items():
            skipped = {"build", "depends_on", "image" if service in self.layers.own else "build"}
            rest = {key: value for key, value in data.items() if key not in skipped}
            yield from self._texts(("services", service), rest)
        for section in ("networks", "volumes", "configs", "secrets"):
            for name, data in self.stack.get(section, {}).items():
                yield from self._texts((section, name), data or {})

    def _texts(self, loc: Loc, value: object) -> Iterator[tuple[Loc, str, bool]]:
        if isinstance(value, str):
            yield loc, value.replace(str(self.layers.project_dir), "."), False
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                yield (*loc, key), str(key), True
                yield from self._texts((*loc, key), inner)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                yield from self._texts((*loc, index), inner)
