"""A journal of the test's own with a clock that stands still, and what is put into it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from junov.environments import Environment, Ref, identify
from junov.journal import Journal, Outcome

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = 86400
IMAGE = "127.0.0.1:5010/notes@sha256:" + "a" * 64


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(tmp_path: Path, clock: Clock) -> Iterator[Journal]:
    with Journal(tmp_path / "home" / "journal.db", now=clock) as journal:
        yield journal


def environment(name: str = "prod", project: str = "notes", **changes: object) -> Environment:
    identity = identify(project, name)
    made = Environment(
        identity=identity,
        kind=name.partition("/")[0],
        tier="production" if name == "prod" else "development",
        ref=Ref("branch", "main" if name == "prod" else name),
        host=f"{identity.slug}.{project}.example.com",
        image_tag="main" if name == "prod" else identity.label,
        expires=None if name == "prod" else 7 * DAY,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def deliver(journal: Journal, env: Environment, commit: str, outcome: Outcome = "succeeded") -> int:
    release = journal.begin_release(env, commit=commit, image=IMAGE, who="anna")
    return journal.end_release(release, outcome).number
