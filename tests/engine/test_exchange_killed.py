"""Exchanges of databases that are killed, anywhere: no visitor notices, and nothing is lost.

`make test` runs the short form of this, `make soak` the whole of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from junov.databases.checksums import TableSum
from tests.engine.stage import FIXTURES, Stage, Sums
from tests.engine.test_concurrency import begun
from tests.engine.visitor import visited
from tests.waiting import until

Next = tuple[str, ...]

REPAIR: Next = ("env", "repair", "stage")
DEPLOY: Next = ("deploy", "dev")
RESET: Next = ("reset", "stage", "--yes")

WRITE_STAMP = "call:junov.databases.generations.write_stamp"
SETTLE = "call:junov.delivery.exchange.settle"
HALF_READ = "call:junov.delivery.backups.streams._Now.is_due:2:after"
"""The first piece of a file was read to check it, and then again into `pg_restore`."""


@dataclass(frozen=True)
class Command:
    """A command that gives stage another database.

    Args:
        argv: its words.
        brings: what is in that one, looked at before the command runs; None for fixtures.
    """

    argv: tuple[str, ...]
    brings: Callable[[Stage], Sums] | None = None


def replaced_last(stage: Stage) -> Sums:
    """What `db undo` brings back."""
    return stage.contents()[stage.kept_last()]


def of_production(stage: Stage) -> Sums:
    """What `db clone prod stage` copies."""
    return stage.contents("prod")[stage.live("prod")]


def of_the_newest_backup(stage: Stage) -> Sums:
    """What `db restore` brings back, as it was when the backup was made."""
    newest, *_ = json.loads(stage("db", "backups", "stage", "--json"))
    return {name: TableSum(**each) for name, each in newest["tables"].items()}


CLONE = Command(("db", "clone", "prod", "stage", "--yes"), of_production)
RESTORE = Command(("db", "restore", "stage", "--yes"), of_the_newest_backup)
UNDO = Command(("db", "undo", "stage", "--yes"), replaced_last)
FRESH = Command(RESET)


@dataclass(frozen=True)
class Point:
    """Where a command is killed, and what is run after it.

    Args:
        at: as `killing` takes it.
        is_new: whether the other database serves from then on.
        then: what sees to the rest.
        short: whether it belongs to the short form as well.
    """

    at: str
    is_new: bool
    then: Next = REPAIR
    short: bool = False


# From the switch on, all commands are the same; up to there each has steps of its own.
SWITCHED = [
    Point("before:verify", is_new=True, then=RESET),
    Point("before:background", is_new=True, then=DEPLOY),
    Point("before:retire", is_new=True),
    Point("before:keep", is_new=True, then=RESET),
    Point(f"{SETTLE}:2:after", is_new=True),
    Point("after:keep", is_new=True, then=DEPLOY),
    Point("after:prune", is_new=True),
]

POINTS: dict[Command, list[Point]] = {
    FRESH: [
        Point("before:pull", is_new=False),
        Point("before:database", is_new=False),
        Point("after:database", is_new=False, then=RESET),
        Point("after:fixtures", is_new=False, short=True),
        Point("before:web", is_new=False, then=DEPLOY),
        Point("after:web", is_new=False, then=RESET),
        Point("after:switch", is_new=True),
        Point(f"{WRITE_STAMP}:1:after", is_new=True, then=RESET, short=True),
        *SWITCHED,
    ],
    UNDO: [
        Point(f"{SETTLE}:1:after", is_new=False),
        Point("before:database", is_new=False, then=RESET),
        Point("after:database", is_new=False, short=True),
        Point("after:migrate", is_new=False, then=RESET),
        Point("after:web", is_new=False, then=DEPLOY),
        Point("after:switch", is_new=True, then=RESET, short=True),
        Point(f"{WRITE_STAMP}:1:after", is_new=True),
        *SWITCHED,
    ],
    CLONE: [
        Point("before:database", is_new=False),
        Point("before:copy", is_new=False, then=RESET),
        Point("call:junov.delivery.reset.copy_data:after", is_new=False, then=DEPLOY, short=True),
        Point("after:copy", is_new=False, then=RESET),
        Point("line:migrate:1", is_new=False),
        Point("after:web", is_new=False),
        Point("after:switch", is_new=True, then=DEPLOY, short=True),
        Point(f"{WRITE_STAMP}:1:after", is_new=True, then=RESET),
        *SWITCHED,
    ],
    RESTORE: [
        Point("after:file", is_new=False),
        Point("after:database", is_new=False, then=DEPLOY),
        Point(HALF_READ, is_new=False, then=RESET, short=True),
        Point("before:migrate", is_new=False),
        Point("after:web", is_new=False, then=RESET),
        Point("after:switch", is_new=True, then=RESET),
        Point(f"{WRITE_STAMP}:1:after", is_new=True, short=True),
        *SWITCHED,
    ],
}


def at_each(command: Command) -> pytest.MarkDecorator:
    """A test of each point; of those of the short form only, unless all are asked for."""
    points: Sequence[Point] = POINTS[command]
    return pytest.mark.parametrize(
        "point",
        [
            pytest.param(each, id=each.at, marks=() if each.short else pytest.mark.soak)
            for each in points
        ],
    )


@at_each(FRESH)
def test_a_reset(stage: Stage, point: Point) -> None:
    assert_nothing_is_lost(stage, FRESH, point)


@at_each(UNDO)
def test_an_undo(stage: Stage, point: Point) -> None:
    if "kept" not in stage.databases().values():
        stage(*RESET)
    assert_nothing_is_lost(stage, UNDO, point)


@at_each(CLONE)
def test_a_clone(stage: Stage, point: Point) -> None:
    stage.write(f"Before {point.at}", "prod")
    assert_nothing_is_lost(stage, CLONE, point)


@at_each(RESTORE)
def test_a_restore(stage: Stage, point: Point) -> None:
    stage.write(f"In the backup before {point.at}")
    stage.contents()  # once the worker has seen it
    stage("db", "backup", "stage")
    assert_nothing_is_lost(stage, RESTORE, point)


def test_nothing_of_a_clone_that_was_killed_goes_on_in_the_server(stage: Stage) -> None:
    stage.write("Only in production", "prod")
    before = stage.contents()
    with stage.session(stage.live("prod")) as somebody, stage.session("postgres") as watching:

        def copying() -> list[str]:
            dumps = (
                "SELECT wait_event_type FROM pg_stat_activity "
                "WHERE query LIKE 'LOCK TABLE %' AND usename <> current_user"
            )
            return [each for (each,) in watching.execute(dumps).fetchall()]

        with somebody.transaction():
            # As a migration of production's might: the copy waits, and junov dies meanwhile.
            somebody.execute("LOCK TABLE notes IN ACCESS EXCLUSIVE MODE")
            with begun(stage.shell, "junov", *CLONE.argv):
                until(lambda: copying() == ["Lock"], "the copy waits for the table")
            stage(*REPAIR)
            assert copying() == [], "what the next database of this name would be filled with"
    assert stage.contents() == before


def test_what_a_verification_has_left_goes_with_its_environment(stage: Stage) -> None:
    name = "feature/looked-at"
    stage.shell("git", "checkout", "--quiet", "-b", name, "main")
    stage("run", name)
    first = stage.live(name)
    stage("db", "backup", name)
    stage.kill("before:checksums", "db", "verify", name)
    assert f"{first}.verify" in stage.site.postgres.names()
    stage("env", "rm", name, "--yes")
    assert not [each for each in stage.site.postgres.names() if each.startswith(first)]


def assert_nothing_is_lost(stage: Stage, command: Command, point: Point) -> None:
    """Kill a command; the next one goes on without help, and each database has what it had.

    Either the old database serves or the other one, whole, and whoever reads notices nothing.
    """
    stage.write(f"Not to be lost at {point.at}")
    before, old = stage.contents(), stage.live()
    brings = command.brings(stage) if command.brings else None
    with visited(stage.target, "/notes") as visitor:
        stage.kill(point.at, *command.argv)
        serving = stage.serving_database()
        assert (serving != old) == point.is_new
        stage(*point.then)
    assert visitor.refused == []
    stage.assert_is_settled()
    after = stage.contents()
    assert after[old] == before[old], "what had served is lost, or was changed"
    if point.is_new:
        assert stage.databases()[old] == "kept"
        if brings is not None:
            assert after[serving] == brings, "what came to serve isn't all that was to come"
    if point.then == RESET:
        assert len(stage.notes()) == FIXTURES
        assert stage.kept_last() == serving
    else:
        assert stage.live() == serving
        if point.is_new and command is FRESH:
            assert len(stage.notes()) == FIXTURES
