"""Backups that nobody asks for, and those that production demands."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyrage
import pytest

from bench.throwaway import environ_for, make_repository, throwaway_server
from junov.cli.findings import backups_finding
from junov.steps import Steps
from tests.engine.conftest import ROOT, releases
from tests.engine.quiet import Quiet
from tests.engine.team import Team
from tests.s3_double import s3_double


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """Such a team, with prod and stage, neither linted nor tested nor observed."""
    folder = tmp_path_factory.mktemp("unattended")
    with throwaway_server(folder, "test", Steps(Quiet()), Quiet().report) as site:
        run = site.server.name.removeprefix("test-")
        source = ROOT / "examples" / "notes"
        environ = environ_for(site) | {"PYTHONPATH": str(ROOT)}
        shell = make_repository(source, folder / "notes", run, environ)
        file = folder / "notes" / "junov.yaml"
        text = re.sub(r"^(lint|test):.*\n(  .*\n)+", "", file.read_text(), flags=re.MULTILINE)
        text = text.replace("observe: 5s", "observe: 0s")
        file.write_text(text.replace("tier: production", "tier: production\n    allow_reset: true"))
        shell.commit("To be backed up")
        shell("git", "branch", "dev")
        first = shell("junov", "run", "main")
        shell("junov", "run", "dev")
        found = re.search(r"^project: (\S+)", text, re.MULTILINE)
        assert found
        yield Team(shell, site.home.path, found[1], first)


@pytest.fixture
def team(delivered: Team) -> Iterator[Team]:
    """The same; whatever a test did to them, the server's settings are what they were."""
    file = delivered.home / "server.yaml"
    settings = file.read_text()
    yield delivered
    file.write_text(settings)


def test_a_first_deploy_has_nothing_to_back_up(team: Team) -> None:
    assert "Migrate" in team.first
    assert "Back the database up" not in team.first


def test_production_is_backed_up_before_migrations(team: Team) -> None:
    before, head = team.backups(), team.head()
    new = team.add_migration()
    assert "Back the database up" in team.shell("junov", "run", "main")
    (backup,) = [each for each in team.backups() if each not in before]
    assert backup["heads"] == [head]
    assert team.head() == new

    team.shell.commit("Nothing of the schema")
    assert "no migrations are to run" in team.shell("junov", "run", "main")
    assert len(team.backups()) == len(before) + 1

    said = team("rollback", "prod", "--to", "1", "--downgrade", typed="prod")
    assert "Back the database up" in said
    assert team.backups()[0]["heads"] == [new]
    assert team.head() == head
    # What an older release doesn't know is there again with the next.
    assert "no migrations are to run" not in team.shell("junov", "run", "main")
    assert team.head() == new


def test_other_tiers_are_backed_up_where_they_ask_for_it(team: Team) -> None:
    team.add_migration()
    team.shell("git", "branch", "--force", "dev", "main")
    assert "Back the database up" not in team.shell("junov", "run", "dev")
    assert team.backups("stage") == []

    file = team.home / "server.yaml"
    file.write_text(f"{file.read_text()}postgres: {{backups: {{before_migrations: [staging]}}}}\n")
    head = team.head("stage")
    team.add_migration()
    team.shell("git", "branch", "--force", "dev", "main")
    assert "Back the database up" in team.shell("junov", "run", "dev")
    assert [each["heads"] for each in team.backups("stage")] == [[head]]


def test_without_a_backup_nothing_is_migrated(team: Team) -> None:
    team.shell("junov", "run", "main")
    before = team.head()
    team.add_migration()
    with team.without_backups():
        said = team.shell("junov", "run", "main", expect=1)
    assert "prod is not migrated without a backup, and there could be none" in said
    assert "What ran before goes on serving" in said
    assert team.head() == before
    newest, *_ = releases(team.shell, "prod")
    assert newest["outcome"] == "failed"
    team.shell("junov", "run", "main")
    assert team.head() != before


@pytest.mark.parametrize(
    "point", ["call:junov.delivery.backups.backup.write_out:before", "after:backup"]
)
def test_a_deploy_that_is_killed_at_its_backup_has_migrated_nothing(team: Team, point: str) -> None:
    team.shell("junov", "run", "main")
    before, backups = team.head(), team.backups()
    new = team.add_migration()
    team.kill(point, "run", "main")
    assert team.head() == before
    assert len(team.backups()) == len(backups) + (point == "after:backup")
    team.shell("junov", "run", "main")
    assert team.head() == new
    assert team.backups()[0]["heads"] == [before]
    names = {f"{e['name']}.{end}" for e in team.backups() for end in ("dump", "json")}
    assert {path.name for path in team.folder().iterdir()} == names


def test_production_is_replaced_only_with_a_fresh_backup(team: Team) -> None:
    wanted = team("db", "backup", "prod").rpartition("backup: ")[2].strip()
    team.age(timedelta(minutes=16))
    for command in (["reset", "prod"], ["db", "restore", "prod", wanted]):
        said = team(*command, expect=1, typed="prod")
        assert "there is no backup of the last 15m of its database" in said
        assert "make one: junov db backup prod; then" in said
    assert f"then junov db restore prod {wanted}" in said

    team.sql("CREATE TABLE written_later ()")
    team("db", "backup", "prod")
    team("db", "restore", "prod", wanted, typed="prod")
    assert team.sql("SELECT to_regclass('written_later')") == ""
    # The backup is of the database that was replaced, and of no other.
    said = team("db", "undo", "prod", expect=1, typed="prod")
    assert "there is no backup of the last 15m of its database" in said
    team("db", "backup", "prod")
    team("db", "undo", "prod", typed="prod")
    assert team.sql("SELECT to_regclass('written_later')") == "written_later"


def test_the_schedule_takes_what_is_due(team: Team) -> None:
    said = team("db", "backup", "--due", expect=1)
    assert "this server has no schedule of backups" in said
    assert backups_finding(team.site).verdict == "ok"

    file = team.home / "server.yaml"
    file.write_text(f"{file.read_text()}postgres: {{backups: {{every: 24h}}}}\n")
    for name in ("prod", "stage"):
        team("db", "backup", name)
    team.age(timedelta(hours=25), "stage")
    prod, stage = team.backups(), team.backups("stage")
    assert backups_finding(team.site).verdict == "ok"
    team("db", "backup", "--due")
    assert team.backups() == prod
    assert len(team.backups("stage")) == len(stage) + 1
    assert "nothing is due of 2 environments" in team("db", "backup", "--due")

    team.age(timedelta(hours=49))
    team.age(timedelta(hours=25), "stage")
    found = backups_finding(team.site)
    assert found.verdict == "warning"
    assert f"{team.project}/prod (the newest is of" in found.message
    assert "stage" not in found.message
    with team.without_backups():
        last = team("db", "backup", "--due", "--json", expect=1).splitlines()[-1]
    result = json.loads(last)
    assert [each["environment"] for each in result["failed"]] == ["prod"]
    assert [each["environment"] for each in result["taken"]] == ["stage"]
    assert "could not be written" in result["failed"][0]["message"]
    assert f"{team.project}/prod" in team("db", "backup", "--due")
    assert backups_finding(team.site).verdict == "ok"


def test_what_is_encrypted_takes_the_key_to_come_back(team: Team, tmp_path: Path) -> None:
    key, other = (pyrage.x25519.Identity.generate() for _ in range(2))
    files = []
    for number, each in enumerate((key, other)):
        file = tmp_path / f"{number}.key"
        file.touch(mode=0o600)
        file.write_text(f"# made by a test\n{each}\n")
        files.append(file)
    settings = team.home / "server.yaml"
    before = settings.read_text()

    def encrypt(identity: str) -> None:
        backups = f"encrypt_to: [{key.to_public()}], {identity}"
        settings.write_text(f"{before}postgres: {{backups: {{{backups}}}}}\n")

    encrypt("")
    team.sql("CREATE TABLE secrets AS SELECT 'a word that is in the dump' AS word", "stage")
    team("db", "backup", "stage")
    newest, *_ = team.backups("stage")
    assert newest["encrypted_to"] == [str(key.to_public())]
    dump = team.folder("stage") / f"{newest['name']}.dump"
    content = dump.read_bytes()
    assert content.startswith(b"age-encryption.org/v1\n")
    assert hashlib.sha256(content).hexdigest() == newest["sha256"]
    opened = pyrage.decrypt(content, [key])
    assert opened.startswith(b"PGDMP")

    databases = team("db", "ls", "--json")
    refused = {"": "doesn't say where the private key is", "1.key": "no matching keys found"}
    for name, said in refused.items():
        encrypt(f"identity: {tmp_path / name}" if name else "")
        assert said in team("db", "verify", "stage", expect=1)
        assert said in team("db", "restore", "stage", "--yes", expect=1)
    assert team("db", "ls", "--json") == databases

    encrypt(f"identity: {files[0]}")
    assert "different" not in team("db", "verify", "stage")
    team.sql("DROP TABLE secrets", "stage")
    team("db", "restore", "stage", "--yes")
    assert team.sql("SELECT word FROM secrets", "stage") == "a word that is in the dump"

    with dump.open("r+b") as file_:
        file_.seek(-50, os.SEEK_END)
        file_.write(b"damaged")
    assert "is damaged" in team("db", "verify", "stage", newest["name"], expect=1)


def test_copies_are_made_and_come_back(team: Team, tmp_path: Path) -> None:
    with s3_double() as double:
        file = tmp_path / "credentials"
        file.touch(mode=0o600)
        file.write_text(double.credentials)
        s3 = f"{double.settings}, prefix: ours/, credentials_file: '{file}'"
        settings = team.home / "server.yaml"
        settings.write_text(f"{settings.read_text()}postgres: {{backups: {{s3: {{{s3}}}}}}}\n")

        team.sql("CREATE TABLE copied AS SELECT 'word' AS word", "stage")
        assert "Copy it to s3://" in team("db", "backup", "stage")
        assert team.backups("stage")[0]["where"] == ["here", "s3"]

        # The server's disk is lost.
        shutil.rmtree(team.folder("stage"))
        assert {tuple(each["where"]) for each in team.backups("stage")} == {("s3",)}
        assert "different" not in team("db", "verify", "stage")
        assert team.backups("stage")[0]["where"] == ["here", "s3"]
        shutil.rmtree(team.folder("stage"))
        team.sql("DROP TABLE copied", "stage")
        team("db", "restore", "stage", "--yes")
        assert team.sql("SELECT word FROM copied", "stage") == "word"

        double.refused.add("PUT")
        before = len(team.backups("stage"))
        said = team("db", "backup", "stage", expect=1)
        assert "is on this server only" in said
        assert [each["where"] for each in team.backups("stage")][:2] == [["here"], ["here", "s3"]]
        assert len(team.backups("stage")) == before + 1
        # A migration waits for the backup, and not for its copy.
        team.add_migration()
        assert "on this server only" in team.shell("junov", "run", "main")
        double.refused.clear()
        team("db", "backup", "stage")
        newest, failed, *_ = team.backups("stage")
        assert newest["where"] == failed["where"] == ["here", "s3"]
