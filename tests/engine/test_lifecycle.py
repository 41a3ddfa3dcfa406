"""Looking at environments, and stopping, starting and removing them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from junov.delivery.environments import list_environments
from junov.environments.labels import PROJECT, SERVER
from junov.site import Site
from tests.engine.conftest import Shell, Web
from tests.waiting import until


@pytest.fixture
def stage(tiny: Shell) -> Shell:
    """The small project with its stage delivered."""
    tiny("git", "checkout", "--quiet", "-b", "dev")
    tiny("junov", "run")
    return tiny


def view(shell: Shell, name: str = "stage") -> dict[str, str]:
    found: dict[str, str] = json.loads(shell("junov", "env", "show", name, "--json"))
    return found


def test_a_stopped_environment_is_started_again(stage: Shell, web: Web) -> None:
    url = view(stage)["url"]
    stage("junov", "env", "stop", "stage")
    assert view(stage)["status"] == "stopped"
    assert web(url)[0] == 503
    stage("junov", "env", "start", "stage")
    until(lambda: web(url)[0] == 200, f"{url} answers again")
    assert view(stage)["status"] == "healthy"


def test_logs_and_commands_reach_the_service_by_the_projects_name_for_it(stage: Shell) -> None:
    assert "secret is" in stage("junov", "env", "logs", "stage", "--service", "web")
    assert "working" in stage("junov", "env", "logs", "stage", "--service", "worker")
    said = stage("junov", "env", "exec", "stage", "--", "printenv", "JUNOV_ENVIRONMENT")
    assert said.strip() == "stage"
    stage("junov", "env", "exec", "stage", "--", "sh", "-c", "exit 7", expect=7)
    refused = stage("junov", "env", "logs", "stage", "--service", "wrker", expect=1)
    assert "did you mean `worker`?" in refused


def test_an_environment_that_is_not_there_is_named_with_the_nearest(stage: Shell) -> None:
    refused = stage("junov", "env", "show", "stag", expect=1)
    assert "did you mean `stage`?" in refused


def test_rm_says_what_goes_and_removes_that_and_nothing_else(
    stage: Shell, site: Site, web: Web
) -> None:
    stage("git", "branch", "feature/kept")
    stage("junov", "run", "feature/kept")
    kept, gone = view(stage, "feature/kept"), view(stage)
    shown = stage("junov", "env", "rm", "stage", "--dry-run")
    assert f"route {gone['host']}" in shown
    assert view(stage)["status"] == "healthy", "a dry run removes nothing"
    stage("junov", "env", "rm", "stage", "--yes")
    labels = {SERVER: site.server.name, PROJECT: gone["project"]}
    left = [network.name for network in site.engine.networks(labels)]
    assert len(left) == 1
    assert all("feature-kept" in each.name for each in site.engine.containers(labels))
    assert web(gone["url"])[0] == 404
    assert web(kept["url"])[0] == 200
    assert [each["name"] for each in json.loads(stage("junov", "env", "ls", "--json"))] == [
        "feature/kept"
    ]


def test_production_is_removed_only_when_its_name_is_typed_again(tiny: Shell) -> None:
    tiny("junov", "run")
    tiny("junov", "env", "rm", "prod", "--yes", expect=1)
    assert view(tiny, "prod")["status"] == "healthy"


def test_without_the_journal_environments_are_found_by_their_labels(
    stage: Shell, site: Site, tmp_path: Path
) -> None:
    before = view(stage)
    lost = Site(site.home)
    lost.journal = type(site.journal)(tmp_path / "new.db")
    (found,) = (each for each in list_environments(lost, before["project"]) if each.name == "stage")
    after = found.to_json()
    for key in ("url", "host", "commit", "image", "release", "status", "slug"):
        assert after[key] == before[key], key


def test_the_database_and_its_role_go_with_their_environment(
    notes: Shell, site: Site, web: Web
) -> None:
    notes("git", "branch", "--force", "feature/gone", "dev")
    notes("junov", "run", "feature/gone")
    gone = view(notes, "feature/gone")
    assert web(gone["url"], "/health")[1]["database"] == gone["database"]
    assert gone["database"] in {database.name for database in site.postgres.databases()}
    fixtures = web(gone["url"], "/notes")[1]
    assert fixtures, "a new database outside production has its fixtures"
    notes("junov", "env", "rm", "feature/gone", "--yes")
    assert gone["database"] not in {database.name for database in site.postgres.databases()}
