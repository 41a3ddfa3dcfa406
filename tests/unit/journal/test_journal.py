"""What happened, as the journal tells it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from junov.environments import Environment, Ref, identify
from junov.errors import NotFoundError
from junov.journal import Journal, JournalError, Outcome, TakenError
from junov.secret import Secret

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
    assert (ended.started_at, ended.seconds) == (NOON, 12.5)
    assert journal.last_release(environment()) == ended


def test_a_delivery_makes_the_environment_run_and_live_longer(
    journal: Journal, clock: Clock
) -> None:
    feature = environment("feature/search")
    journal.register(feature)
    clock.move(days=3)
    deliver(journal, feature, "c1", "failed")
    record = journal.environment("notes", feature.name)
    assert (record.status, record.expires_at) == ("new", NOON + timedelta(days=7))
    deliver(journal, feature, "c2")
    record = journal.environment("notes", feature.name)
    assert (record.status, record.expires_at) == ("running", NOON + timedelta(days=10))
    assert not record.has_expired(NOON + timedelta(days=9))
    assert record.has_expired(NOON + timedelta(days=10))


def test_a_release_ends_once(journal: Journal) -> None:
    journal.register(environment())
    release = journal.begin_release(environment(), commit="c1", image=IMAGE, who="anna")
    journal.end_release(release, "superseded")
    with pytest.raises(JournalError, match="release 1 has ended already: it was superseded"):
        journal.end_release(release, "succeeded")
    assert journal.last_release(environment(), "succeeded") is None
    assert journal.environment("notes", "prod").status == "new"
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


def test_a_release_needs_a_registered_environment(journal: Journal) -> None:
    with pytest.raises(NotFoundError, match="no environment prod of project notes") as error:
        journal.begin_release(environment(), commit="c1", image=IMAGE, who="anna")
    assert "junov env ls" in error.value.remedy
    with pytest.raises(NotFoundError):
        journal.environment("notes", "prod")
    with pytest.raises(NotFoundError):
        journal.set_status(environment(), "stopped")
    assert journal.releases(environment()) == []


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


def test_a_status_is_kept(journal: Journal) -> None:
    journal.register(environment())
    assert journal.set_status(environment(), "stopped").status == "stopped"
    assert journal.environment("notes", "prod").status == "stopped"


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
