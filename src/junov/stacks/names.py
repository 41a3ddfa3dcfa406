"""What this package asks of an environment: its names. `environments` is what answers."""

from __future__ import annotations

from typing import Protocol


class Names(Protocol):
    """The names of an environment (see `environments.Identity`)."""

    @property
    def project(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def slug(self) -> str: ...
    @property
    def stack(self) -> str: ...
    @property
    def network(self) -> str: ...
    @property
    def database(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def route(self) -> str: ...
    def volume(self, name: str, /) -> str: ...


class Target(Protocol):
    """The environment that a stack is for (see `environments.Environment`)."""

    @property
    def identity(self) -> Names: ...
    @property
    def kind(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def is_production(self) -> bool: ...


def identity_variables(target: Target) -> dict[str, str]:
    """The variables of junov's own that say which environment this is."""
    names = target.identity
    return {
        "JUNOV_PROJECT": names.project,
        "JUNOV_ENVIRONMENT": names.name,
        "JUNOV_KIND": target.kind,
        "JUNOV_SLUG": names.slug,
        "JUNOV_HOST": target.host,
    }


def release_variables(*, commit: str, release: int, url: str) -> dict[str, str]:
    """The variables of junov's own that say what was delivered.

    Args:
        commit: the commit that the image was built from.
        release: the number of the release.
        url: the address under which the environment is reached.
    """
    return {"JUNOV_COMMIT": commit, "JUNOV_RELEASE": str(release), "JUNOV_URL": url}
