"""What a new environment's database starts with: a template, nothing, or what another one has."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from junov.environments import identify
from tests.engine.stage import FIXTURES, Stage

_MORE = "migrations/versions/0005_more.py"
_MIGRATION = """\
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("CREATE TABLE more (id int)")
"""
_KINDS = """\
  copy:
    branch: copy/*
    host: "{slug}.copy.localhost"
    start_from: stage
    observe: 0s
  bare:
    branch: bare
    host: bare.localhost
    start_from: empty
    observe: 0s
"""


@pytest.fixture
def branch(delivered: Stage) -> Iterator[Stage]:
    """On a branch of its own, off what stage has; the environments of the test are removed."""
    delivered.shell("git", "checkout", "--quiet", "-B", "feature/first", "dev")
    yield delivered
    delivered.shell("git", "checkout", "--quiet", "dev")
    found = json.loads(delivered("env", "ls", "--json"))
    for each in found:
        if each["name"] not in ("prod", "stage"):
            delivered("env", "rm", each["name"], "--yes")


def folder(stage: Stage) -> Path:
    return Path(stage.shell("git", "rev-parse", "--show-toplevel").strip())


def with_kinds(stage: Stage) -> None:
    file = folder(stage) / "junov.yaml"
    file.write_text(file.read_text() + _KINDS)


def migrated(stage: Stage, name: str) -> str:
    """What the migrations of an environment's last release have said."""
    number = json.loads(stage("releases", name, "--json"))[0]["number"]
    return stage("releases", name, str(number), "--log")


def test_a_branch_that_adds_a_migration_runs_that_one_alone(branch: Stage) -> None:
    (folder(branch) / _MORE).write_text(_MIGRATION)
    commit = branch.shell.commit("One more migration")
    said = branch("run", "feature/first")
    assert "a copy of the template that" in said
    assert branch.notes("feature/first") == sorted(branch.notes("feature/first"))
    assert len(branch.notes("feature/first")) == FIXTURES
    log = migrated(branch, "feature/first")
    assert "0004 -> 0005" in log
    assert "-> 0004" not in log
    database = identify(branch.project, "feature/first").database
    listed = {each["name"]: each for each in json.loads(branch("db", "ls", "--json"))}
    assert listed[database]["heads"] == ["0005"]

    # What came of it is the next one's template, with all that there is to migrate.
    branch.shell("git", "checkout", "--quiet", "-b", "feature/second")
    (folder(branch) / "README.md").write_text("Another commit\n")
    branch.shell.commit("No migration")
    said = branch("run", "feature/second")
    assert f"a copy of the template that {commit[:8]} has made" in said
    assert len(branch.notes("feature/second")) == FIXTURES
    assert "it has them from the template" in said


def test_other_fixtures_are_run(branch: Stage) -> None:
    file = folder(branch) / "src" / "notes" / "fixtures.py"
    file.write_text(file.read_text().replace("FIXTURES = [", 'FIXTURES = [\n    "One more",'))
    branch.shell.commit("Another fixture")
    said = branch("run", "feature/first")
    assert "a copy" not in said
    assert "One more" in branch.notes("feature/first")


def test_a_kind_that_starts_with_what_another_environment_has(branch: Stage) -> None:
    with_kinds(branch)
    branch.shell("git", "checkout", "--quiet", "-b", "copy/one")
    branch.shell.commit("Kinds")
    branch.write("Written in stage")
    assert "with what stage has" in branch("run", "copy/one")
    assert branch.notes("copy/one") == branch.notes("stage")

    branch.write("Only here", "copy/one")
    branch.write("Only in stage")
    branch.shell.commit("Another")
    branch("run", "copy/one")
    assert "Only here" in branch.notes("copy/one"), "it is copied once"
    assert "Only in stage" not in branch.notes("copy/one")

    branch("reset", "copy/one", "--yes")
    assert branch.notes("copy/one") == branch.notes("stage")


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("call:junov.delivery.first_data.copy_data:before", marks=pytest.mark.soak),
        "call:junov.delivery.first_data.copy_data:after",
        pytest.param("after:database", marks=pytest.mark.soak),
    ],
)
def test_a_copy_that_is_killed_is_whole_after_the_next_deploy(branch: Stage, point: str) -> None:
    with_kinds(branch)
    branch.shell("git", "checkout", "--quiet", "-B", "copy/killed")
    branch.shell.commit("Kinds")
    branch.shell("junov", "build")
    branch.shell("junov", "promote")
    branch.kill(point, "deploy", "copy/killed")
    branch("deploy", "copy/killed")
    assert branch.notes("copy/killed") == branch.notes("stage")


def test_a_source_that_does_not_serve_is_told(branch: Stage) -> None:
    with_kinds(branch)
    file = folder(branch) / "junov.yaml"
    file.write_text(file.read_text().replace("start_from: stage", "start_from: bare"))
    branch.shell("git", "checkout", "--quiet", "-b", "copy/two")
    branch.shell.commit("From what isn't there")
    said = branch("run", "copy/two", expect=1)
    assert "copy/two starts with what bare has, and nothing serves there" in said


def test_a_kind_that_starts_empty(branch: Stage) -> None:
    with_kinds(branch)
    branch.shell("git", "checkout", "--quiet", "-b", "bare")
    branch.shell.commit("Kinds")
    branch("run", "bare")
    assert branch.notes("bare") == []
    branch("reset", "bare", "--yes")
    assert branch.notes("bare") == []


def test_what_the_fixtures_come_from_has_to_be_there(branch: Stage) -> None:
    file = folder(branch) / "src" / "notes" / "fixtures.py"
    shutil.move(file, file.with_name("samples.py"))
    branch.shell.commit("Moved")
    said = branch("run", "feature/first", expect=1)
    assert "`database.fixtures_from` names src/notes/fixtures.py, which isn't there" in said
    assert "junov.yaml:" in said
