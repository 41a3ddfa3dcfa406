"""The stamp: what is written is what is read, and nothing else is taken for one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junov.databases.stamp import Kind, Stamp, StampMismatchError, read_stamp

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PROD = Stamp("junov", "notes", "prod", NOON)


@given(st.text(), st.booleans())
def test_what_is_written_is_read(environment: str, filled: bool) -> None:
    stamp = Stamp("junov", "notes", environment, NOON, filled)
    assert read_stamp(stamp.to_comment()) == stamp


@pytest.mark.parametrize("kind", ["new", "live", "kept"])
def test_what_it_is_to_its_environment_is_read_as_well(kind: Kind) -> None:
    stamp = PROD.as_kind(kind, NOON + timedelta(microseconds=7))
    assert read_stamp(stamp.to_comment()) == stamp
    assert stamp.matches(PROD)


def test_a_stamp_of_before_there_were_kinds_is_of_a_live_one() -> None:
    data = json.loads(PROD.to_comment())
    del data["kind"], data["since"]
    assert read_stamp(json.dumps(data)) == PROD


def test_the_time_is_kept_in_utc() -> None:
    there = timezone(timedelta(hours=3))
    stamp = Stamp("junov", "notes", "prod", NOON.astimezone(there))
    assert json.loads(stamp.to_comment())["created_at"] == "2026-11-23T12:00:00+00:00"


@pytest.mark.parametrize(
    "comment",
    [
        None,
        "",
        "the database of the notes project, ask Anna",
        "null",
        "[]",
        '{"server": "junov", "project": "notes", "environment": "prod"}',
        PROD.to_comment().replace('"junov": 1', '"junov": 2'),
        PROD.to_comment().replace("2026-11-23", "last week"),
        PROD.to_comment().replace('"live"', '"lively"'),
        PROD.to_comment()[:-1],
    ],
)
def test_anything_else_is_no_stamp(comment: str | None) -> None:
    assert read_stamp(comment) is None


def test_only_the_environment_is_compared() -> None:
    later = Stamp("junov", "notes", "prod", NOON + timedelta(days=3), filled=True)
    assert PROD.matches(later)
    assert not PROD.matches(Stamp("junov", "notes", "stage", NOON))
    assert not PROD.matches(None)


def test_a_mismatch_says_what_was_found_and_expected() -> None:
    stage = Stamp("junov", "notes", "stage", NOON)
    error = StampMismatchError("the database notes_prod", expected=stage, found=PROD)
    assert error.message == (
        "the database notes_prod belongs to environment prod of project notes on server junov, "
        "expected environment stage of project notes on server junov; nothing was changed"
    )
    assert error.remedy
    nobody = StampMismatchError("the role notes_prod", expected=stage, found=None)
    assert "has no stamp of junov's" in nobody.message
