"""What is to be done on GitLab, as values: an action, the calls that it takes, what is at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

What = Literal[
    "setting", "branch", "tag", "runner", "token", "variable", "deploy token", "schedule", "cleanup"
]

NOTE_TOKEN = "note token"  # noqa: S105 - the name of one, not one
PULL_TOKEN = "deploy token"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Request:
    """One call of GitLab's API.

    Args:
        method: POST, PUT, PATCH or DELETE.
        path: below `/api/v4`; `{project}` in it stands for the project's number.
        body: what is sent.
    """

    method: str
    path: str
    body: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to be done.

    Args:
        what: what it is about.
        name: which of them.
        sentence: what is done, and why, for people.
        requests: the calls, in their order.
        gives: what the token is called that the last call's answer holds; empty for none.
        takes: which token is sent along as the `value`; empty for none.
    """

    what: What
    name: str
    sentence: str
    requests: tuple[Request, ...]
    gives: str = ""
    takes: str = ""

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "what": self.what,
            "name": self.name,
            "does": self.sentence,
            "requests": [str(each) for each in self.requests],
        }


@dataclass(frozen=True, slots=True)
class Held:
    """What this machine has of tokens that GitLab shows only once.

    Args:
        runners: the numbers of the runners whose tokens are here, by description; None where
            that is not known.
        pulls: whether this machine is logged in to GitLab's registry.
    """

    runners: Mapping[str, int | None]
    pulls: bool
