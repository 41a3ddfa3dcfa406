"""Which of the databases that were replaced are to go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from junov.config.project import Kept
from junov.databases import DatabaseInfo, Stamp
from junov.delivery.generations import outdated

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
STAMP = Stamp("junov", "notes", "stage", NOON)


def kept(generation: int, hours_ago: float, gigabytes: int = 1) -> DatabaseInfo:
    name = f"notes_stage.{generation}"
    since = NOON - timedelta(hours=hours_ago)
    return DatabaseInfo(name, STAMP.as_kind("kept", since), gigabytes * 10**9, 0, name)


@pytest.mark.parametrize(
    ("limits", "gone"),
    [
        ({}, []),
        ({"count": 2}, [4]),
        ({"count": 1}, [3, 4]),
        ({"time": "5h"}, [4]),
        ({"time": "1h"}, [3, 4]),
        ({"gigabytes": 11}, [4]),
        ({"gigabytes": 1}, [3, 4]),
    ],
)
def test_what_is_too_old_too_many_or_too_large_goes_and_the_last_one_stays(
    limits: dict[str, object], gone: list[int]
) -> None:
    # The one that was replaced last need not be the newest: an undo brings an older one back.
    all_of_them = [kept(3, 4), kept(2, 2, gigabytes=10), kept(4, 6)]
    found = outdated(all_of_them, Kept.model_validate({"count": 3, **limits}), NOON)
    assert [each.name for each in found] == [f"notes_stage.{number}" for number in gone]


def test_where_nothing_is_kept_nothing_goes() -> None:
    assert outdated([], Kept(), NOON) == []
