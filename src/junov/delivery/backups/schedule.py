"""The schedule of backups: whose newest one is too old, and a new one for each of them.

Nothing of junov runs by itself: cron or a timer runs `junov db backup --due` now and then, and the
doctor says where nobody does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from junov.delivery.backups.backup import back_up, has_database
from junov.delivery.backups.record import list_backups
from junov.delivery.environments import EnvironmentView, list_environments
from junov.delivery.generations import live_identity
from junov.errors import JunovError, StageError
from junov.locks import held
from junov.site import Site
from junov.steps import Steps

_LOCK = "due-backups"  # no environment's: those have a `_` in their names


@dataclass(frozen=True, slots=True)
class Age:
    """How old an environment's newest backup is.

    Args:
        view: the environment.
        taken_at: when that was taken; None where there is none.
    """

    view: EnvironmentView
    taken_at: datetime | None

    @property
    def name(self) -> str:
        """The environment with its project, as a sentence names it."""
        return f"{self.view.project}/{self.view.name}"

    def is_over(self, seconds: float, now: datetime) -> bool:
        """Whether there is none, or it is older than that many seconds."""
        return self.taken_at is None or now - self.taken_at > timedelta(seconds=seconds)


def ages(site: Site) -> list[Age]:
    """How old the newest backup of each environment on this server is, by project and name.

    One whose first release has not come to serve has nothing to back up before it has a database.
    """
    return [
        Age(view, newest[0].moment if (newest := list_backups(site, view.identity)) else None)
        for view in list_environments(site)
        if view.database and (view.release is not None or _has_database(site, view))
    ]


def back_up_due(site: Site, steps: Steps, *, wait: float | None = None) -> dict[str, Any]:
    """Back up each environment whose newest backup is older than `server.yaml` says, one by one.

    One that fails does not keep the others from theirs.

    Args:
        site: the server.
        steps: shows what is done, with a stage for each environment.
        wait: seconds to wait for another run of this, or for another backup of an environment; an
            hour without.

    Returns:
        The backups that were taken, and those that failed and why, for people and machines.

    Raises:
        StageError: there is no schedule.
        LockedError: another run of this takes longer than `wait`.
    """
    every = site.server.postgres.backups.every
    if every is None:
        raise StageError(
            "this server has no schedule of backups",
            remedy="set `postgres.backups.every` in server.yaml, such as: every: 24h",
        )
    taken: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    with held(
        site.home.locks_folder,
        _LOCK,
        purpose="backups that are due",
        wait=3600 if wait is None else wait,
        waiting=steps.saying("backups"),
    ):
        found = ages(site)
        due = [each for each in found if each.is_over(every, datetime.now(UTC))]
        for each in due:
            steps.stage(each.name)
            try:
                taken.append(back_up(site, each.view, steps, wait=wait))
            except (JunovError, OSError) as error:
                failed.append(_failure(each, error))
                steps.saying("backups")(f"{each.name} has none: {failed[-1]['message']}")
    return {"taken": taken, "failed": failed, "not_due": len(found) - len(due)}


def judge_ages(found: Sequence[Age], every: int | None, now: datetime) -> tuple[bool, str]:
    """Whether the schedule is kept, and what there is to say of it.

    Args:
        found: every environment.
        every: how old a backup may get, in seconds; None where there is no schedule.
        now: the time.

    Returns:
        False where a newest backup is more than twice as old; and a sentence.
    """
    if every is None:
        return True, "there is no schedule of backups (`postgres.backups.every` in server.yaml)"
    late = [each for each in found if each.is_over(2 * every, now)]
    if late:
        said = ", ".join(
            f"{each.name} (the newest is of {each.taken_at:%F %H:%M} UTC)"
            if each.taken_at
            else f"{each.name} (there is none)"
            for each in late
        )
        return False, f"backups are more than twice as old as the schedule wants: {said}"
    return True, f"the backups of {len(found)} environments are as new as the schedule wants"


def _failure(age: Age, error: JunovError | OSError) -> dict[str, Any]:
    if isinstance(error, OSError):
        error = StageError(str(error), remedy="see what the disk and its rights say")
    return {
        "project": age.view.project,
        "environment": age.view.name,
        "message": error.message,
        "remedy": error.remedy,
        "detail": error.detail,
    }


def _has_database(site: Site, view: EnvironmentView) -> bool:
    return has_database(site, live_identity(site, view.identity))
