"""What happened, as the journal tells it."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import FrozenInstanceError, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from junov.errors import NotFoundError
from junov.journal import Journal, Outcome, TakenError
from junov.secret import Secret
from tests.unit.journal.conftest import DAY, IMAGE, NOON, Clock, deliver, environment


def test_an_environment_is_known_by_what_it_was_registered_as(journal: Journal) -> None:
    feature = environment("feature/search")
    record = journal.register(feature)

    assert record == journal.environment("notes", "feature/search")
    assert record.identity == feature.identity
    assert record.environment == feature
    assert (record.database, record.network, record.stack) == (
        feature.identity.database,
        feature.identity.network,
        feature.identity.stack,
    )
    assert record.status == "new"
    assert record.created_at == NOON
    assert record.expires_at == NOON + timedelta(days=7)
    with pytest.raises(FrozenInstanceError):
        record.status = "running"  # type: ignore[misc]


def test_registering_again_changes_what_changed_and_keeps_the_rest(
    journal: Journal, clock: Clock
) -> None:
    first = journal.register(environment("feature/search"))
    deliver(journal, environment("feature/search"), "c1")
    clock.move(hours=1)

    moved = environment("feature/search", host="search.example.com", expires=DAY)
    again = journal.register(moved)

    assert (again.id, again.created_at, again.status) == (first.id, NOON, "running")
    assert again.host == "search.example.com"
    assert again.expires_at == NOON + timedelta(days=1)  # counted from the last delivery
    assert journal.register(replace(moved, expires=None)).expires_at is None
    assert len(journal.environments()) == 1


def test_environments_are_listed_by_project_and_name(journal: Journal) -> None:
    for project, name in (("shop", "prod"), ("notes", "stage"), ("notes", "prod")):
        journal.register(environment(name, project))
    assert [(e.project, e.name) for e in journal.environments()] == [
        ("notes", "prod"),
        ("notes", "stage"),
        ("shop", "prod"),
    ]
    assert [e.name for e in journal.environments("notes")] == ["prod", "stage"]
    assert journal.environments("nobody") == []


def test_an_environment_whose_project_is_not_said_has_to_be_one_projects_alone(
    journal: Journal,
) -> None:
    for project, name in (("shop", "prod"), ("notes", "prod"), ("notes", "stage")):
        journal.register(environment(name, project))
    assert journal.environment(None, "stage").project == "notes"
    with pytest.raises(NotFoundError) as error:
        journal.environment(None, "prod")
    assert error.value.message == "several projects have an environment prod: notes, shop"
    assert "--project" in error.value.remedy
    with pytest.raises(NotFoundError, match=r"knows no environment qa$"):
        journal.environment(None, "qa")


def test_a_host_belongs_to_one_environment_of_the_server(journal: Journal) -> None:
    prod = environment("prod")
    journal.register(prod)
    thief = environment("stage", "shop", host=prod.host)
    with pytest.raises(TakenError) as error:
        journal.register(thief)
    assert f"the host {prod.host} belongs to environment prod of project notes" in str(error.value)
    assert "junov env rm prod" in error.value.remedy
    assert [e.name for e in journal.environments()] == ["prod"]

    journal.forget(prod)
    journal.register(thief)


def test_an_environment_cannot_move_to_a_taken_host(journal: Journal) -> None:
    prod, stage = environment("prod"), environment("stage")
    journal.register(prod)
    before = journal.register(stage)
    with pytest.raises(TakenError, match="the host"):
        journal.register(replace(stage, host=prod.host, expires=1))
    assert journal.environment("notes", "stage") == before


@pytest.mark.parametrize(
    ("what", "field"),
    [
        ("slug", "slug"),
        ("label", "label"),
        ("database", "database"),
        ("network", "network"),
        ("stack", "stack"),
    ],
)
def test_no_two_environments_share_a_name(journal: Journal, what: str, field: str) -> None:
    prod, stage = environment("prod"), environment("stage")
    journal.register(prod)
    forged = replace(stage.identity, **{field: getattr(prod.identity, field)})
    with pytest.raises(TakenError, match=f"the {what} .* belongs to environment prod"):
        journal.register(replace(stage, identity=forged))


def test_two_projects_may_each_have_a_prod(journal: Journal) -> None:
    journal.register(environment("prod", "notes"))
    journal.register(environment("prod", "shop"))
    assert len(journal.environments()) == 2


def test_a_delivery_makes_the_environment_run_and_live_longer(
    journal: Journal, clock: Clock
) -> None:
    feature = environment("feature/search")
    journal.register(feature)
    clock.move(days=3)
    deliver(journal, feature, "c1", "failed")
    record = journal.environment("notes", feature.name)
    assert (record.status, record.expires_at) == ("stopped", NOON + timedelta(days=7))
    deliver(journal, feature, "c2")
    record = journal.environment("notes", feature.name)
    assert (record.status, record.expires_at) == ("running", NOON + timedelta(days=10))
    assert not record.has_expired(NOON + timedelta(days=9))
    assert record.has_expired(NOON + timedelta(days=10))


def test_a_release_needs_a_registered_environment(journal: Journal) -> None:
    with pytest.raises(NotFoundError, match="no environment prod of project notes") as error:
        journal.begin_release(environment(), commit="c1", image=IMAGE, who="anna")
    assert "junov env ls" in error.value.remedy
    with pytest.raises(NotFoundError):
        journal.environment("notes", "prod")
    with pytest.raises(NotFoundError):
        journal.set_status(environment(), "stopped")
    assert journal.releases(environment()) == []


def test_forgetting_removes_releases_and_keeps_events(journal: Journal) -> None:
    journal.register(environment())
    release = journal.begin_release(environment(), commit="c1", image=IMAGE, who="anna")
    step = journal.step_started(release, "network")
    journal.event("removed", who="anna", environment=environment(), detail="and its database")

    assert journal.forget(environment()) is True
    assert journal.forget(environment()) is False
    assert (journal.environments(), journal.releases(environment())) == ([], [])
    assert journal.steps(release) == []
    for attempt in (
        lambda: journal.end_release(release, "succeeded"),
        lambda: journal.step_done(step),
        lambda: journal.step_started(release, "migrate"),
    ):
        with pytest.raises(NotFoundError, match="was removed meanwhile"):
            attempt()
    assert [e.what for e in journal.events(environment())] == ["removed"]

    journal.register(environment())
    assert deliver(journal, environment(), "c2") == 1


def test_events_are_told_newest_first(journal: Journal, clock: Clock) -> None:
    journal.event("server up", who="root")
    clock.move(minutes=1)
    journal.event("stopped", who="anna", environment=environment())
    journal.event("stopped", who="boris", environment=environment("stage"), detail="for the night")

    assert [(e.what, e.environment, e.who) for e in journal.events()] == [
        ("stopped", "stage", "boris"),
        ("stopped", "prod", "anna"),
        ("server up", "", "root"),
    ]
    (only,) = journal.events(environment())
    assert (only.at, only.project) == (NOON + timedelta(minutes=1), "notes")
    assert [e.detail for e in journal.events(limit=1)] == ["for the night"]


def test_a_stopped_environment_has_been_so_since_it_was_stopped_first(
    journal: Journal, clock: Clock
) -> None:
    feature = environment("feature/search")
    journal.register(feature, keep=2 * DAY)
    deliver(journal, feature, "c1")
    clock.move(days=1)
    journal.set_status(feature, "stopped")
    clock.move(days=1)
    stopped = journal.set_status(feature, "stopped")
    assert stopped == journal.environment("notes", feature.name)
    assert (stopped.status, stopped.is_up) == ("stopped", False)
    assert stopped.stopped_at == NOON + timedelta(days=1)
    assert stopped.removable_at == NOON + timedelta(days=3)
    assert stopped.used_at == NOON


def test_a_start_gives_it_the_whole_time_again(journal: Journal, clock: Clock) -> None:
    feature = environment("feature/search")
    journal.register(feature)
    deliver(journal, feature, "c1")
    journal.set_status(feature, "stopped")
    clock.move(days=8)
    about_to = journal.set_status(feature, "new")
    assert (about_to.status, about_to.stopped_at, about_to.used_at) == ("new", None, clock.at)
    started = journal.set_status(feature, "running")
    assert (started.status, started.stopped_at, started.removable_at) == ("running", None, None)
    assert started.used_at == clock.at
    assert started.expires_at == clock.at + timedelta(days=7)
    # A deploy that fails takes none of it away.
    journal.register(feature)
    deliver(journal, feature, "c2", "failed")
    record = journal.environment("notes", feature.name)
    assert (record.status, record.expires_at) == ("running", started.expires_at)


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "cancelled", "superseded"])
def test_one_that_comes_back_is_up_until_its_delivery_has_ended(
    journal: Journal, clock: Clock, outcome: Outcome
) -> None:
    feature = environment("feature/search")
    journal.register(feature)
    deliver(journal, feature, "c1")
    journal.set_status(feature, "stopped")
    clock.move(days=1)
    back = journal.register(feature)
    assert (back.status, back.is_up, back.stopped_at) == ("new", True, None)
    deliver(journal, feature, "c2", outcome)
    record = journal.environment("notes", feature.name)
    if outcome == "succeeded":
        assert (record.status, record.stopped_at) == ("running", None)
    else:
        assert (record.status, record.stopped_at) == ("stopped", clock.at)


def test_how_long_data_is_kept_is_remembered_until_a_deploy_says_otherwise(
    journal: Journal,
) -> None:
    feature = environment("feature/search")
    assert journal.register(feature).keep == 7 * DAY
    assert journal.register(feature, keep=DAY).keep == DAY
    assert journal.register(feature).keep == DAY
    assert journal.register(feature, keep=3 * DAY).keep == 3 * DAY


@pytest.mark.parametrize("name", ["prod", "stage"])
def test_what_lasts_is_kept_for_ever(journal: Journal, name: str) -> None:
    journal.register(environment(name))
    assert journal.set_status(environment(name), "stopped").removable_at is None


def test_what_could_not_be_registered_is_told_before(journal: Journal) -> None:
    prod = environment("prod")
    journal.register(prod)
    journal.refuse_taken(prod)
    with pytest.raises(TakenError, match="the host"):
        journal.refuse_taken(environment("stage", "shop", host=prod.host))
    assert len(journal.environments()) == 1


def test_times_are_stored_in_utc(tmp_path: Path) -> None:
    from datetime import timezone

    there = datetime(2026, 11, 23, 15, 0, 0, 123456, timezone(timedelta(hours=3)))
    with Journal(tmp_path / "journal.db", now=lambda: there) as journal:
        journal.event("server up", who="root")
        (event,) = journal.events()
    stored = sqlite3.connect(tmp_path / "journal.db")
    ((text,),) = stored.execute("SELECT at FROM events").fetchall()
    stored.close()
    assert text == "2026-11-23T12:00:00.123+00:00"
    assert event.at == NOON.replace(microsecond=123000)


def test_the_overview_has_the_last_and_the_live_release_of_each(journal: Journal) -> None:
    for name in ("empty", "prod", "stage"):
        journal.register(environment(name))
    deliver(journal, environment("prod"), "c1")
    deliver(journal, environment("prod"), "c2", "failed")
    deliver(journal, environment("stage"), "c3", "failed")

    def commits() -> list[tuple[str, str | None, str | None]]:
        return [
            (
                o.environment.name,
                o.last.commit if o.last else None,
                o.live.commit if o.live else None,
            )
            for o in journal.overview("notes")
        ]

    assert commits() == [("empty", None, None), ("prod", "c2", "c1"), ("stage", "c3", None)]
    (prod,) = [o for o in journal.overview() if o.environment.name == "prod"]
    assert prod.environment == journal.environment("notes", "prod")
    assert (prod.last, prod.live) == (
        journal.last_release(environment("prod")),
        journal.last_release(environment("prod"), "succeeded"),
    )
    assert journal.overview("shop") == []


def test_twenty_environments_are_read_by_one_query_in_no_time(journal: Journal) -> None:
    for number in range(20):
        feature = environment(f"feature/{number}")
        journal.register(feature)
        for attempt in range(25):
            deliver(journal, feature, f"c{attempt}", "failed" if attempt % 3 else "succeeded")
    asked: list[str] = []
    with journal.read() as db:
        db.set_trace_callback(asked.append)
    assert len(journal.overview()) == 20
    assert len(asked) == 1

    times = []
    for _ in range(20):
        begun = time.perf_counter()
        journal.overview()
        times.append(time.perf_counter() - begun)
    assert min(times) < 0.005


def test_a_secret_never_gets_in(journal: Journal) -> None:
    journal.register(environment())
    secret = Secret("hunter2hunter2")
    release = journal.begin_release(environment(), commit="c1", image=IMAGE, who="anna")
    for attempt in (
        lambda: journal.end_release(release, "failed", error=secret),  # type: ignore[arg-type]
        lambda: journal.event("x", who="anna", detail=secret),  # type: ignore[arg-type]
    ):
        with pytest.raises(sqlite3.Error, match="type 'Secret' is not supported"):
            attempt()
    journal.event("x", who="anna", detail=f"password {secret}")
    journal.close()
    data = b"".join(path.read_bytes() for path in journal.path.parent.iterdir())
    assert secret.reveal().encode() not in data
    with Journal(journal.path) as other:
        assert other.last_release(environment()) == release  # nothing was half written
