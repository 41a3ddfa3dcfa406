"""Folders of one run: private, gone afterwards, and those of killed runs are cleared away."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from junov.delivery import exports


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "junov" / "runs"


def test_a_folder_is_private_and_gone_afterwards(cache: Path) -> None:
    with exports.folder() as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "file").touch()
    assert list(cache.iterdir()) == []


def test_what_a_killed_run_left_is_cleared_away_and_nothing_else(cache: Path) -> None:
    with exports.folder() as mine:
        dead = cache / "run-1-1-abc"  # that process lives, and is another one
        dead.mkdir()
        with exports.folder() as second:
            assert exports.of_this_run() == sorted([mine, second])
            assert mine.exists()
            assert second.exists()
            assert not dead.exists()


def test_a_folder_is_kept_for_a_run_of_another_pid_namespace(cache: Path) -> None:
    with exports.folder() as mine:
        theirs = mine.rename(cache / "run-999999999-1-abc")  # a number that is none here
        with exports.folder():
            assert theirs.exists()
