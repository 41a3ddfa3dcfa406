"""Backups as files: which there are, which are to go, and what is run to write and read them."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from junov.config.home import Home
from junov.config.postgres import Backups
from junov.databases.checksums import TableSum, differences
from junov.databases.dump import dump_command, restore_command
from junov.delivery.backups.record import (
    Backup,
    backups_folder,
    dump_file,
    find_backup,
    free_name,
    keep,
    list_backups,
    make_folder,
    outdated,
    remove,
    remove_leftovers,
    unfinished_file,
)
from junov.delivery.backups.streams import read_in, sha256_of, write_out
from junov.engine.compose import exec_argv
from junov.environments import identify
from junov.errors import NotFoundError, StageError
from junov.secret import Secret
from junov.site import Site

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
STAGE = identify("notes", "stage")
PASSWORD = Secret("the password of the role")


def backup(moment: datetime, name: str = "") -> Backup:
    return Backup(
        name=name or f"{moment:%Y%m%dT%H%M%SZ}",
        taken_at=moment.isoformat(),
        project="notes",
        environment="stage",
        database="notes_stage",
        release=7,
        commit="315e4f25aa",
        heads=("a1b2",),
        size_bytes=3,
        sha256=hashlib.sha256(b"abc").hexdigest(),
        postgres="15.14",
        seconds=0.5,
        who="somebody",
        tables={"public.notes": TableSum(2, "0" * 32)},
    )


def written(site: Site, wanted: Backup) -> Backup:
    unfinished = unfinished_file(site, STAGE, wanted.name)
    make_folder(unfinished.parent)
    unfinished.write_bytes(b"abc")
    keep(site, STAGE, wanted)
    return wanted


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(Home(tmp_path))


@pytest.mark.parametrize(
    ("ages", "count", "days", "gone"),
    [
        ([0, 1, 2], 10, 30, []),
        ([0, 1, 2], 2, 30, [2]),
        ([0, 1, 40], 10, 30, [40]),
        ([40, 50], 10, 30, [50]),
        ([0, 1, 2, 40], 1, 30, [1, 2, 40]),
        ([], 1, 30, []),
    ],
)
def test_retention(ages: list[int], count: int, days: int, gone: list[int]) -> None:
    limits = Backups.model_validate({"count": count, "time": f"{days}d"})
    found = outdated([backup(NOON - timedelta(days=age)) for age in reversed(ages)], limits, NOON)
    assert [(NOON - each.moment).days for each in found] == gone


def test_what_is_kept_is_found_again_the_newest_first(site: Site) -> None:
    assert list_backups(site, STAGE) == []
    with pytest.raises(NotFoundError, match="there is no backup of stage"):
        find_backup(site, STAGE, None)
    older = written(site, backup(NOON - timedelta(days=1)))
    newer = written(site, backup(NOON))
    assert list_backups(site, STAGE) == [newer, older]
    assert find_backup(site, STAGE, None) == newer
    assert find_backup(site, STAGE, older.name) == older
    with pytest.raises(NotFoundError, match="there is no backup 19990101T000000Z of stage"):
        find_backup(site, STAGE, "19990101T000000Z")
    remove(site, STAGE, newer)
    assert list_backups(site, STAGE) == [older]


def test_two_backups_of_one_second_have_two_names(site: Site) -> None:
    first = written(site, backup(NOON, free_name(site, STAGE, NOON)))
    second = written(site, backup(NOON, free_name(site, STAGE, NOON)))
    assert (first.name, second.name) == ("20261123T120000Z", "20261123T120000Z-2")
    assert list_backups(site, STAGE) == [second, first]


def test_leftovers_go_and_everything_else_stays(site: Site) -> None:
    whole = written(site, backup(NOON))
    newer_format = written(site, backup(NOON + timedelta(hours=1)))
    folder = backups_folder(site, STAGE)
    record = folder / f"{newer_format.name}.json"
    record.write_text(json.dumps({**newer_format.to_json(), "format": 2}))
    unfinished_file(site, STAGE, "20261123T130500Z").touch()
    dump_file(site, STAGE, "20261123T130501Z").touch()
    (folder / ".20261123T130502Z.json.4711-abcd").touch()
    (folder / "by hand.dump").touch()
    before = {path.name for path in folder.iterdir()}
    gone = remove_leftovers(site, STAGE)
    assert set(gone) == {
        ".20261123T130500Z.dump.unfinished",
        ".20261123T130502Z.json.4711-abcd",
        "20261123T130501Z.dump",
    }
    assert {path.name for path in folder.iterdir()} == before - set(gone)
    assert list_backups(site, STAGE) == [whole]


def test_a_table_that_is_in_one_only_differs() -> None:
    some, other = TableSum(1, "a"), TableSum(1, "b")
    assert differences({"a": some, "b": some}, {"a": some, "b": some}) == []
    assert differences({"a": some, "b": some, "c": some}, {"b": other, "c": some, "d": some}) == [
        "a",
        "b",
        "d",
    ]


def test_the_commands() -> None:
    assert "--snapshot=0000-1" in dump_command("notes_stage", "0000-1")
    for command in (dump_command("notes_stage.2", "s"), restore_command("notes_stage.2")):
        assert {"--username=notes_stage.2", "--dbname=notes_stage.2"} < set(command)
    assert {"--exit-on-error", "--single-transaction"} < set(restore_command("notes_stage"))
    assert exec_argv(["docker"], "db", ["pg_dump"], ["PGPASSWORD"], terminal=False) == [
        *("docker", "exec", "--interactive", "--env", "PGPASSWORD", "db", "pg_dump")
    ]


def test_streams_carry_bytes_and_the_password_in_the_environment_only(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    (tmp_path / "content").write_bytes(content)
    script = (
        "import os, sys; assert os.environ['PGPASSWORD'] == 'the password of the role'; "
        "sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())"
    )
    argv = [sys.executable, "-c", script, str(tmp_path / "content")]
    with (tmp_path / "copy").open("w+b") as file:
        made = write_out(argv, {}, PASSWORD, file, doing="copy it", report=print)
        assert made == (len(content), hashlib.sha256(content).hexdigest())
        assert sha256_of(file, print) == made
        script = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())"
        argv = [sys.executable, "-c", script, str(tmp_path / "back")]
        read_in(argv, {}, PASSWORD, file, doing="copy it back", report=print)
    assert (tmp_path / "back").read_bytes() == content


def test_a_command_that_fails_is_told_without_the_password() -> None:
    script = "import os, sys; sys.exit('refused: ' + os.environ['PGPASSWORD'])"
    argv = [sys.executable, "-c", script]
    file = io.BytesIO(bytes(10**6))
    with pytest.raises(StageError, match="could not restore it: it ended with exit code 1") as said:
        read_in(argv, {}, PASSWORD, file, doing="restore it", report=print)
    assert "refused: " in said.value.detail
    assert PASSWORD.reveal() not in said.value.detail
    with pytest.raises(StageError, match=r"could not restore it: .* 127"):
        read_in(["not-a-program"], {}, PASSWORD, file, doing="restore it", report=print)


def test_a_disk_that_is_full_ends_the_command() -> None:
    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(28, "No space left on device")

    endless = "import sys\nwhile True: sys.stdout.buffer.write(bytes(65536))"
    with pytest.raises(OSError, match="No space left"):
        write_out([sys.executable, "-c", endless], {}, PASSWORD, Full(), doing="x", report=print)


def test_sums_are_kept_with_the_backup(site: Site) -> None:
    whole = written(site, backup(NOON))
    changed = replace(whole, tables={"public.notes": TableSum(3, "0" * 32)})
    (found,) = list_backups(site, STAGE)
    assert differences(found.tables, whole.tables) == []
    assert differences(found.tables, changed.tables) == ["public.notes"]
