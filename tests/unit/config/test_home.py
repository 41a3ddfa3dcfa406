"""Where state is kept, and who may read it."""

from __future__ import annotations

import os
import secrets
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from junov.config.home import Home, find_home, write_private
from junov.errors import UnavailableError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_variable_decides(tmp_path: Path) -> None:
    assert find_home({"JUNOV_HOME": str(tmp_path)}).path == tmp_path
    assert find_home({"JUNOV_HOME": "some/where"}).path == Path.cwd() / "some/where"


def test_root_has_var_lib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert find_home({}).path == Path("/var/lib/junov")
    assert find_home({"JUNOV_HOME": ""}).path == Path("/var/lib/junov")


def test_others_have_their_own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_home({}).path == tmp_path / ".local/share/junov"
    assert find_home({"XDG_DATA_HOME": "/data"}).path == Path("/data/junov")


def test_the_folder_is_its_owner_s_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "a" / "b")
    home.make()
    assert mode(home.path) == 0o700
    home.path.chmod(0o755)
    home.make()
    assert mode(home.path) == 0o700


def test_a_folder_that_cannot_be_made_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match="cannot be used") as caught:
        Home(tmp_path / "file" / "home").make()
    assert "JUNOV_HOME" in caught.value.remedy


def test_the_key_is_made_once_and_stays(tmp_path: Path) -> None:
    home = Home(tmp_path)
    key = home.make_key()
    assert len(key.reveal()) == 64
    assert home.key() == key
    assert mode(home.key_file) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_two_servers_have_two_keys(tmp_path: Path) -> None:
    assert Home(tmp_path / "a").make_key() != Home(tmp_path / "b").make_key()


def test_first_runs_that_race_get_one_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    racing = 8
    all_have_seen_that_there_is_none = threading.Barrier(racing, timeout=10)
    make = secrets.token_hex

    def token_hex(size: int) -> str:
        if size == 32:
            all_have_seen_that_there_is_none.wait()
        return make(size)

    monkeypatch.setattr(secrets, "token_hex", token_hex)
    with ThreadPoolExecutor(racing) as pool:
        keys = list(pool.map(lambda _: Home(tmp_path).make_key(), range(racing)))
    assert len(set(keys)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_private_file_is_replaced_at_once(tmp_path: Path) -> None:
    path = tmp_path / "state" / "file"
    write_private(path, "one")
    first = path.stat().st_ino
    write_private(path, "two")
    assert path.read_text() == "two"
    assert path.stat().st_ino != first
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_private(path, "one")
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "\ud800")
    assert path.read_text() == "one"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_key_that_is_gone_or_damaged_is_not_made_anew(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with pytest.raises(UnavailableError, match="is not there") as caught:
        home.key()
    assert "from a backup" in caught.value.remedy
    for damaged in ("", "short", "g" * 64):
        home.key_file.write_text(damaged)
        for read in (home.key, home.make_key):
            with pytest.raises(UnavailableError, match="is not what junov wrote"):
                read()
