"""The sweep: environments that nobody needs are stopped, and later removed.

What is due is told by the journal, and by the branches and tags that the repository has, so a plan
is a function of values. Each of its parts is looked at again once the environment's turn is had:
only what is still as it was planned on is done.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any, Literal

from junov.config.fields import format_duration
from junov.delivery.backups.record import dump_file
from junov.delivery.delivered import find_release
from junov.delivery.environments import find_environment
from junov.delivery.generations import databases_of
from junov.delivery.lifecycle import remove_in_turn, stop_in_turn
from junov.delivery.orphans import back_up_all, whole
from junov.delivery.provision import stamp_of
from junov.delivery.turn import turn
from junov.environments import Ref
from junov.errors import JunovError, LockedError, StageError
from junov.git import Repository
from junov.journal import EnvironmentRecord
from junov.site import Site
from junov.steps import Steps

Action = Literal["stop", "remove"]

Refs = Mapping[str, Collection[Ref]]
"""The branches and tags of projects, by the project's name; of those that could be asked."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done with one environment.

    Args:
        record: the environment, as the journal knew it when this was planned.
        action: `stop` or `remove`.
        why: why, as the end of a sentence about it.
        since: since when that is so; None where nobody knows.
    """

    record: EnvironmentRecord
    action: Action
    why: str
    since: datetime | None

    @property
    def name(self) -> str:
        """The environment with its project, as a sentence names it."""
        return f"{self.record.project}/{self.record.name}"

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "project": self.record.project,
            "environment": self.record.name,
            "action": self.action,
            "why": self.why,
            "since": self.since.isoformat(timespec="seconds") if self.since else None,
        }


def plan_sweep(records: Iterable[EnvironmentRecord], refs: Refs, now: datetime) -> list[Due]:
    """What is due of environments, in their order.

    Production is never touched, nor an environment that is the only one of its kind.

    Args:
        records: the environments, as the journal knows them.
        refs: what of the repositories is known. Where a project isn't in it, none of its
            environments is taken for one whose branch is gone.
        now: the time.
    """
    return [due for record in records if (due := _due(record, refs, now))]


def _due(record: EnvironmentRecord, refs: Refs, now: datetime) -> Due | None:
    if record.tier == "production" or record.is_lasting:
        return None
    if not record.is_up:
        if record.removable_at is None or record.removable_at > now:
            return None
        why = f"it has been stopped for longer than the {format_duration(record.keep)} of `keep`"
        return Due(record, "remove", why, record.stopped_at)
    known = refs.get(record.project)
    if known is not None and (ref := Ref(record.ref_type, record.ref_name)) not in known:
        return Due(record, "stop", f"its {ref} is gone", None)
    if record.has_expired(now):
        return Due(record, "stop", "it has expired", record.expires_at)
    return None


def refs_of(project: str, folder: Path) -> Refs:
    """The branches and tags that the origin of a project's checkout has now.

    Args:
        project: the project's name.
        folder: a folder of the checkout.

    Raises:
        NotFoundError: it is no checkout, or has no origin.
        UnavailableError: the origin doesn't answer.
    """
    return {project: Repository.open(folder).refs_of_origin()}


def sweep(site: Site, due: Iterable[Due], steps: Steps) -> dict[str, Any]:
    """Do what is due, one environment after the other; what fails doesn't keep the others from it.

    An environment that another run is at, or that has changed since it was planned, is left for
    the next sweep. Before one is removed, each of its databases is backed up.

    Args:
        site: the server.
        due: from `plan_sweep`.
        steps: shows what is done, with a stage for each environment.

    Returns:
        What was stopped, removed, left and has failed, for people and machines.
    """
    done: dict[str, list[dict[str, Any]]] = {"stopped": [], "removed": [], "left": [], "failed": []}
    for each in due:
        steps.stage(f"{each.name}: {each.why}")
        said = each.to_json()
        try:
            with turn(site, each.record.environment, purpose="sweep", steps=steps, wait=0):
                if _now(site, each.record) != each.record:
                    done["left"].append({**said, "message": "it has changed meanwhile"})
                elif each.action == "stop":
                    stop_in_turn(site, each.record.environment, steps, why=each.why)
                    done["stopped"].append(said)
                else:
                    done["removed"].append({**said, "backups": _remove(site, each.record, steps)})
        except LockedError as error:
            done["left"].append({**said, "message": error.message})
        except JunovError as error:
            done["failed"].append(
                {
                    **said,
                    "message": error.message,
                    "remedy": error.remedy,
                    "detail": error.detail,
                }
            )
    return done


def list_due(site: Site, project: str | None, refs: Refs) -> list[Due]:
    """What is due on a server.

    Args:
        site: the server.
        project: only of this project; of all without.
        refs: as for `plan_sweep`.
    """
    return plan_sweep(site.journal.environments(project), refs, datetime.now(UTC))


def _remove(site: Site, record: EnvironmentRecord, steps: Steps) -> list[str]:
    """Remove an environment; returns the files that its databases were backed up to.

    Raises:
        StageError: it runs, whatever the journal says; or a backup failed. Nothing was removed.
    """
    view = find_environment(site, record.name, record.project)
    if view.status not in ("stopped", "absent", "failed"):
        raise StageError(
            f"{view.name} of {view.project} was stopped, and yet its containers run",
            remedy=f"stop it again, or deploy it: junov env stop {quote(view.name)}",
        )
    expected = stamp_of(site, view.identity)
    own = [each for each in databases_of(site, view.identity) if expected.matches(each.stamp)]
    serving = find_release(site, view.identity, view.release) if view.release else None
    settings = serving.project.database if serving else None
    backups = back_up_all(
        site,
        view,
        whole(own),
        steps,
        # Where the removal fails, a start finds what it had.
        connections=settings.connections if settings else 0,
        wait=0,
    )
    remove_in_turn(site, view, steps)
    return [str(dump_file(site, view.identity, each["name"])) for each in backups]


def _now(site: Site, record: EnvironmentRecord) -> EnvironmentRecord | None:
    found = site.journal.environments(record.project)
    return next((each for each in found if each.name == record.name), None)
