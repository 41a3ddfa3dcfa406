"""From a branch or a tag to the environment that is for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from junov.config.kinds import EnvironmentKind, Tier
from junov.config.overlap import matched_part
from junov.config.project import Project
from junov.environments.identity import Identity, branch_image_tag, identify
from junov.errors import NotFoundError

RefType = Literal["branch", "tag"]


@dataclass(frozen=True, slots=True)
class Ref:
    """A branch or a tag of the project's repository.

    Args:
        type: which of the two.
        name: its name without `refs/heads/` or `refs/tags/`.
    """

    type: RefType
    name: str

    def __str__(self) -> str:
        return f"{self.type} {self.name}"


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment of a project.

    Args:
        identity: its names.
        kind: the kind in `junov.yaml` that it is of.
        tier: how much it is protected.
        ref: the branch or tag that it is for.
        host: its host name.
        image_tag: the tag that its image is promoted to.
        expires: seconds without a deploy after which it may be removed; None for never.
    """

    identity: Identity
    kind: str
    tier: Tier
    ref: Ref
    host: str
    image_tag: str
    expires: int | None

    @property
    def name(self) -> str:
        """Its name, such as `prod` or `feature/search`."""
        return self.identity.name

    @property
    def project(self) -> str:
        """The name of its project."""
        return self.identity.project

    @property
    def is_production(self) -> bool:
        """Whether destructive commands need its name typed again."""
        return self.tier == "production"


def claim(project: Project, ref: Ref) -> Environment | None:
    """The environment that is for a ref, or None where the ref has none."""
    for kind_name, kind in project.environments.items():
        pattern = kind.branch if ref.type == "branch" else kind.tag
        part = matched_part(pattern, ref.name) if pattern else None
        if part is not None:
            name = f"{kind_name}/{part}" if kind.is_pattern else kind_name
            return _make(project, kind_name, kind, name, ref)
    return None


def environment_named(project: Project, name: str) -> Environment:
    """The environment of that name, whether or not it has ever been deployed.

    Raises:
        NotFoundError: no kind of the project has environments of that name.
    """
    kind_name, slash, part = name.partition("/")
    kind = project.environments.get(kind_name)
    if kind and kind.is_pattern == bool(slash) and (part or not slash):
        ref_name = kind.pattern.replace("*", part) if slash else kind.pattern
        ref = Ref("branch" if kind.branch else "tag", ref_name)
        return _make(project, kind_name, kind, name, ref)
    shapes = ", ".join(
        f"{key}/…" if k.is_pattern else key for key, k in project.environments.items()
    )
    raise NotFoundError(
        f"the project {project.project} has no environment {name}",
        remedy=f"its environments are: {shapes}",
    )


def environments_of(project: Project) -> Iterator[Environment]:
    """The environments that a project always has: one for each kind that is no pattern."""
    for name, kind in project.environments.items():
        if not kind.is_pattern:
            ref = Ref("branch" if kind.branch else "tag", kind.pattern)
            yield _make(project, name, kind, name, ref)


def sample_of(project: Project, kind_name: str) -> Environment:
    """An environment of a kind, to check what can be checked before a branch exists."""
    kind = project.environments[kind_name]
    name = f"{kind_name}/example" if kind.is_pattern else kind_name
    return environment_named(project, name)


def _make(
    project: Project, kind_name: str, kind: EnvironmentKind, name: str, ref: Ref
) -> Environment:
    identity = identify(project.project, name)
    return Environment(
        identity=identity,
        kind=kind_name,
        tier=kind.tier,
        ref=ref,
        host=kind.host.replace("{slug}", identity.slug),
        image_tag=_image_tag(kind, ref, identity),
        expires=kind.expires,
    )


def _image_tag(kind: EnvironmentKind, ref: Ref, identity: Identity) -> str:
    """`main`, `dev`, a feature's slug, or the git tag (see "Docker Registry" in the seed)."""
    if ref.type == "branch" and kind.is_pattern:
        return identity.label
    return branch_image_tag(ref.name)
