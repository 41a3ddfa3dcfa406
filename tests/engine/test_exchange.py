"""Databases that take the place of others: reset, undo, clone; nobody is turned away."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from bench.clients import Target
from bench.throwaway import make_repository
from junov.delivery.generations import databases_of
from junov.environments import identify
from junov.site import Site
from tests.engine.conftest import ROOT, Shell, Web, run_of
from tests.engine.killing import KILLED
from tests.engine.visitor import visited


@dataclass(frozen=True)
class Stage:
    """The example's stage, in a repository of these tests' own.

    Args:
        site: the server.
        shell: in the repository.
        web: a visitor.
        project: the project's name.
    """

    site: Site
    shell: Shell
    web: Web
    project: str

    def __call__(self, *argv: str, expect: int = 0) -> str:
        """Run junov; nobody sits at the terminal."""
        return self.shell("sh", "-c", '"$@" < /dev/null', "sh", "junov", *argv, expect=expect)

    def kill(self, point: str, *argv: str) -> None:
        """Have it killed at a point."""
        harness = (sys.executable, "-m", "tests.engine.killing", point, "--")
        self.shell(*harness, *argv, expect=KILLED)

    def url(self, name: str = "stage") -> str:
        """Where an environment is reached."""
        return str(json.loads(self("env", "show", name, "--json"))["url"])

    def notes(self, name: str = "stage") -> list[str]:
        """What an environment's site lists."""
        status, said = self.web(self.url(name), "/notes")
        assert status == 200
        return sorted(each["text"] for each in said)  # type: ignore[index]

    def write(self, text: str, name: str = "stage") -> None:
        """Write a note."""
        status, _ = self.web(self.url(name), "/notes", {"text": text})
        assert status == 201

    def databases(self, name: str = "stage") -> dict[str, str]:
        """What `junov db ls` tells of an environment: database → what it is."""
        found: list[dict[str, Any]] = json.loads(self("db", "ls", "--json"))
        return {each["name"]: each["kind"] for each in found if each["environment"] == name}

    @property
    def first(self) -> str:
        """The first database of stage."""
        return identify(self.project, "stage").database

    @property
    def target(self) -> Target:
        """Stage, for somebody who reloads its page."""
        return Target(self.site.edge_url(), self.url().partition("://")[2])


@pytest.fixture(scope="module")
def delivered(
    site: Site, environ: dict[str, str], web: Web, tmp_path_factory: pytest.TempPathFactory
) -> Stage:
    """The example with prod and stage, neither linted nor tested nor observed."""
    folder = tmp_path_factory.mktemp("exchange") / "notes"
    variables = environ | {"PYTHONPATH": str(ROOT)}
    name = f"{run_of(site)}-ex"
    shell = make_repository(ROOT / "examples" / "notes", folder, name, variables)
    file = folder / "junov.yaml"
    text = re.sub(r"^(lint|test):.*\n(  .*\n)+", "", file.read_text(), flags=re.MULTILINE)
    file.write_text(text.replace("observe: 5s", "observe: 0s"))
    shell.commit("To be exchanged")
    shell("git", "branch", "dev")
    shell("junov", "run", "main")
    shell("junov", "run", "dev")
    found = re.search(r"^project: (\S+)", text, re.MULTILINE)
    assert found
    return Stage(site, shell, web, found[1])


@pytest.fixture
def stage(delivered: Stage) -> Iterator[Stage]:
    """The same; whatever a test did, stage has one healthy release on its live database."""
    yield delivered
    delivered("env", "repair", "stage")
    assert list(delivered.databases().values()).count("live") == 1
    assert "new" not in delivered.databases().values()


FIXTURES = 5


def test_reset_and_undo(stage: Stage) -> None:
    stage.write("Written before the reset")
    before = stage.notes()
    old = next(name for name, kind in stage.databases().items() if kind == "live")
    with visited(stage.target, "/notes") as visitor:
        said = stage("reset", "stage", "--yes")
        assert f"{old} is kept" in said
        assert "a copy of the template of this commit" in said, "stage's first deploy has left one"
        assert len(stage.notes()) == FIXTURES
        stage.write("Written after it")
        databases = stage.databases()
        (new,) = (name for name, kind in databases.items() if kind == "live")
        assert databases[old] == "kept"

        stage("db", "undo", "stage", "--yes")
        assert stage.notes() == before
        assert (stage.databases()[old], stage.databases()[new]) == ("live", "kept")

        stage("db", "undo", "stage", "--yes")
        assert "Written after it" in stage.notes()
    assert visitor.refused == []


def test_a_deploy_and_a_rollback_go_on_with_the_database_that_serves(stage: Stage) -> None:
    stage("reset", "stage", "--yes")
    stage.write("In the new database")
    stage.shell("git", "checkout", "--quiet", "dev")
    stage.shell.commit("Another one")
    stage("run", "dev")
    assert "In the new database" in stage.notes()
    stage("rollback", "stage", "--yes")
    assert "In the new database" in stage.notes()
    (live,) = (name for name, kind in stage.databases().items() if kind == "live")
    assert json.loads(stage("env", "show", "stage", "--json"))["database"] == live
    assert stage("db", "psql", "stage", "--", "-XAtc", "SELECT current_user").strip() == live
    assert f"/{live}" in stage("db", "url", "stage")


def test_one_environments_data_is_copied_into_another(stage: Stage) -> None:
    stage.write("Only in production", "prod")
    with visited(stage.target, "/notes") as visitor:
        stage("db", "clone", "prod", "stage", "--yes")
    assert visitor.refused == []
    assert stage.notes() == stage.notes("prod")
    stage.write("Only in stage")
    assert "Only in stage" not in stage.notes("prod")

    stage("reset", "stage", "--data", "prod", "--yes")
    assert stage.notes() == stage.notes("prod")


def test_production_is_neither_reset_nor_cloned_into(stage: Stage) -> None:
    before = stage.notes("prod")
    said = stage("reset", "prod", "--yes", expect=1)
    assert "prod is production, and its junov.yaml does not allow" in said
    assert "allow_reset: true" in said
    said = stage("db", "clone", "stage", "prod", "--yes", expect=1)
    assert "production" in said
    assert "no database of prod is kept" in stage("db", "undo", "prod", "--yes", expect=1)
    assert stage.notes("prod") == before


def test_kept_databases_are_bounded(stage: Stage) -> None:
    for _ in range(3):
        stage("reset", "stage", "--yes")
    assert sorted(stage.databases().values()) == ["kept", "kept", "live"]


@pytest.mark.parametrize(
    ("point", "is_new"),
    [
        pytest.param("before:database", False, marks=pytest.mark.soak),
        pytest.param("after:database", False, marks=pytest.mark.soak),
        pytest.param("line:migrate:1", False, marks=pytest.mark.soak),
        ("after:fixtures", False),
        pytest.param("after:web", False, marks=pytest.mark.soak),
        pytest.param("after:switch", True, marks=pytest.mark.soak),
        pytest.param("before:keep", True, marks=pytest.mark.soak),
        ("call:junov.databases.generations.write_stamp:1:after", True),
        pytest.param("after:keep", True, marks=pytest.mark.soak),
    ],
)
def test_a_reset_that_is_killed(stage: Stage, point: str, is_new: bool) -> None:
    stage.write("Not to be lost")
    before = stage.notes()
    (old,) = (name for name, kind in stage.databases().items() if kind == "live")
    with visited(stage.target, "/notes") as visitor:
        stage.kill(point, "reset", "stage", "--yes")
        stage("env", "repair", "stage")
        assert len(stage.notes()) == (FIXTURES if is_new else len(before))
        if is_new:
            assert stage.databases()[old] == "kept"
            stage("db", "undo", "stage", "--yes")
        assert stage.notes() == before
        assert stage.databases()[old] == "live"
    assert visitor.refused == []


def test_removal_takes_every_generation_along(stage: Stage) -> None:
    stage.shell("git", "checkout", "--quiet", "-b", "feature/gone", "main")
    stage("run", "feature/gone")
    stage("reset", "feature/gone", "--yes")
    identity = identify(stage.project, "feature/gone")
    names = [each.name for each in databases_of(stage.site, identity)]
    assert names == [identity.database, f"{identity.database}.2"]
    said = stage("env", "rm", "feature/gone", "--yes")
    assert all(f"database {name} with its data, and its role" in said for name in names)
    assert not [each for each in stage.site.postgres.names() if each.startswith(names[0])]
