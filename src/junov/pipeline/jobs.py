"""Jobs: one command of junov each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from junov.config.kinds import EnvironmentKind
from junov.pipeline.rules import Rule

Runner = Literal["docker", "shell"]
"""Where a job runs: `docker` in a container of its own, `shell` on the server itself."""

REF = "{ref}"
"""Stands in a command for the name of the branch or tag."""


@dataclass(frozen=True, slots=True)
class Needed:
    """An earlier job that has to have ended well, where it is in the pipeline at all.

    Args:
        job: its name.
        optional: whether a pipeline may be without it.
    """

    job: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """The environment that a job is about.

    Args:
        kind_name: its kind in `junov.yaml`.
        kind: what is said there.
        action: what the job does to it, in GitLab's words: `start` deploys it, `stop` is what
            GitLab itself starts when the branch goes, `access` is everything else.
    """

    kind_name: str
    kind: EnvironmentKind
    action: Literal["start", "stop", "access"]


@dataclass(frozen=True, slots=True)
class Job:
    """One job.

    Args:
        name: its name, such as `test` or `deploy:stage`.
        title: what it does, for people.
        stage: the column that it is shown in.
        command: the one command that it is, of junov; `{ref}` in it stands for the branch or tag.
        runner: where it runs.
        rules: when it runs, and how it starts.
        needs: what has to have ended well before.
        target: the environment that it is about, for those that are about one.
        confirm: what a person has to agree to before it starts by hand; empty for nothing.
        blocks: whether the pipeline waits for somebody to start it by hand.
        checkout: whether it needs the files of the commit.
    """

    name: str
    title: str
    stage: str
    command: tuple[str, ...]
    runner: Runner
    rules: tuple[Rule, ...]
    needs: tuple[Needed, ...] = ()
    target: Target | None = None
    confirm: str = ""
    blocks: bool = False
    checkout: bool = True

    def command_for(self, ref: str) -> tuple[str, ...]:
        """The command for a branch or tag of this name."""
        return tuple(word.replace(REF, ref) for word in self.command)
