"""How many environments of a kind may run, and which stops for another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junov.config.kinds import Tier
from junov.delivery.limit import Places, places_for
from junov.errors import StageError
from junov.journal import EnvironmentRecord, Status
from tests.unit.records import NOON, record

NEW = record("feature/new").environment


def up(*names: str, tier: Tier = "development") -> list[EnvironmentRecord]:
    """Environments that run, the least recently used first."""
    return [
        record(name, tier=tier, used_at=NOON + timedelta(minutes=minute))
        for minute, name in enumerate(names)
    ]


def stopped_for(places: Places) -> list[str]:
    places.require()
    return [each.name for each in places.stops]


def test_within_the_limit_nothing_stops_and_nothing_is_said() -> None:
    places = places_for(NEW, 3, up("feature/a"))
    assert (stopped_for(places), places.warning) == ([], "")
    unlimited = places_for(NEW, None, up("feature/a", "feature/b"))
    assert (stopped_for(unlimited), unlimited.warning) == ([], "")


def test_reaching_the_limit_warns_of_the_one_that_is_next() -> None:
    places = places_for(NEW, 3, up("feature/a", "feature/b"))
    assert stopped_for(places) == []
    assert "limit of 3" in places.warning
    assert "the next one would stop feature/a" in places.warning


def test_one_more_stops_the_least_recently_used() -> None:
    places = places_for(NEW, 2, reversed(up("feature/a", "feature/b")))
    assert stopped_for(places) == ["feature/a"]
    assert "would stop feature/b" in places.warning


def test_a_limit_of_one_is_the_one_that_came_last() -> None:
    places = places_for(NEW, 1, up("feature/a"))
    assert stopped_for(places) == ["feature/a"]
    assert "would stop feature/new" in places.warning


def test_a_limit_that_was_lowered_stops_as_many_as_it_takes() -> None:
    assert stopped_for(places_for(NEW, 2, up("feature/a", "feature/b", "feature/c"))) == [
        "feature/a",
        "feature/b",
    ]


def test_one_that_runs_already_needs_no_place() -> None:
    places = places_for(NEW, 2, [*up("feature/a", "feature/b", "feature/c"), record(NEW.name)])
    assert (stopped_for(places), places.warning) == ([], "")


def test_one_that_was_stopped_counts_as_new() -> None:
    itself = record(NEW.name, status="stopped")
    assert stopped_for(places_for(NEW, 1, [*up("feature/a"), itself])) == ["feature/a"]


@pytest.mark.parametrize("status", ["stopped", "removing"])
def test_what_does_not_run_takes_no_place(status: Status) -> None:
    assert stopped_for(places_for(NEW, 1, [record("feature/a", status=status)])) == []


def test_one_whose_first_delivery_is_under_way_takes_a_place() -> None:
    assert stopped_for(places_for(NEW, 1, [record("feature/a", status="new")])) == ["feature/a"]


def test_other_kinds_and_projects_do_not_count() -> None:
    others = [record("review/a"), record("stage"), record("feature/a", project="shop")]
    assert stopped_for(places_for(NEW, 1, others)) == []


@pytest.mark.parametrize("tier", ["production", "staging"])
def test_what_is_not_stopped_for_another_keeps_it_out(tier: Tier) -> None:
    new = record("release/3", tier=tier).environment
    reached = places_for(new, 2, up("release/1", tier=tier))
    reached.require()
    assert "the next one would be refused" in reached.warning
    with pytest.raises(StageError, match=r"its limit of 2 allows \(release/1, release/2\)") as e:
        places_for(new, 2, up("release/1", "release/2", tier=tier)).require()
    assert "raise `limit` of release" in e.value.remedy


def test_the_only_one_of_its_kind_is_never_stopped_nor_warned_of() -> None:
    # Its kind was a pattern, or is one now: what has the kind's own name lasts.
    lasting = record("feature", used_at=NOON - timedelta(days=1))
    assert stopped_for(places_for(NEW, 2, [lasting, *up("feature/a")])) == ["feature/a"]
    assert places_for(record("stage").environment, 1, []).warning == ""


MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))
RECORDS = st.lists(
    st.builds(
        record,
        st.sampled_from([*(f"feature/{letter}" for letter in "abcdef"), "feature", "stage"]),
        tier=st.sampled_from(["development", "testing", "staging", "production"]),
        status=st.sampled_from(["new", "running", "stopped"]),
        used_at=MOMENTS,
    ),
    unique_by=lambda each: each.name,
)


@given(RECORDS, st.integers(1, 7), st.sampled_from("abcxyz"))
def test_afterwards_no_more_run_than_may(
    records: Sequence[EnvironmentRecord], limit: int, letter: str
) -> None:
    new = record(f"feature/{letter}").environment
    ran = {each.name for each in records if each.is_up and each.kind == "feature"}
    places = places_for(new, limit, records)
    try:
        stops = set(stopped_for(places))
    except StageError:
        assert len(ran | {new.name}) > limit
        return
    assert stops <= ran - {new.name}
    assert new.name in ran or len((ran | {new.name}) - stops) <= limit
    # No more than it takes, and nobody who was used later than somebody who may go on.
    assert not stops or len((ran | {new.name}) - stops) == limit
    going_on = [each for each in places.may_stop if each.name not in stops]
    assert all(
        gone.used_at <= each.used_at for gone in places.may_stop[: len(stops)] for each in going_on
    )
    assert not any(
        each.name in stops and (each.tier in ("staging", "production") or each.is_lasting)
        for each in records
    )
