"""Backups of a real database: taken while it is used, checked, and restored."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.throwaway import make_repository
from junov.databases.checksums import LARGE_OBJECTS, TableSum
from junov.databases.dump import sums_of
from junov.delivery.backups.backup import own_address
from junov.delivery.backups.record import backups_folder
from junov.delivery.generations import live_identity
from junov.environments import identify
from junov.site import Site
from tests.engine.conftest import ROOT, Web, run_of
from tests.engine.test_exchange import Stage
from tests.waiting import until

AWKWARD = r"""
CREATE SCHEMA "Other Things";
CREATE SEQUENCE "Other Things".numbers START 41;
SELECT nextval('"Other Things".numbers');
CREATE TYPE "Other Things".mood AS ENUM ('so "so"', 'it''s fine');
CREATE TABLE "Other Things"."it's ""quoted"" here" (
  it text, bytes bytea, list text[], at timestamptz, num double precision, how "Other Things".mood,
  doc jsonb, big numeric, span interval);
INSERT INTO "Other Things"."it's ""quoted"" here" VALUES
  (E'tab\t, backslash \\, line\nbreak, ''quote''', '\x00ff5c27', '{NULL,"",a\\,b}',
   '2026-03-29 02:30+01', 0.1::float8 + 0.2, 'it''s fine', '{"a": [null]}', 1e40, '1 mon -3 days'),
  (NULL, NULL, NULL, 'infinity', 'NaN', NULL, 'null', NULL, NULL),
  ('', '', '{}', NULL, '-0', NULL, NULL, 0, '0'),
  ('', '', '{}', NULL, '-0', NULL, NULL, 0, '0');
CREATE TABLE empty (id bigint PRIMARY KEY);
CREATE TABLE columnless ();
INSERT INTO columnless DEFAULT VALUES;
CREATE TABLE parts (id int, t text) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (1000000);
INSERT INTO parts SELECT i, md5(i::text) FROM generate_series(1, 200000) AS i;
SELECT lo_from_bytea(0, decode(repeat('00ff27', 5000), 'hex'));
"""
QUOTED = """"Other Things"."it's ""quoted"" here\""""


class Backed:
    """Stage with awkward data."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.folder = backups_folder(stage.site, identify(stage.project, "stage"))

    def sql(self, text: str) -> str:
        """What psql says of a statement."""
        argv = ("db", "psql", "stage", "--", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text)
        return self.stage(*argv).strip()

    def back_up(self) -> dict[str, Any]:
        """Take one; what junov says of it."""
        said = self.stage("db", "backup", "stage", "--json")
        found: dict[str, Any] = json.loads(said.splitlines()[-1])
        return found

    def listed(self) -> list[dict[str, Any]]:
        """What there is."""
        found: list[dict[str, Any]] = json.loads(self.stage("db", "backups", "stage", "--json"))
        return found

    def sums(self) -> dict[str, TableSum]:
        """What is in the live database, once the worker has seen every note."""
        unseen = "SELECT count(*) FROM notes WHERE words IS NULL"
        until(lambda: self.sql(unseen) == "0", "the worker has seen every note")
        site = self.stage.site
        live = live_identity(site, identify(self.stage.project, "stage"))
        return sums_of(own_address(site, live), lambda _: None)

    def dump(self, name: str) -> Path:
        """The file of a backup."""
        return self.folder / f"{name}.dump"

    def files(self) -> set[str]:
        """The names of all that is in the folder."""
        return {path.name for path in self.folder.glob("*")}


@pytest.fixture(scope="module")
def delivered(
    site: Site, environ: dict[str, str], web: Web, tmp_path_factory: pytest.TempPathFactory
) -> Backed:
    """The example with prod and stage, neither linted nor tested nor observed."""
    folder = tmp_path_factory.mktemp("backups") / "notes"
    variables = environ | {"PYTHONPATH": str(ROOT)}
    shell = make_repository(ROOT / "examples" / "notes", folder, f"{run_of(site)}-bk", variables)
    file = folder / "junov.yaml"
    text = re.sub(r"^(lint|test):.*\n(  .*\n)+", "", file.read_text(), flags=re.MULTILINE)
    file.write_text(text.replace("observe: 5s", "observe: 0s"))
    shell.commit("To be backed up")
    shell("git", "branch", "dev")
    shell("junov", "run", "main")
    shell("junov", "run", "dev")
    project = re.search(r"^project: (\S+)", text, re.MULTILINE)
    assert project
    backed = Backed(Stage(site, shell, web, project[1]))
    backed.sql(AWKWARD)
    return backed


@pytest.fixture
def backed(delivered: Backed) -> Iterator[Backed]:
    """The same; whatever a test did, nothing unfinished is left after the next backup."""
    yield delivered
    delivered.back_up()
    names = {each["name"] for each in delivered.listed()}
    assert delivered.files() == {f"{name}.{end}" for name in names for end in ("dump", "json")}
    assert not [each for each in delivered.stage.site.postgres.names() if each.endswith(".verify")]


def test_what_is_backed_up_comes_back(backed: Backed) -> None:
    before = backed.sums()
    taken = backed.back_up()
    assert stat.S_IMODE(backed.dump(taken["name"]).stat().st_mode) == 0o600
    assert stat.S_IMODE(backed.folder.stat().st_mode) == 0o700
    (newest, *_) = backed.listed()
    assert newest["tables"]["public.parts_1"]["rows"] == 200_000
    assert newest["tables"][QUOTED]["rows"] == 4
    assert newest["tables"]["public.columnless"]["rows"] == 1
    assert newest["tables"]["public.empty"]["rows"] == 0
    assert newest["tables"][LARGE_OBJECTS]["rows"] == 1
    assert newest["release"] == taken["release"]
    assert newest["heads"]

    backed.sql("DROP TABLE parts; SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
    backed.stage.write("Written after the backup")
    after = backed.sums()
    said = backed.stage("db", "restore", "stage", "--yes")
    assert "comes back with: junov db undo stage" in said
    assert backed.sums() == before
    assert "Written after the backup" not in backed.stage.notes()
    assert backed.sql("""SELECT nextval('"Other Things".numbers')""") == "42"
    backed.stage.write("Into what was restored")

    backed.stage("db", "undo", "stage", "--yes")
    assert backed.sums() == after
    backed.stage("db", "restore", "stage", taken["name"], "--yes")
    assert backed.sums() == before


def test_a_backup_is_verified(backed: Backed) -> None:
    taken = backed.back_up()
    backed.stage.write("Not in the backup")
    said = backed.stage("db", "verify", "stage", taken["name"])
    assert re.search(r"^public\.parts_1 +200000 +200000 +the same$", said, re.MULTILINE)
    assert "different" not in said

    record = backed.folder / f"{taken['name']}.json"
    facts = json.loads(record.read_text())
    facts["tables"]["public.parts_1"]["rows"] -= 1
    facts["tables"]["public.gone"] = {"rows": 1, "checksum": "0" * 32}
    record.write_text(json.dumps(facts))
    said = backed.stage("db", "verify", "stage", taken["name"], expect=1)
    assert "is not what the database was: public.gone, public.parts_1" in said


def test_a_damaged_file_is_refused(backed: Backed) -> None:
    name, before = backed.back_up()["name"], backed.stage.databases()
    with backed.dump(name).open("r+b") as file:
        file.seek(2000)
        byte = file.read(1)
        file.seek(2000)
        file.write(bytes([byte[0] ^ 1]))
    for command in ("verify", "restore"):
        yes = ["--yes"] if command == "restore" else []
        assert "is damaged" in backed.stage("db", command, "stage", name, *yes, expect=1)
    assert backed.stage.databases() == before


@pytest.mark.parametrize(
    "point",
    [
        "call:junov.delivery.backups.backup.write_out:after",
        "before:keep",
        "call:junov.delivery.backups.record.write_private:before",
    ],
)
def test_a_backup_that_is_killed_is_none(backed: Backed, point: str) -> None:
    before, files = backed.listed(), backed.files()
    backed.stage.kill(point, "db", "backup", "stage")
    assert backed.files() - files, "it has left something"
    assert backed.listed() == before


def test_a_verification_that_is_killed_leaves_its_database_to_the_next(backed: Backed) -> None:
    backed.back_up()
    backed.stage.kill("before:checksums", "db", "verify", "stage")
    left = [each for each in backed.stage.site.postgres.names() if each.endswith(".verify")]
    assert left == [f"{backed.stage.first}.verify"]
    backed.stage("db", "verify", "stage")


def test_a_restore_that_is_killed_leaves_what_was_there(backed: Backed) -> None:
    backed.back_up()
    before, databases = backed.sums(), backed.stage.databases()
    backed.stage.kill("after:restore", "db", "restore", "stage", "--yes")
    backed.stage("env", "repair", "stage")
    assert backed.sums() == before
    assert backed.stage.databases() == databases


def test_a_full_disk_leaves_nothing(backed: Backed) -> None:
    backed.back_up()
    files = backed.files()
    # The largest file that may be written; 1 MB of 512 bytes each.
    script = 'ulimit -f 2048; "$@" < /dev/null'
    said = backed.stage.shell("sh", "-c", script, "sh", "junov", "db", "backup", "stage", expect=1)
    assert "the backup of stage could not be written: File too large" in said
    assert backed.files() == files
    dumping = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'junov backup'"
    assert backed.sql(dumping) == "0"


def test_production_is_not_restored_unless_it_is_allowed(backed: Backed) -> None:
    backed.stage("db", "backup", "prod")
    said = backed.stage("db", "restore", "prod", "--yes", expect=1)
    assert "its junov.yaml does not allow its database to be replaced" in said
    said = backed.stage("db", "restore", "stage", "20000101T000000Z", "--yes", expect=1)
    assert "there is no backup 20000101T000000Z of stage" in said
