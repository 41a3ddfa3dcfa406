"""The one model of a project's pipeline, from its `junov.yaml`.

Each event and ref has at most one pipeline. A branch with an open merge request has the merge
request's, so that nothing runs twice; a branch that always has an environment, such as `main`, has
its own all the same, since a merge request from it mustn't keep it from being deployed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from junov.config.kinds import EnvironmentKind
from junov.config.project import Project
from junov.environments import Ref
from junov.pipeline.events import BY_HAND, Event
from junov.pipeline.jobs import REF, Job, Needed, Runner, Target
from junov.pipeline.rules import (
    OnBranch,
    OnEvent,
    OnMergeRequest,
    OnOwnMergeRequest,
    OnTag,
    Rule,
    Start,
    start_under,
)

STAGES = ("check", "build", "test", "promote", "deploy", "operate", "server")
"""The columns in which jobs are shown. What waits for what is said by `needs`."""

SERVER_BRANCH = "cicd"
"""The branch whose pipeline is about the server: its jobs are run once, when it is set up."""

_SCHEDULE_NEVER = Rule(OnEvent("schedule"), "never")


@dataclass(frozen=True, slots=True)
class Pipeline:
    """All the jobs of a project.

    Args:
        workflow: which events have a pipeline at all.
        jobs: the jobs; each stands after those that it needs.
    """

    workflow: tuple[Rule, ...]
    jobs: tuple[Job, ...]

    def selected(self, event: Event) -> tuple[tuple[Job, Start], ...]:
        """The jobs that an event's pipeline has, each with how it starts; none for no pipeline."""
        if start_under(self.workflow, event) == "never":
            return ()
        started = ((job, start_under(job.rules, event)) for job in self.jobs)
        return tuple((job, start) for job, start in started if start != "never")


def pipeline_of(project: Project) -> Pipeline:
    """The pipeline of a project."""
    kinds = project.environments
    lasting = [kind.branch for kind in kinds.values() if kind.branch and not kind.is_pattern]
    own = [*lasting, *([] if _is_claimed(project, SERVER_BRANCH) else [SERVER_BRANCH])]
    return Pipeline(
        workflow=(
            *(Rule(OnMergeRequest(branch), "never") for branch in own),
            Rule(OnEvent("merge_request")),
            *(Rule(OnBranch(branch)) for branch in own),
            Rule(OnEvent("schedule")),
            *(Rule(OnEvent(name)) for name in BY_HAND),
            Rule(OnBranch(open_merge_request=True), "never"),
            Rule(OnBranch()),
            *(Rule(OnTag(tag)) for tag in _tags(project)),
        ),
        jobs=(
            *_checked(project),
            *(job for name, kind in kinds.items() for job in _of_kind(project, name, kind)),
            *_scheduled(),
            *(_of_server() if SERVER_BRANCH in own else ()),
        ),
    )


def _is_claimed(project: Project, branch: str) -> bool:
    event = Event("push", _branch(branch))
    kinds = project.environments.values()
    return any(kind.branch and OnBranch(kind.branch).holds(event) for kind in kinds)


def _branch(name: str) -> Ref:
    return Ref("branch", name)


def _tags(project: Project) -> tuple[str, ...]:
    claimed = [kind.tag for kind in project.environments.values() if kind.tag]
    return tuple(dict.fromkeys([*claimed, project.versions]))


def _checked(project: Project) -> Iterator[Job]:
    """Lint, build, test and promote, which depend on the commit and not on where it goes."""
    kinds = project.environments.values()
    not_here = (
        _SCHEDULE_NEVER,
        *(() if _is_claimed(project, SERVER_BRANCH) else (Rule(OnBranch(SERVER_BRANCH), "never"),)),
    )
    claimed_tags = tuple(Rule(OnTag(kind.tag)) for kind in kinds if kind.tag)
    every = (*not_here, Rule(OnEvent("merge_request")), Rule(OnBranch()), *claimed_tags)
    if project.lint:
        yield Job("lint", "Run the linters", "check", ("junov", "lint"), "docker", every)
    yield Job("build", "Build and push the images", "build", ("junov", "build"), "docker", every)
    if project.test:
        yield Job(
            *("test", "Test the built image", "test", ("junov", "test"), "docker", every),
            needs=(Needed("build"),),
        )
    yield Job(
        *("promote", "Give the tested image its tags", "promote", ("junov", "promote"), "docker"),
        rules=(
            _SCHEDULE_NEVER,
            *(rule for kind in kinds if kind.branch for rule in _on_branch(kind.branch)),
            *(Rule(OnTag(tag)) for tag in _tags(project)),
        ),
        # A version is a commit that has been built and tested before.
        needs=tuple(
            Needed(name, optional=True)
            for name, there in (("lint", project.lint), ("build", True), ("test", project.test))
            if there
        ),
    )


def _of_kind(project: Project, name: str, kind: EnvironmentKind) -> Iterator[Job]:
    """What can be done with the environments of one kind."""
    ref = f"{'heads' if kind.branch else 'tags'}/{REF}"
    yield Job(
        f"deploy:{name}",
        f"Deliver to {_named(name, kind)}",
        "deploy",
        ("junov", "deploy"),
        "shell",
        _where(kind, kind.deploy, kind.merge_request),
        needs=(Needed("promote"),),
        target=Target(name, kind, "start"),
        # Nobody is to take a waiting production for a delivered one.
        blocks=kind.tier == "production" and kind.deploy == "manual",
    )
    by_hand = _where(kind, "manual", "manual")
    if kind.tier != "production":
        yield Job(
            f"stop:{name}",
            f"Stop {_named(name, kind)}; its database is kept",
            "deploy",  # in the stage of what it stops, or GitLab doesn't find it
            ("junov", "env", "stop", "--project", project.project, ref),
            "shell",
            by_hand,
            # When a merge request from `dev` is merged, GitLab starts what stops the environments
            # of `dev`; stage is to stay.
            target=Target(name, kind, "stop" if kind.is_pattern else "access"),
            checkout=False,
        )
    yield Job(
        f"rollback:{name}",
        f"Let the last release of {_named(name, kind)} serve again",
        "operate",
        ("junov", "rollback", "--yes", "--project", project.project, ref),
        "shell",
        by_hand,
        target=Target(name, kind, "access"),
        confirm=f"Let the release before this one serve in {_named(name, kind)}? It does so even "
        "if the database's schema is ahead of its code.",
        checkout=False,
    )
    if project.database and kind.tier != "production":
        yield Job(
            f"reset:{name}",
            f"Give {_named(name, kind)} a fresh database",
            "operate",
            ("junov", "reset", "--yes", "--project", project.project, ref),
            "shell",
            by_hand,
            target=Target(name, kind, "access"),
            confirm=f"Replace the whole database of {_named(name, kind)} with a fresh one? "
            "The old one is kept for a while: junov db undo",
            checkout=False,
        )


def _named(name: str, kind: EnvironmentKind) -> str:
    return f"the {name} environment" if kind.is_pattern else name


def _where(kind: EnvironmentKind, start: Start, in_merge_request: Start) -> tuple[Rule, ...]:
    if kind.tag:
        return (_SCHEDULE_NEVER, Rule(OnTag(kind.tag), start))
    return (_SCHEDULE_NEVER, *_on_branch(kind.branch or "", start, in_merge_request))


def _on_branch(
    pattern: str, start: Start = "automatic", in_merge_request: Start = "automatic"
) -> Iterator[Rule]:
    if "*" in pattern:  # others have no pipelines of merge requests
        yield Rule(OnOwnMergeRequest(pattern), in_merge_request)
    yield Rule(OnBranch(pattern), start)


def _scheduled() -> Iterator[Job]:
    rules = (Rule(OnEvent("schedule")),)
    yield Job(
        *("sweep", "Stop and remove what has expired", "operate"),
        *(("junov", "env", "sweep"), "shell", rules),
    )
    yield Job(
        *("backup", "Make the backups that are due", "operate"),
        *(("junov", "db", "backup", "--due"), "shell", rules),
        checkout=False,
    )
    # Images are where they run, and where they are built: that may be two machines.
    runners: tuple[tuple[str, Runner], ...] = (("prune", "shell"), ("prune:builds", "docker"))
    for name, runner in runners:
        yield Job(
            *(name, "Remove images that nobody needs any more", "operate"),
            *(("junov", "server", "prune"), runner, rules),
            checkout=False,
        )


def _of_server() -> Iterator[Job]:
    rules = (_SCHEDULE_NEVER, Rule(OnBranch(SERVER_BRANCH), "manual"))
    yield Job(
        *("server:up", "Start the server, or bring it up to date", "server"),
        *(("junov", "server", "up"), "shell", rules),
        checkout=False,
    )
    yield Job(
        *("server:doctor", "Look for what is wrong with the server", "server"),
        *(("junov", "server", "doctor"), "shell", rules),
        checkout=False,
    )
    yield Job(
        *("server:runner", "Set up GitLab and this server's runner", "server"),
        *(("junov", "gitlab", "setup", "--runner", "shell"), "shell", rules),
    )
