"""The only place in the code that makes a name for something of an environment.

Every name is made from the project's name and the environment's label. Both are lower-case letters,
digits and single dashes, begin with a letter and end without a dash. Joined by `_`, which neither
has, they are one pair's alone. Postgres names have `_` for `-`, so there the two are told apart by
a double `_` wherever the project's own name has one.

Lengths: a project has at most 24 characters, a label at most 28, so no name reaches the 63 that
Postgres and DNS keep of one, and nothing outside ever shortens what we call it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from junov.environments.slug import label, slug


@dataclass(frozen=True, slots=True)
class Identity:
    """Every name that belongs to one environment.

    Args:
        project: the project's name.
        name: the environment's name, such as `prod` or `feature/search`.
        slug: GitLab's slug of the name.
        label: the slug with a longer hash.
        stack: the Compose project; containers are `<stack>-<service>-1`.
        network: the private network.
        database: the Postgres database.
        role: the Postgres role, which owns the database.
        route: the edge's router and its file, and what its services' names begin with.
        volumes: what the names of its volumes begin with.
        secret_scope: the words that its passwords are derived from.
        folder: its folder of state, relative to the environments' folder.
        lock: its lock's name.
    """

    project: str
    name: str
    slug: str
    label: str
    stack: str
    network: str
    database: str
    role: str
    route: str
    volumes: str
    secret_scope: tuple[str, str]
    folder: str
    lock: str

    def volume(self, name: str) -> str:
        """The engine's name for a volume that the compose file calls `name`."""
        return f"{self.volumes}{name}"


def identify(project: str, name: str) -> Identity:
    """The identity of an environment.

    Args:
        project: the project's name, valid as `config.fields.Name`.
        name: the environment's name.
    """
    tag = label(name)
    joined = f"{project}_{tag}"
    database = _postgres_name(project, tag)
    return Identity(
        project=project,
        name=name,
        slug=slug(name),
        label=tag,
        stack=joined,
        network=joined,
        database=database,
        role=database,
        route=joined,
        volumes=f"{joined}_",
        secret_scope=(project, name),
        folder=joined,
        lock=joined,
    )


def test_stack(project: str, commit: str, run: str) -> str:
    """The Compose project of one throw-away test run.

    Args:
        project: the project's name.
        commit: the commit under test.
        run: a few random characters that tell this run from another of the same commit.
    """
    return f"{project}_test_{commit[:12]}_{run}"


test_stack.__test__ = False  # type: ignore[attr-defined]  # no test of pytest's


def branch_image_tag(branch: str) -> str:
    """The image tag of a branch that an environment names outright: `main`, `dev`."""
    return branch if _TAG.fullmatch(branch) else slug(branch)


def commit_image_tag(revision: str, *, debug: bool = False) -> str:
    """The tag under which a build is pushed, before it is promoted."""
    return f"commit-{revision}-debug" if debug else f"commit-{revision}"


_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


def _postgres_name(project: str, tag: str) -> str:
    separator = "__" if "-" in project else "_"
    return f"{project}{separator}{tag}".replace("-", "_")
