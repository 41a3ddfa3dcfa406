"""How many environments of a kind may run at once, and which of them has to stop for another. Pure.

What makes place is the environment that was used least recently: the one whose last deploy, start,
reset or rollback began longest ago.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from junov.environments import Environment
from junov.errors import StageError
from junov.journal import EnvironmentRecord

_STAYING = ("production", "staging")


@dataclass(frozen=True, slots=True)
class Places:
    """What has to stop for an environment that is to run, and what would be the next.

    Args:
        environment: the environment.
        limit: how many of its kind may run at once; None for any number.
        running: the others of its kind that run or are about to, the least recently used first.
        is_up: whether it does so itself already.
    """

    environment: Environment
    limit: int | None
    running: tuple[EnvironmentRecord, ...]
    is_up: bool

    @property
    def may_stop(self) -> tuple[EnvironmentRecord, ...]:
        """Those of the others that may be stopped for it, the least recently used first."""
        return tuple(
            each for each in self.running if each.tier not in _STAYING and not each.is_lasting
        )

    @property
    def surplus(self) -> int:
        """How many of the others have to stop before it runs; one that runs needs no place."""
        if self.limit is None or self.is_up:
            return 0
        return max(0, len(self.running) + 1 - self.limit)

    @property
    def stops(self) -> tuple[EnvironmentRecord, ...]:
        """Those that are to stop, as far as there are as many that may be stopped."""
        return self.may_stop[: self.surplus]

    def require(self) -> None:
        """Refuse an environment for which too few of the others may be stopped.

        Raises:
            StageError: that is so.
        """
        if self.surplus > len(self.may_stop):
            kind = self.environment.kind
            names = ", ".join(each.name for each in self.running)
            raise StageError(
                f"as many environments of the kind {kind} run as its limit of {self.limit} allows "
                f"({names}), and none of the tiers {' and '.join(_STAYING)} is stopped for another",
                remedy=f"stop one that nobody needs (junov env stop), or raise `limit` of {kind} "
                "in junov.yaml",
            )

    @property
    def warning(self) -> str:
        """What to say where there is no place for a further one; empty where there is."""
        kind = self.environment.kind
        if self.limit is None or self.is_up or self.environment.name == kind:
            return ""
        if len(self.running) - self.surplus + 1 < self.limit:
            return ""
        left = [each.name for each in self.may_stop[self.surplus :]]
        if self.environment.tier not in _STAYING:
            left.append(self.environment.name)
        then = f"would stop {left[0]}, the least recently used" if left else "would be refused"
        return (
            f"warning: with this one, as many environments of the kind {kind} run as its limit of "
            f"{self.limit} allows; the next one {then}"
        )


def places_for(
    environment: Environment, limit: int | None, records: Iterable[EnvironmentRecord]
) -> Places:
    """What has to stop for an environment that is to run.

    Args:
        environment: the environment.
        limit: how many of its kind may run at once; None for any number.
        records: the environments of its project that the journal knows, itself perhaps among them.
    """
    up = [each for each in records if each.is_up and each.project == environment.project]
    others = [
        each for each in up if each.kind == environment.kind and each.name != environment.name
    ]
    return Places(
        environment=environment,
        limit=limit,
        running=tuple(sorted(others, key=lambda each: (each.used_at, each.id))),
        is_up=any(each.name == environment.name for each in up),
    )


def because_of(environment: Environment, limit: int | None) -> str:
    """Why one is stopped for it, in a few words."""
    return f"it was used least recently, and {environment.kind} may run {limit}"
