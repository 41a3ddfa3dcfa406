"""Locks: one holder, told to whoever waits, free as soon as the holder is gone."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO

import pytest

from junov import locks
from junov.errors import LockedError, SupersededError
from junov.locks import WaitingList, held

HOLD = """
import sys, time
from pathlib import Path
from junov.locks import held
with held(Path(sys.argv[1]), "notes_prod", purpose=sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""
WAIT = """
import sys
from pathlib import Path
from junov.locks import WaitingList
with WaitingList(Path(sys.argv[1]), "notes_prod").joined(sys.argv[2], commit="abc"):
    print("held", flush=True)
    sys.stdin.read()
"""


Begin = Callable[[str, str], subprocess.Popen[str]]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    begun: list[subprocess.Popen[str]] = []

    def begin(script: str, purpose: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), purpose],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        return process

    yield begin
    for process in begun:
        end(process)


@pytest.fixture
def holder(begin: Begin) -> subprocess.Popen[str]:
    return begin(HOLD, "deploy of abc")


def end(process: subprocess.Popen[str]) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def test_a_held_lock_names_its_holder(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with (
        pytest.raises(LockedError, match=rf"process {holder.pid}, deploy of abc, since 2"),
        held(tmp_path, "notes_prod", purpose="another", wait=0),
    ):
        pass


def test_a_killed_holder_leaves_no_lock(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    end(holder)
    with held(tmp_path, "notes_prod", purpose="the next", wait=0):
        pass


@pytest.mark.usefixtures("holder")
@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (timedelta(hours=3, minutes=30, seconds=5), "for 3h 30m)"),
        (timedelta(days=-1), "for 0s)"),
    ],
    ids=["a while ago", "before the clock was set back"],
)
def test_how_long_a_lock_has_been_held_is_told(tmp_path: Path, ago: timedelta, said: str) -> None:
    note = tmp_path / "notes_prod.holder"
    since = datetime.now(UTC) - ago
    note.write_text(json.dumps(json.loads(note.read_text()) | {"since": since.isoformat()}))
    with (
        pytest.raises(LockedError) as raised,
        held(tmp_path, "notes_prod", purpose="another", wait=0),
    ):
        pass
    assert raised.value.message.endswith(said)


def test_whoever_waits_is_told_once_and_goes_on(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    told = []

    def waiting(text: str) -> None:
        told.append(text)
        end(holder)

    with held(tmp_path, "notes_prod", purpose="the next", wait=20, waiting=waiting):
        assert len(told) == 1
        assert "deploy of abc" in told[0]


def test_locks_of_different_names_do_not_meet(tmp_path: Path) -> None:
    with (
        held(tmp_path, "notes_prod", purpose="one", wait=0),
        held(tmp_path, "notes_stage", purpose="other", wait=0),
    ):
        pass


def test_whoever_waits_is_told_again_when_another_holds_it(
    tmp_path: Path, holder: subprocess.Popen[str], begin: Begin
) -> None:
    told: list[str] = []
    others: list[subprocess.Popen[str]] = []

    def look() -> None:
        """The second look finds another holder; after the fourth there is none."""
        looks.append(None)
        if len(looks) == 2:
            end(holder)
            others.append(begin(HOLD, "rollback to 3"))
        if len(looks) == 4:
            end(others[0])

    looks: list[None] = []
    with held(tmp_path, "notes_prod", purpose="next", wait=60, waiting=told.append, give_way=look):
        assert len(told) == 2
        assert f"waiting for {locks.who()} (process {holder.pid}, deploy of abc, " in told[0]
        assert f"(process {others[0].pid}, rollback to 3, since " in told[1]


def test_whoever_gives_way_while_waiting_does_not_get_the_lock(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    def give_way() -> None:
        raise SupersededError("enough")

    told: list[str] = []
    with (
        pytest.raises(SupersededError),
        held(tmp_path, "notes_prod", purpose="next", waiting=told.append, give_way=give_way),
    ):
        pytest.fail("it has the lock")
    assert told == []
    end(holder)
    with held(tmp_path, "notes_prod", purpose="after it", wait=0):
        pass


def test_whoever_gives_way_with_the_lock_in_hand_frees_it(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    def give_way() -> None:
        if holder.returncode is not None:
            raise SupersededError("enough")
        end(holder)

    with (
        pytest.raises(SupersededError),
        held(tmp_path, "notes_prod", purpose="next", give_way=give_way),
    ):
        pytest.fail("it has the lock")
    assert {path.name for path in tmp_path.iterdir()} == {"notes_prod.lock"}
    with held(tmp_path, "notes_prod", purpose="after it", wait=0):
        pass


def test_whoever_need_not_wait_is_not_asked_to_give_way(tmp_path: Path) -> None:
    def give_way() -> None:
        raise SupersededError("enough")

    with held(tmp_path, "notes_prod", purpose="next", give_way=give_way):
        pass


def test_a_lock_is_held_without_its_note(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    (tmp_path / "notes_prod.holder").unlink()
    with (
        pytest.raises(LockedError, match="notes_prod is held by another run"),
        held(tmp_path, "notes_prod", purpose="another", wait=0),
    ):
        pass
    end(holder)
    (tmp_path / "notes_prod.holder").mkdir()  # nothing can be written there
    with held(tmp_path, "notes_prod", purpose="another", wait=0):
        pass


def test_those_who_wait_see_each_other_until_they_leave(tmp_path: Path) -> None:
    waiting, elsewhere = WaitingList(tmp_path, "notes_prod"), WaitingList(tmp_path, "notes_stage")
    with waiting.joined("deploy of abc", commit="abc"), waiting.joined("deploy of def"):
        assert sorted(entry["purpose"] for entry in waiting.living()) == [
            "deploy of abc",
            "deploy of def",
        ]
        assert {entry.get("commit") for entry in waiting.living()} == {"abc", None}
        assert {(entry["who"], entry["pid"]) for entry in waiting.living()} == {
            (locks.who(), os.getpid())
        }
        assert elsewhere.living() == []
    assert waiting.living() == []
    assert list(tmp_path.iterdir()) == []


def test_a_killed_run_waits_no_longer_even_while_others_look(tmp_path: Path, begin: Begin) -> None:
    run = begin(WAIT, "deploy of abc")
    waiting = WaitingList(tmp_path, "notes_prod")
    (entry,) = waiting.living()
    assert (entry["pid"], entry["commit"]) == (run.pid, "abc")
    end(run)
    (file,) = tmp_path.iterdir()
    with file.open() as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_SH)
        assert waiting.living() == []
    assert not file.exists()


@pytest.mark.parametrize("removed", [True, False], ids=["and removed it", "and is still at it"])
def test_whoever_joins_is_seen_although_another_took_the_new_entry_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, removed: bool
) -> None:
    lock = fcntl.flock
    looked_at: list[TextIO] = []

    def flock(descriptor: int, operation: int) -> None:
        """Before the first is locked, another locks it."""
        if not looked_at:
            (file,) = tmp_path.iterdir()
            looked_at.append(file.open())
            lock(looked_at[0], fcntl.LOCK_SH)
            if removed:
                file.unlink()
                looked_at[0].close()
        lock(descriptor, operation)

    monkeypatch.setattr("junov.locks.fcntl.flock", flock)
    waiting = WaitingList(tmp_path, "notes_prod")
    with waiting.joined("deploy of abc"):
        looked_at[0].close()
        assert [entry["purpose"] for entry in waiting.living()] == ["deploy of abc"]
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_nobody_from_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("junov.locks.os.write", full)
    waiting = WaitingList(tmp_path, "notes_prod")
    with waiting.joined("deploy of abc"):
        assert waiting.living() == []
    assert list(tmp_path.iterdir()) == []
