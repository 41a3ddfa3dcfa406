"""Databases that take the place of others: reset, undo, clone; nobody is turned away."""

from __future__ import annotations

import json

from junov.delivery.generations import databases_of
from junov.environments import identify
from tests.engine.stage import FIXTURES as FIXTURES
from tests.engine.stage import Stage as Stage
from tests.engine.visitor import visited


def test_reset_and_undo(stage: Stage) -> None:
    stage.write("Written before the reset")
    before = stage.notes()
    old = next(name for name, kind in stage.databases().items() if kind == "live")
    with visited(stage.target, "/notes") as visitor:
        said = stage("reset", "stage", "--yes")
        assert f"{old} is kept" in said
        assert "a copy of the template" in said, "stage's first deploy has left one"
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
