"""The kill matrix: where runs are killed, and what has to become of their releases.

What a killed run has begun is undone up to the switch, and finished from there on. So each point
says how its release ends: `superseded` or `succeeded`, or not at all where the run has not recorded
one yet.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["", "superseded", "succeeded"]

DEPLOY_STEPS = (
    *("image", "check", "pull"),
    *("network", "database", "before", "migrate", "fixtures", "supporting", "web"),
    "switch",
    *("verify", "background", "after", "observe", "drain", "retire", "prune"),
)
ROLLBACK_STEPS = (
    "pull",
    *("network", "database", "supporting", "web"),
    "switch",
    *("verify", "background", "after", "observe", "drain", "retire", "prune"),
)

_ENGINE = "call:junov.engine.api.Engine"
_JOURNAL = "call:junov.journal.Journal"
_WRITE_RELEASE = "call:junov.delivery.deploy.write_release"


@dataclass(frozen=True, slots=True)
class Point:
    """Where a run is killed.

    Args:
        at: as `killing` takes it.
        outcome: how its release ends in the journal once another run has looked after it; empty
            where it is killed before it has one.
        short: whether it belongs to the short form of the matrix as well.
        newer: whether the next deploy is one of a newer commit, and not of the same.
    """

    at: str
    outcome: Outcome
    short: bool = False
    newer: bool = False

    def outcomes_with(self, outcome: Outcome) -> list[str]:
        """How its release ends and then the next one, each where there is one."""
        return [each for each in (self.outcome, outcome) if each]

    def __str__(self) -> str:
        return f"{self.at}{' then a newer commit' if self.newer else ''}"


def _boundaries(steps: Sequence[str], *, short: Collection[str] = ()) -> list[Point]:
    """Before and after each of a story's steps.

    Args:
        steps: their names; the release is recorded just before `network`.
        short: the points that belong to the short form.
    """
    recorded, switch = steps.index("network"), steps.index("switch")
    points = []
    for index, step in enumerate(steps):
        undone: Outcome = "superseded" if index >= recorded else ""
        for at, is_switched in (
            (f"before:{step}", index > switch),
            (f"after:{step}", index >= switch),
        ):
            points.append(Point(at, "succeeded" if is_switched else undone, short=at in short))
    return points


_RECORDED = [
    Point(f"{_JOURNAL}.register:before", ""),
    Point(f"{_JOURNAL}.register:after", ""),
    Point(f"{_JOURNAL}.begin_release:after", "superseded"),
    Point(f"{_WRITE_RELEASE}:before", "superseded"),
    Point("call:junov.delivery.delivered.write_private:2:before", "superseded"),
    # Within write_private: a temporary file that holds secrets is never renamed.
    Point("call:pathlib.Path.replace:2:before", "superseded"),
    Point(f"{_WRITE_RELEASE}:after", "superseded"),
    Point(f"{_JOURNAL}.end_release:before", "succeeded"),
    Point(f"{_JOURNAL}.end_release:after", "succeeded"),
]
_BROUGHT_UP = [
    Point("call:junov.delivery.migrations.run_once:before", "superseded"),
    Point("line:migrate:1", "superseded"),
    Point("line:web:1", "superseded"),
    Point("line:web:2", "superseded"),
    Point("line:web:3", "superseded"),
    Point("line:web:4", "superseded"),
    Point("call:junov.delivery.rollout.containers.wait_ready:before", "superseded"),
    Point("call:junov.edge.routes.Routes._replace:before", "superseded"),
    # Within _replace: what was to be the route is never renamed.
    Point("call:junov.edge.routes.os.fsync:before", "superseded"),
    Point("call:junov.edge.routes.Routes._replace:after", "succeeded"),
    Point("call:junov.edge.EdgeApi.wait_until_routed:after", "succeeded"),
    Point("line:background:1", "succeeded"),
    Point("line:background:2", "succeeded"),
    Point("line:background:3", "succeeded"),
    Point("line:background:4", "succeeded"),
]

FIRST = [
    *_boundaries(DEPLOY_STEPS),
    *_RECORDED,
    *_BROUGHT_UP,
    Point("line:supporting:3", "superseded", short=True),
    Point(f"{_ENGINE}.create_network:after", "superseded"),
    Point("call:junov.delivery.provision.connect_trusted:before", "superseded"),
    Point(f"{_ENGINE}.connect:1:after", "superseded"),
    Point("call:junov.databases.provision._set_role:after", "superseded"),
    Point("call:junov.databases.provision.write_stamp:before", "superseded"),
    Point("call:junov.databases.provision._own_public_schema:before", "superseded"),
    Point("call:junov.delivery.provision.run_once:before", "superseded"),
    Point("call:junov.databases.Postgres.mark_filled:before", "superseded"),
    Point("call:junov.databases.templates.copy:before", "superseded"),
    Point("call:junov.databases.templates.copy:after", "superseded"),
    Point("call:junov.databases.postgres.templates.make:after", "superseded"),
    *(Point(f"line:supporting:{number}", "superseded") for number in (1, 2, 4, 5, 6)),
    Point("before:supporting", "superseded", newer=True),
    Point("after:switch", "succeeded", newer=True),
]
"""Of an environment that there is nothing of yet, not even a template."""

FROM_TEMPLATE = [
    Point("call:junov.databases.provision.copy:before", "superseded"),
    Point("call:junov.databases.provision.copy:after", "superseded", short=True),
    Point("call:junov.databases.provision.write_stamp:after", "superseded"),
    Point("after:database", "superseded"),
    Point("after:fixtures", "superseded", newer=True),
]
"""Of an environment whose database is a copy of a template."""

LATER = [
    *_boundaries(DEPLOY_STEPS, short=["after:web", "before:background"]),
    *_RECORDED,
    *_BROUGHT_UP,
    Point(f"{_ENGINE}.stop_container:1:before", "succeeded"),
    Point(f"{_ENGINE}.stop_container:1:after", "succeeded"),
    Point(f"{_ENGINE}.remove_container:1:before", "succeeded"),
    Point(f"{_ENGINE}.remove_container:1:after", "succeeded", short=True),
    Point("after:migrate", "superseded", newer=True),
    Point("after:web", "superseded", newer=True),
    Point("after:switch", "succeeded", newer=True),
    Point("line:background:2", "succeeded", newer=True),
    Point("before:retire", "succeeded", newer=True),
]
"""Of an environment that a release serves."""

ROLLBACK = [
    *_boundaries(ROLLBACK_STEPS, short=["after:switch"]),
    Point("call:junov.delivery.rollback.write_release:after", "superseded"),
    Point("call:junov.edge.routes.Routes._replace:after", "succeeded"),
    Point(f"{_ENGINE}.remove_container:1:after", "succeeded"),
]
"""Of a rollback."""

OBSERVED = [
    Point("before:observe", "succeeded"),
    Point("call:junov.delivery.rollout.observe._Watch.look:2:after", "succeeded"),
    Point("after:observe", "succeeded"),
]
"""Of a deploy into an environment where the old release is kept for a while."""

FAILING = [
    # Web of the new release never gets ready: the route was never changed.
    Point("before:undo", "superseded"),
    Point("call:junov.delivery.rollout.rollout.put_back:after", "superseded"),
    Point(f"{_ENGINE}.stop_container:1:after", "superseded"),
    Point("after:undo", "superseded"),
    Point(f"{_JOURNAL}.end_release:before", "superseded"),
]
"""Of a deploy whose release doesn't come up, while it is undone."""

FAILING_AFTER_SWITCH = [
    Point("before:undo", "superseded", short=True),
    Point("call:junov.delivery.rollout.rollout.switch:2:before", "superseded"),
    Point("call:junov.delivery.rollout.rollout.switch:2:after", "superseded"),
    Point("line:undo:2", "superseded"),
    Point("line:undo:4", "superseded"),
    Point("call:junov.delivery.rollout.rollout.put_back:after", "superseded"),
    Point("after:undo", "superseded"),
]
"""Of a deploy whose hook fails once it serves, while it is undone."""

FAILING_IN_BACKGROUND = [
    Point("line:background:4", "superseded", newer=True),
    Point("call:junov.delivery.rollout.containers._wait_for:2:before", "superseded", newer=True),
]
"""Of a deploy whose worker never comes up, before anybody knows."""

REPAIR = [
    Point("before:repair", "superseded"),
    Point("call:junov.delivery.repair.find_damage:after", "superseded"),
    Point(f"{_ENGINE}.stop_container:1:after", "superseded"),
    Point(f"{_ENGINE}.remove_container:1:after", "superseded", short=True),
    Point(f"{_JOURNAL}.end_release:before", "superseded"),
    Point(f"{_JOURNAL}.end_release:after", "superseded"),
    Point("after:repair", "superseded"),
]
"""Of the repair of a run that was killed before the switch."""

REPAIR_AFTER_SWITCH = [
    Point("before:repair", "succeeded"),
    Point("line:repair:5", "succeeded"),
    Point("line:repair:7", "succeeded"),
    Point("call:junov.edge.EdgeApi.wait_until_routed:before", "succeeded"),
    Point(f"{_ENGINE}.stop_container:1:after", "succeeded"),
    Point(f"{_ENGINE}.remove_container:1:after", "succeeded"),
    Point(f"{_JOURNAL}.end_release:before", "succeeded"),
    Point("after:repair", "succeeded"),
]
"""Of the repair of a run that was killed after the switch, before its background services."""

BY_HAND = [
    Point("before:network", "superseded"),
    Point("line:migrate:1", "superseded"),
    Point("line:web:1", "superseded"),
    Point("after:web", "superseded"),
    Point("after:switch", "succeeded"),
    Point("line:background:1", "succeeded", short=True),
    Point("line:background:2", "succeeded"),
    Point("line:background:3", "succeeded"),
    Point("before:drain", "succeeded"),
    Point(f"{_ENGINE}.stop_container:1:after", "succeeded"),
    Point("after:prune", "succeeded"),
]
"""Of a deploy that is looked after with `junov env repair`."""

JOURNAL_LOST = [
    Point("line:migrate:1", "superseded"),
    Point("after:web", "superseded"),
    Point("after:switch", "succeeded"),
    Point("line:background:3", "succeeded"),
    Point("before:retire", "succeeded"),
]
"""Of a deploy after which the journal is lost."""
