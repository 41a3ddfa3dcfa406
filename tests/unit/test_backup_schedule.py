"""The schedule of backups: whose are too old, and what the doctor says of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from junov.delivery.backups.schedule import Age, judge_ages
from junov.delivery.environments import EnvironmentView
from junov.environments import identify

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = 3600


def age(name: str, hours: float | None) -> Age:
    view = EnvironmentView(
        identity=identify("notes", name),
        tier="staging",
        status="healthy",
        url="",
        host="",
        image="",
        commit="",
        ref=name,
        database=f"notes_{name}",
        release=1,
        deployed_at="",
        expires_at="",
        services={},
    )
    return Age(view, None if hours is None else NOON - timedelta(hours=hours))


@pytest.mark.parametrize(
    ("hours", "over"), [(None, True), (25, True), (24.5, True), (24, False), (0, False)]
)
def test_what_is_older_is_due(hours: float | None, over: bool) -> None:
    assert age("stage", hours).is_over(24 * HOUR, NOON) is over


def test_the_doctor_names_those_that_nobody_backs_up() -> None:
    kept, said = judge_ages([age("prod", 47), age("stage", 2)], 24 * HOUR, NOON)
    assert kept
    assert "the backups of 2 environments are as new" in said
    kept, said = judge_ages([age("a", 1), age("b", 49), age("c", None)], 24 * HOUR, NOON)
    assert not kept
    assert said.endswith(
        ": notes/b (the newest is of 2026-11-21 11:00 UTC), notes/c (there is none)"
    )
    kept, said = judge_ages([age("c", None)], None, NOON)
    assert kept
    assert "no schedule" in said
