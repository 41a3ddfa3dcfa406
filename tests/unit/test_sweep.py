"""What a sweep finds due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junov.delivery.sweep import plan_sweep
from junov.environments import Ref
from junov.journal import EnvironmentRecord
from tests.unit.records import DAY, NOON, record

HOUR = timedelta(hours=1)
SEARCH = Ref("branch", "feature/search")


def due(each: EnvironmentRecord, *refs: Ref, known: bool = True) -> tuple[str, str] | None:
    """What is due of an environment whose repository has these branches and tags."""
    found = plan_sweep([each], {each.project: refs} if known else {}, NOON)
    return (found[0].action, found[0].why) if found else None


def stopped(name: str, ago: timedelta, **changes: Any) -> EnvironmentRecord:
    return record(name, status="stopped", stopped_at=NOON - ago, **changes)


def test_what_is_used_and_has_its_branch_stays() -> None:
    search = record("feature/search", expires_at=NOON + HOUR)
    assert due(search, SEARCH) is None


@pytest.mark.parametrize(("left", "is_due"), [(HOUR, False), (timedelta(), True), (-HOUR, True)])
def test_what_has_expired_is_stopped(left: timedelta, is_due: bool) -> None:
    search = record("feature/search", expires_at=NOON + left)
    assert due(search, SEARCH) == (("stop", "it has expired") if is_due else None)
    if is_due:
        (one,) = plan_sweep([search], {}, NOON)
        assert one.to_json() == {
            "project": "notes",
            "environment": "feature/search",
            "action": "stop",
            "why": "it has expired",
            "since": (NOON + left).isoformat(),
        }


def test_what_has_lost_its_branch_is_stopped() -> None:
    search = record("feature/search")
    assert due(search, Ref("branch", "main")) == ("stop", "its branch feature/search is gone")


def test_a_tag_of_that_name_is_not_its_branch() -> None:
    search = record("feature/search")
    assert due(search, Ref("tag", "feature/search")) == (
        "stop",
        "its branch feature/search is gone",
    )
    tagged = record("tagged/qa", ref_type="tag", ref_name="env-qa")
    assert due(tagged, Ref("branch", "env-qa")) == ("stop", "its tag env-qa is gone")
    assert due(tagged, Ref("tag", "env-qa")) is None


def test_a_branch_below_or_above_it_is_another_one() -> None:
    a, below = record("feature/a"), record("feature/a/b")
    assert due(a, Ref("branch", "feature/a/b")) == ("stop", "its branch feature/a is gone")
    assert due(below, Ref("branch", "feature/a")) == ("stop", "its branch feature/a/b is gone")


def test_a_renamed_branch_leaves_the_old_one_to_be_stopped() -> None:
    old, new = record("feature/old"), record("feature/new")
    found = plan_sweep([old, new], {"notes": {Ref("branch", "feature/new")}}, NOON)
    assert [each.record for each in found] == [old]


def test_nobody_guesses_which_branches_are_gone() -> None:
    assert due(record("feature/search"), known=False) is None
    other = record("feature/search", project="shop")
    assert plan_sweep([other], {"notes": frozenset({Ref("branch", "main")})}, NOON) == []


@pytest.mark.parametrize(
    ("ago", "is_due"), [(timedelta(days=2) - HOUR, False), (timedelta(days=2), True)]
)
def test_what_was_stopped_is_removed_after_its_time(ago: timedelta, is_due: bool) -> None:
    search = stopped("feature/search", ago, keep=2 * DAY)
    why = "it has been stopped for longer than the 2d of `keep`"
    assert due(search, SEARCH) == (("remove", why) if is_due else None)


def test_what_is_stopped_is_not_stopped_again() -> None:
    search = stopped("feature/search", HOUR, expires_at=NOON - 9 * HOUR)
    assert due(search) is None


@pytest.mark.parametrize(
    "each",
    [
        record("prod", tier="production", ref_name="main"),
        record("stage", tier="staging", ref_name="dev"),
        record("demo"),
        record("live/eu", tier="production"),
    ],
    ids=lambda each: each.name,
)
def test_production_and_what_is_the_only_one_of_its_kind_are_never_touched(
    each: EnvironmentRecord,
) -> None:
    long_ago = NOON - timedelta(days=900)
    gone = replace(each, expires_at=long_ago)
    asleep = replace(gone, status="stopped", stopped_at=long_ago)
    assert plan_sweep([gone, asleep], {"notes": frozenset({SEARCH})}, NOON) == []


MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))
RECORDS = st.lists(
    st.builds(
        lambda name, status, at, **more: record(
            name, status=status, stopped_at=at if status == "stopped" else None, **more
        ),
        st.sampled_from(["prod", "stage", "feature/a", "feature/a/b", "feature/c", "tagged/1"]),
        st.sampled_from(["new", "running", "stopped"]),
        MOMENTS,
        tier=st.sampled_from(["production", "staging", "development"]),
        expires_at=st.none() | MOMENTS,
        keep=st.integers(1, 900 * DAY),
        project=st.sampled_from(["notes", "shop"]),
    ),
    unique_by=lambda each: (each.project, each.name),
)
REFS = st.dictionaries(
    st.sampled_from(["notes", "shop"]),
    st.frozensets(st.sampled_from([Ref("branch", f"feature/{name}") for name in ("a", "c")])),
)


@given(RECORDS, REFS, MOMENTS)
def test_only_what_is_over_is_due(
    records: Sequence[EnvironmentRecord], refs: dict[str, frozenset[Ref]], now: datetime
) -> None:
    for each in plan_sweep(records, refs, now):
        known = each.record
        assert known.tier != "production"
        assert "/" in known.name
        if each.action == "remove":
            assert known.status == "stopped"
            assert known.stopped_at
            assert now - known.stopped_at >= timedelta(seconds=known.keep)
            continue
        assert known.status != "stopped"
        has_gone = Ref("branch", known.ref_name) not in refs.get(known.project, ())
        has_expired = known.expires_at is not None and known.expires_at <= now
        assert has_expired or (known.project in refs and has_gone)


@given(RECORDS, REFS, MOMENTS)
def test_after_what_is_due_nothing_is_due(
    records: Sequence[EnvironmentRecord], refs: dict[str, frozenset[Ref]], now: datetime
) -> None:
    plan = {id(each.record): each for each in plan_sweep(records, refs, now)}
    after = [
        replace(each, status="stopped", stopped_at=now) if id(each) in plan else each
        for each in records
        if id(each) not in plan or plan[id(each)].action == "stop"
    ]
    assert plan_sweep(after, refs, now) == []
    # And whoever is swept at this moment has all of its time left.
    later = now + timedelta(seconds=min((each.keep for each in after), default=1) - 1)
    swept = [each for each in after if each.stopped_at == now]
    assert plan_sweep(swept, refs, later) == []
