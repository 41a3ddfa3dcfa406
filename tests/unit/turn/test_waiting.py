"""A turn in an environment: the newest commit of those that wait goes next, the older ones end."""

from __future__ import annotations

import fcntl
import signal
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta, timezone

import pytest

from junov.delivery.turn import turn
from junov.errors import LockedError
from junov.site import Site
from tests.unit.turn.runs import HOLDER, LOCK, NOON, PROD, Start, commit, left, steps, taken


def test_of_twenty_waiting_deploys_the_newest_commit_goes_next(site: Site, start: Start) -> None:
    holder = start(commit(0))
    holder.says("runs")
    waiters = [(number % 5 + 1, start(commit(number % 5 + 1))) for number in range(20)]

    for number, run in waiters:
        if number < 5:
            code, said = run.end()
            assert code == 4
            assert f"error: deploy of {commit(number).commit[:8]} is superseded by " in said
            assert "runs" not in said
    newest = [run for number, run in waiters if number == 5]
    for run in newest:
        run.says(f"(process {holder.process.pid}, deploy of ffffffff, since 2")
    for run in (holder, *newest):
        run.go_on()
    for code, said in [run.end() for run in newest]:
        assert code == 0
        assert "runs\n" in said
    assert holder.end() == (0, "")
    assert left(site) == {LOCK}


def test_an_older_waiting_deploy_is_told_which_commit_is_next(start: Start) -> None:
    start(commit(0)).says("runs")
    older = start(commit(1))
    older.says("waiting for")
    newer = start(commit(2))
    newer.says("waiting for")

    code, said = older.end()
    assert code == 4
    assert said.startswith(
        f"error: deploy of {commit(1).commit[:8]} is superseded by {commit(2).commit[:8]}, "
        "for which "
    )
    assert f"(process {newer.process.pid}) has waited since 20" in said
    assert "→ there is nothing to do: the newer commit is delivered next" in said


def test_a_killed_waiter_supersedes_nobody(site: Site, start: Start) -> None:
    holder = start(commit(0))
    holder.says("runs")
    killed = start(commit(2))
    killed.says("waiting for")
    killed.kill()
    assert len(left(site)) == 3, "its entry is there still"

    older = start(commit(1))
    older.says("waiting for")
    (entry,) = left(site) - {LOCK, HOLDER}
    assert entry.startswith(f"{PROD.identity.lock}.waiting-{older.process.pid}-")
    holder.go_on()
    older.says("runs")
    assert older.end() == (0, "")
    assert left(site) == {LOCK}


def test_whoever_gets_the_lock_removes_what_killed_runs_left(site: Site, start: Start) -> None:
    holder = start(commit(0))
    holder.says("runs")
    waiter = start(commit(1))
    waiter.says("waiting for")
    waiter.kill()
    holder.kill()
    assert len(left(site)) == 3

    with turn(site, PROD, purpose="rollback to 3", steps=steps(), wait=0):
        assert left(site) == {LOCK, HOLDER}
    assert left(site) == {LOCK}


@pytest.mark.parametrize("first", ["a", "b"])
def test_of_two_commits_of_one_second_one_gives_way(start: Start, first: str) -> None:
    holder = start(commit(0))
    holder.says("runs")
    # It is the same moment whatever zone it is written down in.
    east = NOON.astimezone(timezone(timedelta(hours=2))) + timedelta(seconds=1)
    commits = {"a": commit(1, "a"), "b": replace(commit(1, "b"), committed_at=east)}
    runs = {first: start(commits.pop(first))}
    runs[first].says("waiting for")
    ((second, other),) = commits.items()
    runs[second] = start(other)

    code, said = runs["a"].end()
    assert code == 4
    assert "deploy of aaaaaaaa is superseded by bbbbbbbb" in said
    holder.go_on()
    assert "runs\n" in runs["b"].end()[1]


def test_a_rollback_is_superseded_by_nobody_and_supersedes_nobody(start: Start) -> None:
    holder = start(commit(0))
    holder.says("runs")
    rollback, deploy, another = start(None), start(commit(1)), start(None)
    for run in (rollback, deploy, another):
        run.says("waiting for")
    for run in (holder, rollback, deploy, another):
        run.go_on()
    for run in (rollback, deploy, another):
        code, said = run.end()
        assert code == 0
        assert "runs\n" in said


def test_a_run_that_has_its_turn_is_waited_for_and_supersedes_nobody_yet(
    site: Site, start: Start
) -> None:
    holder = start(commit(0))
    holder.says("runs")
    newer = start(commit(2))
    newer.says("waiting for")
    holder.go_on()
    newer.says("runs")
    assert left(site) == {LOCK, HOLDER}
    older = start(commit(1))
    older.says(f"(process {newer.process.pid}, ")
    newer.kill()
    older.says("runs")


def test_a_waiter_that_is_ended_leaves_nothing(site: Site, start: Start) -> None:
    start(commit(0)).says("runs")
    waiter = start(commit(1))
    waiter.says("waiting for")
    waiter.process.send_signal(signal.SIGTERM)
    assert waiter.end() == (143, "terminated\n")
    assert left(site) == {LOCK, HOLDER}


def test_a_turn_that_fails_leaves_nothing(site: Site) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        turn(site, PROD, purpose="deploy", steps=steps(), commit=commit(1)),
    ):
        _ = 1 / 0
    assert left(site) == {LOCK}


def test_whoever_has_waited_too_long_leaves_nothing(site: Site, start: Start) -> None:
    start(commit(0)).says("runs")
    with (
        pytest.raises(LockedError, match=r"is still held by .* deploy of f{8}, since 2"),
        turn(
            site,
            PROD,
            purpose="deploy",
            steps=steps(lambda: None),
            wait=0.3,
            commit=commit(1),
        ),
    ):
        pytest.fail("it ran")
    assert left(site) == {LOCK, HOLDER}


def test_no_wait_fails_at_once_and_supersedes_nobody(site: Site, start: Start) -> None:
    holder = start(commit(0))
    holder.says("runs")
    waiter = start(commit(1))
    waiter.says("waiting for")
    with (
        pytest.raises(LockedError, match=r"is held by .* deploy of f{8}, since 2") as raised,
        turn(site, PROD, purpose="deploy", steps=steps(), wait=0, commit=commit(2)),
    ):
        pytest.fail("it ran")
    assert raised.value.remedy == "wait for it, or leave out --no-wait"
    holder.go_on()
    waiter.says("runs")


def test_an_entry_that_says_nothing_readable_is_ignored(site: Site) -> None:
    contents = [
        b"",
        b"\xff\xfe",
        b"[1]",
        b"{}",
        b'{"committed_at": 5}',
        b'{"committed_at": "2027-01-01T00:00:00", "commit": "abc"}',
    ]
    with ExitStack() as living, ExitStack() as holder:
        holder.enter_context(turn(site, PROD, purpose="deploy", steps=steps(), commit=commit(0)))
        for number, content in enumerate(contents):
            path = site.home.locks_folder / f"{PROD.identity.lock}.waiting-{number}"
            path.write_bytes(content)
            fcntl.flock(living.enter_context(path.open()), fcntl.LOCK_EX)
        (site.home.locks_folder / f"{PROD.identity.lock}.waiting-folder").mkdir()

        assert taken(site, commit(1), holder.close) == "it ran"
