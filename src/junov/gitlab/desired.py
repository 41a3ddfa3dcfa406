"""What a project needs on GitLab, from its `junov.yaml`. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from junov.config.kinds import EnvironmentKind
from junov.config.project import Project
from junov.environments.environment import environments_of
from junov.pipeline import SERVER_BRANCH

Executor = Literal["docker", "shell"]
EXECUTORS: tuple[Executor, ...] = ("docker", "shell")

# https://docs.gitlab.com/api/protected_branches/#valid-access-levels
NO_ONE, DEVELOPER, MAINTAINER = 0, 30, 40

NOTE_VARIABLE = "JUNOV_GITLAB_TOKEN"
"""The variable in which jobs find the token that writes notes."""

LONGEST_TOKEN_DAYS = 365
"""What GitLab allows an access token at most, where its administrator hasn't said otherwise."""

RENEWED_WITHIN_DAYS = 30

_LONGEST_EXPRESSION = 255  # characters, in GitLab's table of cleanup policies
_COMMIT = "commit-[0-9a-f]{40}(-dirty)?"


@dataclass(frozen=True, slots=True)
class Runner:
    """A runner of the project.

    Args:
        begins: what the descriptions of all of the project's runners of this kind begin with.
        host: the machine that it is on.
        executor: what it runs jobs in.
        tag: the one tag that it has.
    """

    begins: str
    host: str
    executor: Executor
    tag: str

    @property
    def description(self) -> str:
        """What it is found by."""
        return f"{self.begins}{self.host}"

    @property
    def access_level(self) -> str:
        """Whose jobs it takes: of protected branches and tags, or all."""
        return "ref_protected" if self.executor == "shell" else "not_protected"


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch, or a pattern with one `*`, that is to be protected.

    Args:
        name: the branch or pattern.
        push: the role that may push; higher ones may as well.
        merge: the role that may merge.
        force_push: whether those who may push may also rewrite it.
    """

    name: str
    push: int
    merge: int
    force_push: bool


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag or pattern that is to be protected, and the role that may make such tags."""

    name: str
    create: int


@dataclass(frozen=True, slots=True)
class NoteToken:
    """The access token by which jobs write notes on merge requests.

    Args:
        name: what it is found by.
        expires: its last day.
        renewed_from: where one that is there expires before this day, it is renewed.
        scopes: the environments whose jobs get it, in GitLab's notation.
    """

    name: str
    expires: date
    renewed_from: date
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cleanup:
    """Which of the project's image tags GitLab removes by itself.

    Args:
        removes: a regular expression of tags, matched as a whole.
        keeps: one of tags that stay whatever the first says.
        older_than: only tags that are older, such as `90d`.
        keep_n: how many of the newest stay.
        cadence: how often it is done.
    """

    removes: str
    keeps: str
    older_than: str = "90d"
    keep_n: int = 10
    cadence: str = "7d"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A pipeline that GitLab starts by itself."""

    description: str
    ref: str
    cron: str


@dataclass(frozen=True, slots=True)
class Desired:
    """All that a project needs on GitLab.

    Args:
        runners: its runners on this machine.
        branches, tags: what is protected.
        note_token: None where no notes are wanted.
        pull_token: the name of the deploy token that this machine pulls images with; None where
            it needs none.
        schedule: the nightly pipeline.
        cleanup: None where the images are not in GitLab's registry.
        secrets: the variables that `junov.yaml` requires, with the environments that need them.
    """

    runners: tuple[Runner, ...]
    branches: tuple[Branch, ...]
    tags: tuple[Tag, ...]
    note_token: NoteToken | None
    pull_token: str | None
    schedule: Schedule
    cleanup: Cleanup | None
    secrets: tuple[tuple[str, str], ...]


def desired_of(
    project: Project,
    *,
    host: str,
    default_branch: str,
    today: date,
    executors: Collection[Executor] = EXECUTORS,
    notes: bool = True,
    token_days: int = LONGEST_TOKEN_DAYS - 1,
    own_registry: bool = True,
) -> Desired:
    """What a project needs.

    Args:
        project: its `junov.yaml`.
        host: the name of this machine.
        default_branch: GitLab's.
        today: the day from which the token's days count.
        executors: the runners that are to be on this machine.
        notes: whether jobs write notes on merge requests.
        token_days: how long the token for that lasts, at most 365 days.
        own_registry: whether the images are in GitLab's registry.
    """
    name, tags = project.project, project.gitlab.runners
    tag_of: dict[Executor, str] = {"docker": tags.docker, "shell": tags.shell}
    kinds = project.environments.items()
    scopes = tuple(_scope(kind_name, kind) for kind_name, kind in kinds if kind.branch)
    pulls = own_registry and "shell" in executors
    return Desired(
        runners=tuple(
            Runner(f"junov {name} {each} on ", host, each, tag_of[each])
            for each in EXECUTORS
            if each in executors
        ),
        branches=tuple(_branches(project)),
        tags=tuple(_tags(project)),
        note_token=NoteToken(
            f"junov {name} merge requests",
            expires=today + timedelta(days=token_days),
            renewed_from=today + timedelta(days=min(RENEWED_WITHIN_DAYS, token_days // 2)),
            scopes=scopes,
        )
        if notes and scopes
        else None,
        pull_token=f"junov {name} pulls on {host}" if pulls else None,
        schedule=Schedule(f"junov {name} nightly", default_branch, "17 3 * * *"),
        cleanup=cleanup_of(project) if own_registry else None,
        secrets=tuple(
            (variable, _scope(kind_name, kind))
            for variable, source in project.secrets.items()
            if source == "required"
            for kind_name, kind in kinds
        ),
    )


def cleanup_of(project: Project) -> Cleanup:
    """The policy that removes debug images of old commits, and nothing that an environment runs.

    No release image is ever removed: after a rollback, an environment runs one that has nothing
    but the tag of its commit.
    """
    kept = ["latest", *(re.escape(env.image_tag) for env in environments_of(project))]
    kept += [project.versions.replace("*", ".*")]
    for name, kind in project.environments.items():
        if kind.is_pattern:
            # A feature's tag is its slug, of which 17 characters are the name's own.
            kept.append(f"{name[:17]}-.*" if kind.branch else kind.pattern.replace("*", ".*"))
    expression = "|".join([_COMMIT, "sha256-.*"])
    for each in dict.fromkeys(kept):
        if len(longer := f"{expression}|{each}") <= _LONGEST_EXPRESSION:
            expression = longer
    return Cleanup(removes=f"{_COMMIT}-debug", keeps=expression)


def _scope(name: str, kind: EnvironmentKind) -> str:
    return f"{name}/*" if kind.is_pattern else name


def _branches(project: Project) -> Iterator[Branch]:
    names = set()
    for kind in project.environments.values():
        if not kind.branch:
            continue
        names.add(kind.branch)
        if kind.tier == "production":
            yield Branch(kind.branch, MAINTAINER, MAINTAINER, force_push=False)
        elif kind.tier == "staging":
            yield Branch(kind.branch, MAINTAINER, DEVELOPER, force_push=False)
        else:
            yield Branch(kind.branch, DEVELOPER, DEVELOPER, force_push=True)
    if SERVER_BRANCH not in names:
        yield Branch(SERVER_BRANCH, MAINTAINER, MAINTAINER, force_push=False)


def _tags(project: Project) -> Iterator[Tag]:
    found = {
        kind.tag: MAINTAINER if kind.tier in ("production", "staging") else DEVELOPER
        for kind in project.environments.values()
        if kind.tag
    }
    found[project.versions] = max(found.get(project.versions, 0), MAINTAINER)
    yield from (Tag(name, role) for name, role in found.items())
