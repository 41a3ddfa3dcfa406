"""The only place in the code that makes a name for something of an environment.

Every name is made from the project's name and the environment's label. Both are lower-case letters,
digits and single dashes, begin with a letter and end without a dash. Joined by `_`, which neither
has, they are one pair's alone. Postgres names have `_` for `-`, so there the two are told apart by
a double `_` wherever the project's own name has one.

A database that takes the place of another one is a new generation of it, with a role of its own:
`notes_stage`, `notes_stage.2`, `notes_stage.3`. Until a database is whole it is called
`notes_stage.making`, and `notes_stage.verify` is a backup that is looked at. Templates are the
project's: `notes.template-0a1b2c3d`. No other name has a dot, and before it stands an underscore
only in an environment's.

Lengths: a project has at most 24 characters, a label at most 28, so no name reaches the 63 that
Postgres and DNS keep of one, and nothing outside ever shortens what we call it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

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
        database: the Postgres database, of one generation.
        role: the Postgres role, which owns that database; both have the same name.
        route: the edge's router and its file, and what its services' names begin with.
        volumes: what the names of its volumes begin with.
        secret_scope: the words that its passwords are derived from.
        folder: its folder of state, relative to the environments' folder.
        lock: its lock's name.
        generation: how many databases the environment had before this one, and one.
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
    generation: int = 1

    def at(self, generation: int) -> Identity:
        """The same environment with its database of another generation."""
        database = generation_name(self.first_database, generation)
        return replace(self, database=database, role=database, generation=generation)

    @property
    def first_database(self) -> str:
        """The database of the first generation, with whose name all others begin."""
        return self.database.partition(".")[0]

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


def generation_name(first: str, generation: int) -> str:
    """The name of the database and the role of a generation.

    Args:
        first: the name of the first one, at most 54 bytes.
        generation: from 1 to 99,999,999, so that Postgres keeps all of the name.
    """
    return first if generation == 1 else f"{first}.{generation}"


def verify_name(first: str) -> str:
    """The name of the database and the role that a backup is looked at in.

    Args:
        first: the name of the environment's first database, at most 54 bytes.
    """
    return f"{first}.verify"


def making_name(database: str) -> str:
    """The name of a database, of an environment or a project, until it is whole.

    Args:
        database: its name when it is, of any generation, or the project's name.
    """
    return f"{database.partition('.')[0]}.making"


def template_name(project: str, digest: str) -> str:
    """The name of a project's template.

    Args:
        project: the project's name.
        digest: what it is made from, as at least 8 hexadecimal digits, of which 8 are shown.
    """
    return f"{project}.template-{digest[:8]}"


def templates_role(project: str) -> str:
    """The role that owns what is in the templates of a project."""
    return f"{project}.templates"


def generation_of(name: str, first: str) -> int | None:
    """Which generation a database or role is of, by its name; None where it is another's."""
    if name == first:
        return 1
    base, _, number = name.partition(".")
    is_later = base == first and re.fullmatch(r"[1-9][0-9]{0,7}", number) and number != "1"
    return int(number) if is_later else None


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
