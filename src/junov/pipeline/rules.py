"""Rules: under which conditions a pipeline or a job runs, in the few words that both readers know.

The local runner asks a condition whether it holds; the GitLab file writes it as an expression.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from junov.config.overlap import matches
from junov.pipeline.events import Event, EventName

Start = Literal["automatic", "manual", "never"]
"""How something starts once its rule applies: `never` keeps what follows from applying."""


@dataclass(frozen=True, slots=True)
class OnEvent:
    """Something that happened, whatever the ref.

    Args:
        event: what.
    """

    event: EventName

    def holds(self, event: Event) -> bool:
        """Whether it is so."""
        return event.name == self.event


@dataclass(frozen=True, slots=True)
class OnBranch:
    """A branch's own pipeline: not one of a merge request.

    Args:
        pattern: of the branch; any without one.
        open_merge_request: whether there is a merge request from it; either without one.
    """

    pattern: str | None = None
    open_merge_request: bool | None = None

    def holds(self, event: Event) -> bool:
        """Whether it is so."""
        return (
            event.branch is not None
            and (self.pattern is None or matches(self.pattern, event.branch))
            and self.open_merge_request in (None, event.open_merge_request)
        )


@dataclass(frozen=True, slots=True)
class OnTag:
    """A tag's pipeline.

    Args:
        pattern: of the tag.
    """

    pattern: str

    def holds(self, event: Event) -> bool:
        """Whether it is so."""
        return event.tag is not None and matches(self.pattern, event.tag)


@dataclass(frozen=True, slots=True)
class OnMergeRequest:
    """A merge request's pipeline.

    Args:
        pattern: of its source branch, wherever that is.
    """

    pattern: str

    def holds(self, event: Event) -> bool:
        """Whether it is so."""
        return event.source_branch is not None and matches(self.pattern, event.source_branch)


@dataclass(frozen=True, slots=True)
class OnOwnMergeRequest:
    """A merge request's pipeline, from a branch of this project and not of a fork.

    Args:
        pattern: of its source branch.
    """

    pattern: str

    def holds(self, event: Event) -> bool:
        """Whether it is so."""
        return OnMergeRequest(self.pattern).holds(event) and not event.from_fork


Condition = OnEvent | OnBranch | OnTag | OnMergeRequest | OnOwnMergeRequest


@dataclass(frozen=True, slots=True)
class Rule:
    """How something starts under a condition.

    Args:
        condition: the condition.
        start: how it starts then.
    """

    condition: Condition
    start: Start = "automatic"


def start_under(rules: Iterable[Rule], event: Event) -> Start:
    """How something starts: the first rule that applies decides, and without one it never does."""
    return next((rule.start for rule in rules if rule.condition.holds(event)), "never")
