"""`junov gitlab setup` against a double of GitLab: every call, and a second run."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tests.gitlab_stub import PROJECT, Fault, GitLabStub, level
from tests.unit.gitlab.conftest import SETUP, Call, no_token_in


def config(home: Path, executor: str) -> dict[str, object]:
    file = home / "gitlab-runner" / executor / "config.toml"
    assert file.stat().st_mode & 0o777 == 0o600
    found: dict[str, object] = tomllib.loads(file.read_text())["runners"][0]
    return found


def test_a_new_project_gets_all_that_its_pipelines_need(call: Call, stub: GitLabStub) -> None:
    outcome = call(*SETUP)
    assert outcome.code == 0, outcome.said
    here = f"/projects/{PROJECT}"
    assert stub.written == [
        f"PUT {here}",
        f"POST {here}/protected_branches",
        f"POST {here}/protected_branches",
        f"POST {here}/protected_branches",
        f"POST {here}/protected_tags",
        f"POST {here}/protected_tags",
        "POST /user/runners",
        "POST /user/runners",
        f"POST {here}/access_tokens",
        f"POST {here}/variables",
        f"POST {here}/variables",
        f"POST {here}/variables",
        f"POST {here}/deploy_tokens",
        f"POST {here}/pipeline_schedules",
        f"PUT {here}",
    ]
    assert stub.project["protect_merge_request_pipelines"] is True
    no_token_in(outcome, stub)


def test_branches_are_protected_as_their_environments_ask_for(call: Call, stub: GitLabStub) -> None:
    call(*SETUP)
    found = {
        name: (
            each["push_access_levels"][0]["access_level"],
            each["merge_access_levels"][0]["access_level"],
            each["allow_force_push"],
        )
        for name, each in stub.branches.items()
    }
    assert found == {
        "main": (40, 40, False),  # GitLab's own protection of the default branch, left as it was
        "dev": (40, 30, False),
        "feature/*": (30, 30, True),
        "cicd": (40, 40, False),
    }
    creators = {
        name: each["create_access_levels"][0]["access_level"] for name, each in stub.tags.items()
    }
    assert creators == {"env-*": 30, "v*": 40}


def test_only_the_docker_runner_takes_jobs_of_unprotected_branches(
    call: Call, stub: GitLabStub, home: Path
) -> None:
    call(*SETUP)
    made = {each["tag_list"][0]: each for each in stub.runners.values()}
    assert made["docker"]["access_level"] == "not_protected"
    assert made["shell"]["access_level"] == "ref_protected"
    for each in made.values():
        assert each["locked"] is True
        assert each["run_untagged"] is False
    docker, shell = config(home, "docker"), config(home, "shell")
    assert docker["token"] == stub.runner_tokens[made["docker"]["id"]]
    assert shell["token"] == stub.runner_tokens[made["shell"]["id"]]
    assert shell["environment"] == [f"JUNOV_HOME={home}"]


def test_the_token_for_notes_goes_to_jobs_of_environments_alone(
    call: Call, stub: GitLabStub
) -> None:
    call(*SETUP)
    (token,) = stub.access_tokens.values()
    assert (token["scopes"], token["access_level"]) == (["api"], 30)
    assert [each["environment_scope"] for each in stub.variables] == ["prod", "stage", "feature/*"]
    for each in stub.variables:
        assert each["key"] == "JUNOV_GITLAB_TOKEN"
        assert each["value"] in stub.shown
        assert (each["protected"], each["masked"]) == (True, True)


def test_the_server_pulls_with_a_deploy_token_that_can_only_read(
    call: Call, stub: GitLabStub, tmp_path: Path
) -> None:
    call(*SETUP)
    (token,) = stub.deploy_tokens.values()
    assert token["scopes"] == ["read_registry"]
    file = tmp_path / "docker" / "config.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(json.loads(file.read_text())["auths"]) == ["registry.example.com"]


def test_the_machine_for_builds_alone_needs_no_deploy_token(call: Call, stub: GitLabStub) -> None:
    assert call(*SETUP, "--runner", "docker").code == 0
    assert [each["tag_list"] for each in stub.runners.values()] == [["docker"]]
    assert stub.deploy_tokens == {}


def test_both_runners_on_one_machine_is_said_to_be_dangerous(call: Call, home: Path) -> None:
    assert "the docker runner is on the server itself" in call(*SETUP, "--dry-run").err
    assert "the server itself" not in call(*SETUP, "--runner", "docker", "--dry-run").err
    home.mkdir()
    (home / "server.yaml").write_text("name: junov\n")
    assert "the docker runner is on the server" in call(*SETUP, "--runner", "docker").err


def test_the_nightly_pipeline_runs_on_the_default_branch(call: Call, stub: GitLabStub) -> None:
    call(*SETUP)
    (schedule,) = stub.schedules.values()
    assert (schedule["ref"], schedule["cron"]) == ("refs/heads/main", "17 3 * * *")
    assert schedule["active"] is True


def test_a_second_run_sends_nothing_that_changes_anything(call: Call, stub: GitLabStub) -> None:
    call(*SETUP)
    stub.asked.clear()
    again = call(*SETUP)
    assert again.code == 0
    assert stub.written == []
    assert "there is nothing to do" in again.err


def test_a_dry_run_says_what_it_would_do_and_does_nothing(
    call: Call, stub: GitLabStub, home: Path
) -> None:
    outcome = call(*SETUP, "--dry-run")
    assert outcome.code == 0
    assert stub.written == []
    assert not home.exists()
    assert "protect feature/*: developers push, and rewrite them" in outcome.out
    assert "POST /user/runners" in outcome.out


def test_a_dry_run_can_be_read_by_a_program(call: Call, stub: GitLabStub) -> None:
    outcome = call(*SETUP, "--dry-run", "--json")
    actions = json.loads(outcome.out)["actions"]
    assert stub.written == []
    assert [each["what"] for each in actions][:2] == ["setting", "branch"]
    assert actions[-1]["what"] == "config"
    assert actions[1]["requests"] == ["POST /projects/{project}/protected_branches"]


def test_a_run_can_be_read_by_a_program(call: Call, stub: GitLabStub) -> None:
    outcome = call(*SETUP, "--json")
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    assert lines[-1]["event"] == "result"
    assert lines[-1]["done"] == len(lines[-1]["actions"])
    no_token_in(outcome, stub)


def test_a_run_that_was_cut_short_is_finished_by_the_next(call: Call, stub: GitLabStub) -> None:
    stub.faults.append(Fault("POST", r"/projects/\d+/variables", 502, "bad gateway"))
    first = call(*SETUP)
    assert first.code == 1
    assert "GitLab has trouble of its own" in first.err
    stub.asked.clear()
    second = call(*SETUP)
    assert second.code == 0
    assert [each for each in stub.written if "runners" in each or "branches" in each] == []
    values = {each["value"] for each in stub.variables}
    assert values == {stub.shown[-2]}  # of the renewed token; the last one shown is for pulling
    assert len(stub.variables) == 3
    stub.asked.clear()
    call(*SETUP)
    assert stub.written == []


def test_a_runner_whose_token_is_lost_gets_another(
    call: Call, stub: GitLabStub, home: Path
) -> None:
    call(*SETUP)
    (home / "gitlab-runner" / "shell" / "config.toml").unlink()
    stub.asked.clear()
    outcome = call(*SETUP)
    (number,) = (n for n, each in stub.runners.items() if each["tag_list"] == ["shell"])
    assert stub.written == [f"POST /runners/{number}/reset_authentication_token"]
    assert config(home, "shell")["token"] == stub.runner_tokens[number]
    assert "a new token, because its token is not on this machine" in outcome.err
    no_token_in(outcome, stub)


def test_a_runner_that_was_removed_on_gitlab_is_made_again(
    call: Call, stub: GitLabStub, home: Path
) -> None:
    call(*SETUP)
    old = config(home, "docker")
    del stub.runners[int(str(old["id"]))]
    stub.asked.clear()
    assert call(*SETUP).code == 0
    assert stub.written == ["POST /user/runners"]
    assert config(home, "docker")["id"] != old["id"]
    text = (home / "gitlab-runner" / "docker" / "config.toml").read_text()
    assert text.count("[[runners]]") == 1


def test_a_runner_that_was_removed_and_made_by_hand_gets_a_token_for_here(
    call: Call, stub: GitLabStub, home: Path
) -> None:
    call(*SETUP, "--runner", "shell")
    (old,) = stub.runners
    stub.runners[900] = {**stub.runners.pop(old), "id": 900}
    stub.asked.clear()
    assert call(*SETUP, "--runner", "shell").code == 0
    assert stub.written == ["POST /runners/900/reset_authentication_token"]
    assert (config(home, "shell")["id"], config(home, "shell")["token"]) == (900, stub.shown[-1])


def test_a_runner_that_was_opened_to_everybody_is_closed_again(
    call: Call, stub: GitLabStub
) -> None:
    call(*SETUP)
    shell = next(each for each in stub.runners.values() if each["tag_list"] == ["shell"])
    shell.update(access_level="not_protected", run_untagged=True)
    stub.asked.clear()
    outcome = call(*SETUP)
    assert stub.written == [f"PUT /runners/{shell['id']}"]
    assert (shell["access_level"], shell["run_untagged"]) == ("ref_protected", False)
    assert "the tag shell alone, for jobs of protected branches and tags" in outcome.err


def test_what_is_too_open_is_closed_and_what_is_stricter_is_left(
    call: Call, stub: GitLabStub
) -> None:
    call(*SETUP)
    stub.branches["main"]["push_access_levels"] = [level(30)]
    stub.branches["dev"]["allow_force_push"] = True
    stub.branches["cicd"]["push_access_levels"] = [level(0)]
    stub.branches["feature/*"]["push_access_levels"] = [level(40)]
    stub.tags["v*"]["create_access_levels"] = [level(30)]
    stub.asked.clear()
    assert call(*SETUP).code == 0
    here = f"/projects/{PROJECT}"
    assert stub.written == [
        f"DELETE {here}/protected_branches/main",
        f"POST {here}/protected_branches",
        f"PATCH {here}/protected_branches/dev",
        f"DELETE {here}/protected_tags/v*",
        f"POST {here}/protected_tags",
    ]
    assert stub.branches["main"]["push_access_levels"][0]["access_level"] == 40
    assert stub.branches["dev"]["allow_force_push"] is False


def test_a_pattern_with_a_slash_is_one_part_of_the_path(
    call: Call, stub: GitLabStub, folder: Path
) -> None:
    file = folder / "junov.yaml"
    file.write_text(
        file.read_text().replace('branch: "feature/*",', 'branch: "feature/*", tier: staging,')
    )
    call(*SETUP)
    stub.branches["feature/*"]["allow_force_push"] = True
    assert call(*SETUP).code == 0
    assert stub.branches["feature/*"]["allow_force_push"] is False
    stub.branches["feature/*"]["push_access_levels"] = [level(30)]
    assert call(*SETUP).code == 0
    assert stub.branches["feature/*"]["push_access_levels"] == [level(40)]


def test_a_deploy_key_that_may_push_is_the_teams_own_business(call: Call, stub: GitLabStub) -> None:
    call(*SETUP)
    stub.branches["main"]["push_access_levels"].append({**level(30), "deploy_key_id": 7})
    stub.asked.clear()
    call(*SETUP)
    assert stub.written == []


def test_a_token_for_notes_near_its_end_is_renewed_everywhere(call: Call, stub: GitLabStub) -> None:
    call(*SETUP)
    (token,) = stub.access_tokens.values()
    token["expires_at"] = "2026-01-01"
    stub.asked.clear()
    assert call(*SETUP).code == 0
    here = f"/projects/{PROJECT}"
    assert stub.written == [
        f"POST {here}/access_tokens/{token['id']}/rotate",
        *[f"PUT {here}/variables/JUNOV_GITLAB_TOKEN"] * 3,
    ]
    assert {each["value"] for each in stub.variables} == {stub.shown[-1]}


def test_a_variable_that_lost_its_protection_gets_it_back(call: Call, stub: GitLabStub) -> None:
    call(*SETUP)
    value = stub.variables[1]["value"]
    stub.variables[1].update(protected=False)
    stub.asked.clear()
    call(*SETUP)
    assert stub.written == [f"PUT /projects/{PROJECT}/variables/JUNOV_GITLAB_TOKEN"]
    assert (stub.variables[1]["protected"], stub.variables[1]["value"]) == (True, value)


def test_a_deploy_token_whose_password_is_lost_is_replaced(
    call: Call, stub: GitLabStub, tmp_path: Path
) -> None:
    call(*SETUP)
    (old,) = stub.deploy_tokens
    (tmp_path / "docker" / "config.json").unlink()
    stub.asked.clear()
    call(*SETUP)
    here = f"/projects/{PROJECT}/deploy_tokens"
    assert stub.written == [f"DELETE {here}/{old}", f"POST {here}"]


def test_docker_with_a_store_for_logins_is_left_alone(
    call: Call, stub: GitLabStub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "bin" / "docker-credential-double"
    helper.parent.mkdir()
    helper.write_text("#!/bin/sh\necho credentials not found in native keychain; exit 1\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{helper.parent}:/usr/bin:/bin")
    file = tmp_path / "docker" / "config.json"
    file.parent.mkdir()
    file.write_text('{"credsStore": "double"}')
    outcome = call(*SETUP)
    assert outcome.code == 0, outcome.said
    assert "note: docker keeps its logins in double here" in outcome.err
    assert stub.deploy_tokens == {}
    assert file.read_text() == '{"credsStore": "double"}'


def test_a_login_that_is_there_is_not_replaced(
    call: Call, stub: GitLabStub, tmp_path: Path
) -> None:
    file = tmp_path / "docker" / "config.json"
    file.parent.mkdir()
    file.write_text('{"auths": {"registry.example.com": {"auth": "YTpi"}}}')
    assert call(*SETUP).code == 0
    assert stub.deploy_tokens == {}


def test_a_jobs_own_login_is_none_of_the_machines(
    call: Call, stub: GitLabStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI_REGISTRY", "registry.example.com")
    monkeypatch.setenv("CI_REGISTRY_USER", "job")
    monkeypatch.setenv("CI_REGISTRY_PASSWORD", "ends-with-it")
    assert call(*SETUP).code == 0
    assert len(stub.deploy_tokens) == 1


def test_without_notes_no_access_token_is_made_or_looked_for(call: Call, stub: GitLabStub) -> None:
    assert call(*SETUP, "--no-notes").code == 0
    assert stub.access_tokens == {}
    assert stub.variables == []
    assert [each for each in stub.asked if "access_tokens" in each] == []


def test_images_in_another_registry_need_no_policy_of_gitlabs(
    call: Call, stub: GitLabStub, folder: Path
) -> None:
    file = folder / "junov.yaml"
    file.write_text(f"registry: registry.example.org/notes\n{file.read_text()}")
    assert call(*SETUP).code == 0
    assert stub.project["container_expiration_policy"]["enabled"] is False
    assert stub.deploy_tokens == {}


def test_a_gitlab_without_the_setting_for_merge_requests_is_not_asked_for_it(
    call: Call, stub: GitLabStub
) -> None:
    del stub.project["protect_merge_request_pipelines"]
    assert call(*SETUP).code == 0
    assert "protect_merge_request_pipelines" not in stub.project


def test_the_days_of_the_token_for_notes_can_be_fewer(call: Call, stub: GitLabStub) -> None:
    assert call(*SETUP, "--token-days", "10").code == 0
    (token,) = stub.access_tokens.values()
    days = date.fromisoformat(token["expires_at"]) - datetime.now(UTC).date()
    assert days.days in (9, 10)  # midnight may have come between
    stub.asked.clear()
    assert call(*SETUP, "--token-days", "10").code == 0
    assert stub.written == []
