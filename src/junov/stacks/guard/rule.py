"""What a rule is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from junov.config.yamlfile import Loc
from junov.errors import Place, Problem
from junov.stacks.guard.context import Context

Profile = Literal["deploy", "test"]

DEPLOY: frozenset[Profile] = frozenset({"deploy"})
EVERYWHERE: frozenset[Profile] = frozenset({"deploy", "test"})


@dataclass(frozen=True, slots=True)
class Hit:
    """One place where a rule is broken.

    Args:
        message: what was found there, in one sentence; never with a secret in it.
        value: what a waiver has to name to accept this; never a secret.
        loc: the place in the resolved model.
        text: the part of the value there that matters, to point right at it.
        key: the name at `loc` matters, not the value.
        place: the place itself, where it is not in the model.
        remedy: what to do here, where there is something better to say than the rule's own.
    """

    message: str
    value: str = ""
    loc: Loc = ()
    text: str = ""
    key: bool = False
    place: Place | None = None
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the wall.

    Args:
        id: its name, in findings, in waivers and in the documentation.
        sentence: what it forbids, and why.
        remedy: what to do instead.
        waivable: whether `allow` in `junov.yaml` can accept a finding. What junov overrides
            anyway, and what would open the whole server, cannot be accepted.
        check: gives the hits.
        bad: an example that is refused, for the documentation.
        good: the same need met in an allowed way.
        applies_to: whether it is for deployed stacks, for test runs or for both.
    """

    id: str
    sentence: str
    remedy: str
    waivable: bool
    check: Callable[[Context], Iterator[Hit]]
    bad: str
    good: str
    applies_to: frozenset[Profile] = DEPLOY


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule, where it is broken, and what to do.

    Args:
        rule: the rule's id.
        message: what was found, without secrets.
        place: where the user wrote it.
        remedy: what to do.
        value: what a waiver has to name.
        waived_by: the reason of the waiver that accepts it, or None.
    """

    rule: str
    message: str
    place: Place
    remedy: str
    value: str = ""
    waived_by: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The finding for machines; `line` and `column` are counted from 1, 0 where unknown."""
        return {
            "rule": self.rule,
            "message": self.message,
            "file": str(self.place.file),
            "line": self.place.line,
            "column": self.place.column,
            "remedy": self.remedy,
            "waived": self.waived_by,
        }

    def as_problem(self) -> Problem:
        """The finding as a part of an error."""
        return Problem(f"{self.message} [{self.rule}]", self.place, self.remedy)
