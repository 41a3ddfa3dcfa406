"""Every kind of thing that can happen to a project: the rows of the matrix in the documentation."""

from __future__ import annotations

from collections.abc import Iterator

from junov.config.overlap import matches
from junov.config.project import Project
from junov.environments import Ref
from junov.pipeline.events import Event
from junov.pipeline.model import SERVER_BRANCH

_OTHER_BRANCHES = ("topic", "somebody/topic", "zz-other")
_OTHER_TAGS = ("nightly", "zz-other")


def events(project: Project) -> Iterator[Event]:
    """One event of each kind for one ref of each kind, the most usual first."""
    kinds = project.environments.values()
    branches = [_example(kind.branch) for kind in kinds if kind.branch]
    claimed = [kind.tag for kind in kinds if kind.tag]
    others = (name for name in _OTHER_BRANCHES if not _any(name, [k.branch or "" for k in kinds]))
    refs = dict.fromkeys([next(others, ""), *branches, SERVER_BRANCH])
    for name in filter(None, refs):
        branch = Ref("branch", name)
        yield Event("push", branch)
        yield Event("push", branch, open_merge_request=True)
        yield Event("merge_request", branch, open_merge_request=True)
        yield Event("merge_request", branch, open_merge_request=True, from_fork=True)
        yield Event("web", branch)
        yield Event("schedule", branch)
    patterns = [*claimed, project.versions]
    unclaimed = [name for name in _OTHER_TAGS if not _any(name, patterns)][:1]
    for name in dict.fromkeys([*map(_example, patterns), *unclaimed]):
        yield Event("push", Ref("tag", name))
        yield Event("web", Ref("tag", name))


def _example(pattern: str) -> str:
    return pattern.replace("*", "1.2.3" if pattern.startswith("v") else "search")


def _any(name: str, patterns: list[str]) -> bool:
    return any(pattern and matches(pattern, name) for pattern in patterns)
