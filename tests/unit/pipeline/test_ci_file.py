"""The rendered file: what GitLab's own schema and a linter say of it, and what they can't see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from junov import __version__
from junov.config.project import read_project
from junov.gitlab.ci_file import (
    CI_FILE,
    COMPONENT_FILE,
    OWN_FILE,
    own_file,
    render,
    render_component,
)
from tests.unit.pipeline.cases import (
    EXAMPLE,
    NAMES,
    ROOT,
    checkout,
    gitlab_ci_local,
    project,
)

BIN = Path(sys.executable).parent
PLAIN = {"workflow", "stages", "variables", "include", "spec"}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def jobs(name: str, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """The jobs of a rendered file, with what they extend put in."""
    data = read(render(project(name, tmp_path), "0.1.0"))
    return {
        key: {**data.get(job.get("extends", ""), {}), **job}
        for key, job in data.items()
        if key not in PLAIN and not key.startswith(".")
    }


def read(text: str) -> dict[str, Any]:
    data: dict[str, Any] = YAML(typ="safe").load(text)
    return data


def succeeds(*argv: str | Path, cwd: Path) -> None:
    done = subprocess.run(
        [str(each) for each in argv], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def conditions(job: dict[str, Any]) -> list[tuple[str, bool]]:
    """Under which conditions a job is in a pipeline, however it starts."""
    return [(rule["if"], rule.get("when") != "never") for rule in job["rules"]]


def test_gitlabs_own_schema_takes_it(name: str, tmp_path: Path) -> None:
    checkout(name, tmp_path)
    schema = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")
    succeeds(BIN / "check-jsonschema", *schema, CI_FILE, OWN_FILE, cwd=tmp_path)


def test_a_linter_finds_nothing(name: str, tmp_path: Path) -> None:
    checkout(name, tmp_path)
    for file in (CI_FILE, OWN_FILE):
        verify = ("--no-lint-api", "-S", "warning", "--gitlab-ci-file", file)
        succeeds(BIN / "gitlab-ci-verify", *verify, cwd=tmp_path)


def test_whatever_a_job_needs_is_in_its_pipeline(name: str, tmp_path: Path) -> None:
    checkout(name, tmp_path)
    gitlab_ci_local(tmp_path, "--validate-dependency-chain", "--no-json-schema-validation")


def test_what_gitlab_stops_by_itself_has_the_rules_of_its_deploy(
    jobs: dict[str, dict[str, Any]],
) -> None:
    deploys = [job for job in jobs.values() if "on_stop" in job.get("environment", {})]
    for deploy in deploys:
        stop = jobs[deploy["environment"]["on_stop"]]
        assert conditions(stop) == conditions(deploy)
        assert stop["environment"] == {"name": deploy["environment"]["name"], "action": "stop"}
        assert stop["stage"] == deploy["stage"]
        assert stop["variables"]["GIT_STRATEGY"] == "none"
        by_hand = [rule for rule in stop["rules"] if rule.get("when") != "never"]
        assert all((rule["when"], rule["allow_failure"]) == ("manual", True) for rule in by_hand)


def test_an_environment_of_many_refs_is_stopped_with_its_ref(
    name: str, tmp_path: Path, jobs: dict[str, dict[str, Any]]
) -> None:
    for kind_name, kind in project(name, tmp_path).environments.items():
        stopped = "on_stop" in jobs[f"deploy:{kind_name}"]["environment"]
        assert stopped == (kind.is_pattern and kind.tier != "production")


def test_one_job_at_a_time_for_each_environment(jobs: dict[str, dict[str, Any]]) -> None:
    for job in jobs.values():
        if "environment" in job:
            assert job["resource_group"] == job["environment"]["name"]


def test_what_changes_a_server_is_never_cut_short(jobs: dict[str, dict[str, Any]]) -> None:
    for name, job in jobs.items():
        checks = name in ("lint", "build", "test", "promote", "prune:builds")
        assert job["interruptible"] == checks
        assert ("image" in job) == checks


def test_what_replaces_something_is_started_by_hand_and_asked_about(
    jobs: dict[str, dict[str, Any]],
) -> None:
    for name, job in jobs.items():
        if name.startswith(("reset:", "rollback:")):
            assert job["manual_confirmation"]
        if name.startswith(("reset:", "rollback:", "stop:", "server:")):
            there = [rule for rule in job["rules"] if rule.get("when") != "never"]
            assert {rule["when"] for rule in there} == {"manual"}


def test_production_is_neither_reset_nor_stopped_from_a_pipeline(
    name: str, tmp_path: Path, jobs: dict[str, dict[str, Any]]
) -> None:
    for kind_name, kind in project(name, tmp_path).environments.items():
        if kind.tier == "production":
            assert not {f"reset:{kind_name}", f"stop:{kind_name}"} & set(jobs)


def test_a_gate_before_production_holds_the_pipeline(tmp_path: Path) -> None:
    data = read(render(project("manual-production", tmp_path), "0.1.0"))
    gates = [rule for rule in data["deploy:prod"]["rules"] if rule.get("when") == "manual"]
    assert [rule["allow_failure"] for rule in gates] == [False]
    others = [rule for rule in data["deploy:feature"]["rules"] if rule.get("when") == "manual"]
    assert [rule["allow_failure"] for rule in others] == [True, True]


def test_a_gate_never_holds_a_merge_request(tmp_path: Path) -> None:
    (tmp_path / "junov.yaml").write_text(
        "project: shop\nenvironments:\n  prod: {branch: 'release/*', host: '{slug}.example.com', "
        "tier: production, deploy: manual}\n"
    )
    data = read(render(read_project(tmp_path).config, "0.1.0"))
    rules = [rule for rule in data["deploy:prod"]["rules"] if rule.get("when") == "manual"]
    assert [rule["allow_failure"] for rule in rules] == [True, False]


def test_names_that_older_yaml_takes_for_truths_are_quoted(tmp_path: Path) -> None:
    (tmp_path / "junov.yaml").write_text(
        "project: shop\nenvironments:\n  'on': {branch: main, host: shop.example.com}\n"
        "gitlab: {runners: {docker: 'yes', shell: 'off'}}\n"
    )
    text = render(read_project(tmp_path).config, "0.1.0")
    assert "    - 'yes'\n" in text
    assert "    - 'off'\n" in text
    assert "    name: 'on'\n" in text


def test_each_script_is_one_command_of_junov(jobs: dict[str, dict[str, Any]]) -> None:
    for job in jobs.values():
        assert len(job["script"]) == 1
        assert job["script"][0].startswith("junov ")


def test_only_a_runners_own_failure_is_retried(jobs: dict[str, dict[str, Any]]) -> None:
    for job in jobs.values():
        assert set(job["retry"]["when"]) <= {
            *("runner_system_failure", "api_failure", "scheduler_failure")
        }


def test_what_a_project_asks_for_is_in_its_jobs(tmp_path: Path) -> None:
    data = read(render(project("without-database", tmp_path), "0.1.0"))
    assert data["lint"]["before_script"] == ["pip install -r requirements-dev.txt"]
    assert data["lint"]["cache"]["key"]["files"] == ["requirements-dev.txt"]
    assert data["test"]["artifacts"]["reports"] == {
        "junit": "junov-tests.xml",
        "coverage_report": {"coverage_format": "cobertura", "path": "junov-coverage.xml"},
    }
    assert data["deploy:review"]["environment"]["auto_stop_in"] == "36 hours"
    assert data["deploy:review"]["environment"]["name"] == "review/$CI_COMMIT_REF_NAME"
    assert not any(key.startswith("reset:") for key in data)


def test_runners_and_image_are_the_projects_own(tmp_path: Path) -> None:
    data = read(render(project("two-workers", tmp_path), "0.1.0"))
    assert data[".junov:docker"]["tags"] == ["builders"]
    assert data[".junov:shell"]["tags"] == ["mail-server"]
    assert data["variables"]["JUNOV_JOB_IMAGE"] == "registry.example.com/tools/junov:1.2"


def test_a_component_makes_the_same_jobs_for_whoever_includes_it(tmp_path: Path) -> None:
    found = checkout(EXAMPLE, tmp_path)
    component = tmp_path / COMPONENT_FILE
    component.parent.mkdir()
    component.write_text(render_component(found, "0.1.0"), encoding="utf-8")
    (tmp_path / OWN_FILE).write_text(
        f"include:\n  - local: {COMPONENT_FILE}\n    inputs:\n      project: shop\n"
        "      image: example.com/junov:7\n"
        "      shell-runner: our-server\n",
        encoding="utf-8",
    )
    succeeds("git", "add", "--all", cwd=tmp_path)
    data = read(gitlab_ci_local(tmp_path, "--preview", "--no-json-schema-validation"))
    rendered = read(render(found, "0.1.0"))
    assert {key for key in rendered if not key.startswith(".")} <= set(data)
    assert data["reset:stage"]["script"] == [
        'junov reset --yes --project shop "heads/$CI_COMMIT_REF_NAME"'
    ]
    assert found.project not in component.read_text(encoding="utf-8").split()
    assert data["variables"]["JUNOV_JOB_IMAGE"] == "example.com/junov:7"
    assert data["deploy:prod"]["tags"] == ["our-server"]
    assert data["build"]["tags"] == ["docker"]


def test_what_this_repository_has_rendered_is_current() -> None:
    folder = ROOT / "examples" / "notes"
    found = read_project(folder).config
    assert (folder / CI_FILE).read_text(encoding="utf-8") == render(found, __version__)
    assert (folder / OWN_FILE).read_text(encoding="utf-8") == own_file()
    component = (ROOT / COMPONENT_FILE).read_text(encoding="utf-8")
    assert component == render_component(found, __version__)
