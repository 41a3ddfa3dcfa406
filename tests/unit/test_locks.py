"""Locks: one holder, told to whoever waits, free as soon as the holder is gone."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from junov.errors import LockedError
from junov.locks import held

HOLD = """
import sys, time
from pathlib import Path
from junov.locks import held
with held(Path(sys.argv[1]), "notes_prod", purpose="deploy of abc"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_held_lock_names_its_holder(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    try:
        with (
            pytest.raises(LockedError, match=rf"process {holder.pid}, deploy of abc, since 2"),
            held(tmp_path, "notes_prod", purpose="another", wait=0),
        ):
            pass
    finally:
        end(holder)


def test_a_killed_holder_leaves_no_lock(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    end(holder)
    with held(tmp_path, "notes_prod", purpose="the next", wait=0):
        pass


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
