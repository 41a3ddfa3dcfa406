"""The variables that junov itself gives: to interpolation, and to the project's own services."""

from __future__ import annotations

from junov.environments import Environment

RELEASE_VARIABLE = "JUNOV_RELEASE"


def identity_variables(environment: Environment) -> dict[str, str]:
    """The variables of junov's own that say which environment this is."""
    names = environment.identity
    return {
        "JUNOV_PROJECT": names.project,
        "JUNOV_ENVIRONMENT": names.name,
        "JUNOV_KIND": environment.kind,
        "JUNOV_SLUG": names.slug,
        "JUNOV_HOST": environment.host,
    }


def release_variables(*, commit: str, release: int, url: str) -> dict[str, str]:
    """The variables of junov's own that say what was delivered.

    Args:
        commit: the commit that the image was built from.
        release: the number of the release.
        url: the address under which the environment is reached.
    """
    return {"JUNOV_COMMIT": commit, RELEASE_VARIABLE: str(release), "JUNOV_URL": url}
