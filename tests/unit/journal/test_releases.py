"""Releases and their steps, as the journal tells them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from junov.errors import NotFoundError
from junov.journal import Journal, JournalError, Outcome
from tests.unit.journal.conftest import IMAGE, NOON, Clock, deliver, environment


def test_releases_are_numbered_in_their_environment(journal: Journal) -> None:
    for name in ("prod", "stage"):
        journal.register(environment(name))
    assert [deliver(journal, environment("prod"), f"c{n}") for n in range(3)] == [1, 2, 3]
    assert deliver(journal, environment("stage"), "c9") == 1
    assert [r.number for r in journal.releases(environment("prod"))] == [3, 2, 1]
    assert [r.commit for r in journal.releases(environment("prod"), limit=2)] == ["c2", "c1"]


def test_a_release_tells_all_that_is_known_of_it(
    journal: Journal, clock: Clock, tmp_path: Path
) -> None:
    journal.register(environment())
    begun = journal.begin_release(
        environment(),
        commit="c" * 40,
        image=IMAGE,
        who="anna",
        subject="Add search — наконец",
        author="Борис",
        committed_at=datetime(2026, 11, 22, 18, 30, tzinfo=timezone(timedelta(hours=3))),
        debug_image=IMAGE.replace("a", "b"),
    )
    assert (begun.outcome, begun.ended_at, begun.seconds, begun.stack_file) == (
        *("running", None, None),
        None,
    )
    assert begun.digest == "sha256:" + "a" * 64
    placed = journal.set_stack_file(begun, tmp_path / "stack.yaml")
    clock.move(seconds=12.5)
    ended = journal.end_release(begun, "failed", error="alembic ended with exit code 1")

    assert placed.stack_file == ended.stack_file == tmp_path / "stack.yaml"
    assert (ended.subject, ended.author, ended.who) == ("Add search — наконец", "Борис", "anna")
    assert (ended.outcome, ended.error) == ("failed", "alembic ended with exit code 1")
    assert ended.committed_at == NOON - timedelta(hours=20, minutes=30)
    assert (ended.started_at, ended.seconds) == (NOON, 12.5)
    assert (ended.restores, ended.origin, ended.schema_heads) == (None, 1, ())
    assert journal.last_release(environment()) == ended


def test_a_release_ends_once(journal: Journal) -> None:
    journal.register(environment())
    release = journal.begin_release(environment(), commit="c1", image=IMAGE, who="anna")
    journal.end_release(release, "superseded")
    with pytest.raises(JournalError, match="release 1 has ended already: it was superseded"):
        journal.end_release(release, "succeeded")
    assert journal.last_release(environment(), "succeeded") is None
    assert journal.environment("notes", "prod").status == "stopped"
    with pytest.raises(ValueError, match="doesn't end"):
        journal.end_release(release, "running")


def test_the_last_release_of_an_outcome_is_found(journal: Journal) -> None:
    journal.register(environment())
    assert journal.last_release(environment()) is None
    outcomes: tuple[Outcome, ...] = ("succeeded", "succeeded", "failed")
    for number, outcome in enumerate(outcomes, start=1):
        deliver(journal, environment(), f"c{number}", outcome)
    journal.begin_release(environment(), commit="c4", image=IMAGE, who="anna")

    def last(outcome: Outcome | None = None) -> str | None:
        release = journal.last_release(environment(), outcome)
        return release.commit if release else None

    assert (last(), last("running")) == ("c4", "c4")
    assert (last("succeeded"), last("failed"), last("cancelled")) == ("c2", "c3", None)


def test_steps_tell_how_far_a_release_came(journal: Journal, clock: Clock) -> None:
    journal.register(environment())
    release = journal.begin_release(environment(), commit="c1", image=IMAGE, who="anna")
    network = journal.step_started(release, "network")
    clock.move(seconds=0.25)
    journal.step_done(network, "10.213.0.32/27")
    migrate = journal.step_started(release, "migrate")
    clock.move(seconds=2)
    journal.step_failed(migrate, "exit code 1")
    journal.step_started(release, "migrate")

    # What another process finds after a kill.
    with Journal(journal.path) as other:
        steps = other.steps(release)
    assert [(s.position, s.name, s.state, s.seconds, s.detail) for s in steps] == [
        (1, "network", "done", 0.25, "10.213.0.32/27"),
        (2, "migrate", "failed", 2.0, "exit code 1"),
        (3, "migrate", "started", None, ""),
    ]


def test_a_rollback_runs_an_older_releases_stack(journal: Journal) -> None:
    journal.register(environment())
    for number in range(3):
        deliver(journal, environment(), f"c{number}")
    back = journal.begin_release(environment(), commit="c0", image=IMAGE, who="anna", restores=1)
    assert (back.number, back.restores, back.origin, back.committed_at) == (4, 1, 1, None)
    again = journal.begin_release(
        environment(), commit="c0", image=IMAGE, who="anna", restores=back.origin
    )
    assert (again.number, again.origin) == (5, 1)
    journal.end_release(again, "succeeded")
    assert journal.last_release(environment(), "succeeded") == journal.release(environment(), 5)


def test_the_heads_of_the_schema_are_kept(journal: Journal) -> None:
    journal.register(environment())
    release = journal.begin_release(environment(), commit="c1", image=IMAGE, who="anna")
    assert journal.set_schema_heads(release, ["1a2b", "head with space"]).schema_heads == (
        *("1a2b", "head with space"),
    )
    journal.end_release(release, "succeeded")
    (overview,) = journal.overview()
    assert overview.live
    assert overview.live.schema_heads == ("1a2b", "head with space")
    assert journal.set_schema_heads(release, ()).schema_heads == ()


def test_a_measured_time_goes_before_the_moments(journal: Journal, clock: Clock) -> None:
    journal.register(environment())
    release = journal.begin_release(environment(), commit="c1", image=IMAGE, who="anna")
    done, failed = (journal.step_started(release, name) for name in ("migrate", "ready"))
    clock.move(hours=-1)  # as NTP does to a machine whose clock was ahead
    assert journal.step_done(done, seconds=0.75).seconds == 0.75
    assert journal.step_failed(failed, "exit code 1", seconds=2).seconds == 2.0
    assert journal.end_release(release, "failed", seconds=3.25).seconds == 3.25
    assert journal.steps(release)[0].seconds == 0.75


def test_no_time_is_below_zero_though_the_clock_was_set_back(
    journal: Journal, clock: Clock
) -> None:
    journal.register(environment())
    release = journal.begin_release(environment(), commit="c1", image=IMAGE, who="anna")
    step = journal.step_started(release, "migrate")
    clock.move(hours=-1)
    assert journal.step_done(step).seconds == 0
    assert journal.end_release(release, "succeeded").seconds == 0


def test_a_release_is_found_by_its_number(journal: Journal) -> None:
    for name in ("prod", "stage"):
        journal.register(environment(name))
    journal.begin_release(environment("stage"), commit="other", image=IMAGE, who="anna")
    for number in range(3):
        deliver(journal, environment(), f"c{number}")
    for least in (5, 7):
        journal.begin_release(environment(), commit="c", image=IMAGE, who="anna", at_least=least)
    assert journal.release(environment(), 2).commit == "c1"

    with pytest.raises(NotFoundError) as error:
        journal.release(environment(), 4)
    assert error.value.message == "prod has no release 4; there are 1-3, 5, 7"
    assert "junov releases prod" in error.value.remedy


def test_a_release_of_nothing_delivered_is_not_found(journal: Journal) -> None:
    with pytest.raises(NotFoundError, match="no environment prod of project notes"):
        journal.release(environment(), 1)
    journal.register(environment())
    with pytest.raises(NotFoundError, match="nothing was delivered to it yet"):
        journal.release(environment(), 1)


def test_what_was_cut_short_is_found_oldest_first(journal: Journal) -> None:
    for name in ("prod", "stage"):
        journal.register(environment(name))
    assert journal.cut_short(environment()) == []
    outcomes: tuple[Outcome, ...] = ("succeeded", "running", "failed", "running", "cancelled")
    for number, outcome in enumerate(outcomes):
        release = journal.begin_release(environment(), commit=f"c{number}", image=IMAGE, who="anna")
        if outcome != "running":
            journal.end_release(release, outcome)
    journal.begin_release(environment("stage"), commit="other", image=IMAGE, who="anna")
    assert [r.commit for r in journal.cut_short(environment())] == ["c1", "c3"]


def test_what_was_delivered_since_a_moment_is_what_ended_later(
    journal: Journal, clock: Clock
) -> None:
    for name in ("prod", "stage"):
        journal.register(environment(name))
    deliver(journal, environment(), "before")
    begun_before = journal.begin_release(environment(), commit="c1", image=IMAGE, who="anna")
    clock.move(minutes=1)
    journal.end_release(begun_before, "succeeded")
    deliver(journal, environment(), "c2", "failed")
    deliver(journal, environment("stage"), "other")
    clock.move(seconds=0.001)
    deliver(journal, environment(), "c3")

    def since(moment: datetime) -> list[str]:
        return [r.commit for r in journal.delivered_since(environment(), moment)]

    assert since(NOON) == ["c3", "c1"]
    assert since(NOON + timedelta(minutes=1)) == ["c3"]
    # The same moment, as a person three hours to the east writes it.
    assert since((NOON + timedelta(minutes=1)).astimezone(timezone(timedelta(hours=3)))) == ["c3"]
    assert since(clock.at) == []


def test_the_stack_files_that_run_an_image_are_found_on_the_whole_server(
    journal: Journal, tmp_path: Path
) -> None:
    other = IMAGE.replace("a" * 64, "b" * 64)
    for name in ("prod", "stage"):
        journal.register(environment(name))

    def begin(name: str, image: str, file: str | None, debug_image: str = "") -> None:
        journal.begin_release(
            environment(name),
            commit="c",
            image=image,
            debug_image=debug_image,
            who="anna",
            stack_file=tmp_path / file if file else None,
        )

    begin("stage", IMAGE, "stage/1")
    begin("prod", IMAGE, "prod/1")
    begin("prod", IMAGE, None)
    begin("prod", other, "prod/3", debug_image=IMAGE)
    begin("prod", IMAGE, "prod/1")
    assert journal.stack_files_with(IMAGE) == [tmp_path / "stage/1", tmp_path / "prod/1"]
    assert journal.stack_files_with(other) == [tmp_path / "prod/3"]
    assert journal.stack_files_with(IMAGE[:-1]) == []
    journal.forget(environment("prod"))
    assert journal.stack_files_with(IMAGE) == [tmp_path / "stage/1"]
