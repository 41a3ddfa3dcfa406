"""Databases that somebody has changed by hand: what destroys or replaces data leaves them alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from psycopg import sql

from junov.databases.stamp import read_stamp
from tests.engine.stage import Stage

ASIDE = "moved_aside"

COMMANDS = [
    ("reset", "stage", "--yes"),
    ("db", "undo", "stage", "--yes"),
    ("db", "clone", "prod", "stage", "--yes"),
    ("db", "restore", "stage", "--yes"),
    ("env", "rm", "stage", "--yes"),
]


@dataclass(frozen=True)
class ByHand:
    """What somebody does to stage's live database, as the superuser.

    Args:
        stage: stage.
        live: the database's name.
    """

    stage: Stage
    live: str

    def run(self, statement: str, *names: str) -> None:
        """Execute a statement with names in it."""
        with self.stage.session("postgres") as admin:
            admin.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def comment(self, database: str) -> str | None:
        """The COMMENT on a database."""
        asked = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
        with self.stage.session("postgres") as admin:
            row = admin.execute(asked, [database]).fetchone()
        assert row
        return row[0]  # type: ignore[no-any-return]

    def write_comment(self, database: str, text: str | None) -> None:
        """Put another COMMENT on a database."""
        with self.stage.session("postgres") as admin:
            statement = sql.SQL("COMMENT ON DATABASE {} IS {}")
            admin.execute(statement.format(sql.Identifier(database), sql.Literal(text)))

    def rename(self, old: str, new: str) -> None:
        """Rename a database that its environment is using."""
        with self.stage.session("postgres") as admin:
            names = [sql.Identifier(each) for each in (old, new)]
            with admin.transaction():
                # Whoever comes back at once is waited for otherwise.
                admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(names[0]))
            ended = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname=%s"
            admin.execute(ended, [old])
            admin.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*names))
            admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(names[1]))


@contextmanager
def renamed(hand: ByHand) -> Iterator[None]:
    """It has another name; nothing has its own."""
    hand.rename(hand.live, ASIDE)
    try:
        yield
    finally:
        hand.rename(ASIDE, hand.live)


@contextmanager
def anothers(hand: ByHand) -> Iterator[None]:
    """Production's database has its name, and production another one."""
    other = hand.stage.live("prod")
    with renamed(hand):
        hand.rename(other, hand.live)
        try:
            yield
        finally:
            hand.rename(hand.live, other)


@contextmanager
def without_comment(hand: ByHand) -> Iterator[None]:
    """Nobody knows any more whose it is."""
    before = hand.comment(hand.live)
    hand.write_comment(hand.live, None)
    try:
        yield
    finally:
        hand.write_comment(hand.live, before)


@contextmanager
def of_another_server(hand: ByHand) -> Iterator[None]:
    """This Postgres is another server's; its environments have the same names."""
    before = hand.comment(hand.live)
    stamp = read_stamp(before)
    assert stamp
    text = json.loads(stamp.to_comment()) | {"server": "another"}
    hand.write_comment(hand.live, json.dumps(text))
    try:
        yield
    finally:
        hand.write_comment(hand.live, before)


RENAMED = f"the database {ASIDE} is of environment stage of project {{project}}"
"""What stays owned by the environment's role, and would go with the environment."""


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (renamed, ["there is no database {live}", RENAMED]),
        (anothers, ["the database {live} belongs to environment prod of project", RENAMED]),
        (without_comment, ["the database {live} has no stamp of junov's"]),
        (
            of_another_server,
            ["of project {project} on server another"],
        ),
    ],
)
def test_nothing_is_replaced_or_destroyed(
    stage: Stage, changed: Callable[[ByHand], Any], said: list[str]
) -> None:
    if "kept" not in stage.databases().values():
        stage("reset", "stage", "--yes")
    stage.contents()  # once the worker has seen every note
    stage("db", "backup", "stage")
    hand = ByHand(stage, stage.live())
    expected = [each.format(live=hand.live, project=stage.project) for each in said]
    with changed(hand):
        before, running = found(stage), containers(stage)
        for argv in COMMANDS:
            refused = stage(*argv, expect=1)
            assert any(each in refused for each in expected), argv
            assert "\n  → " in refused, f"{argv} doesn't say what to do"
            assert "Traceback" not in refused
            assert found(stage) == before, argv
            assert containers(stage) == running, argv


def found(stage: Stage) -> list[tuple[Any, ...]]:
    """Every database and role in Postgres: what it is called, whose it is, and what it may."""
    with stage.session("postgres") as admin:
        return [
            *admin.execute(
                "SELECT datname, oid, shobj_description(oid, 'pg_database'), datdba, datconnlimit, "
                "datallowconn FROM pg_database ORDER BY datname"
            ).fetchall(),
            *admin.execute(
                "SELECT rolname, oid, shobj_description(oid, 'pg_authid'), rolcanlogin, "
                "rolconnlimit FROM pg_roles ORDER BY rolname"
            ).fetchall(),
        ]


def containers(stage: Stage) -> list[str]:
    """The containers of stage, which go on as they are."""
    argv = ("docker", "ps", "--filter", f"name={stage.project}_stage", "--format", "{{.ID}}")
    return sorted(stage.shell(*argv).split())
