"""What makes a pipeline run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from junov.environments import Ref

EventName = Literal["push", "merge_request", "schedule", "web", "api", "trigger"]
"""The values of GitLab's `CI_PIPELINE_SOURCE` that a pipeline makes a difference between.

- `push`: a branch or tag was pushed, or merged into;
- `merge_request`: a merge request was opened or its branch was pushed (`merge_request_event`);
- `schedule`: its time has come;
- `web`: somebody has pressed "New pipeline";
- `api`, `trigger`: the same by GitLab's API.
"""

BY_HAND: tuple[EventName, ...] = ("web", "api", "trigger")
"""Those that somebody has asked for, so there is a pipeline whatever else there is."""

EVENTS: tuple[EventName, ...] = ("push", "merge_request", "schedule", "web")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a branch or a tag.

    Args:
        name: what happened.
        ref: the branch or the tag; of a merge request its source branch.
        open_merge_request: whether there is a merge request from this branch.
        from_fork: whether the merge request comes from another project, whose branch it is then.
    """

    name: EventName
    ref: Ref
    open_merge_request: bool = False
    from_fork: bool = False

    @property
    def branch(self) -> str | None:
        """The branch that a branch's own pipeline is for, as GitLab's `CI_COMMIT_BRANCH`."""
        return self.ref.name if self.ref.type == "branch" and not self.source_branch else None

    @property
    def source_branch(self) -> str | None:
        """The branch that a merge request is to bring in."""
        return self.ref.name if self.name == "merge_request" else None

    @property
    def tag(self) -> str | None:
        """The tag that a pipeline is for, as GitLab's `CI_COMMIT_TAG`."""
        return self.ref.name if self.ref.type == "tag" else None
