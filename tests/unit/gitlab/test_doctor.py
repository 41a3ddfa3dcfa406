"""`junov gitlab doctor`: what it finds in a double of GitLab, and what mends it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.gitlab_stub import DEVELOPER_TOKEN, Fault, GitLabStub
from tests.unit.gitlab.conftest import Call


def elsewhere(runner: dict[str, Any]) -> str:
    """The description of a runner that is on a machine of its own."""
    (tag,) = runner["tag_list"]
    return f"junov notes {tag} on the-{tag}-host"


@pytest.fixture
def whole(call: Call, stub: GitLabStub, home: Path) -> None:
    """A project that has all it needs, seen from a laptop."""
    call("setup", "--no-start")
    for runner in stub.runners.values():
        runner.update(online=True, status="online", description=elsewhere(runner))
    for scope in ("prod", "stage", "feature/*", "env-*"):
        scope = "tagged/*" if scope == "env-*" else scope
        stub.variables.append(
            {
                "key": "SMTP_PASSWORD",
                "value": "not-shown-anywhere",
                "environment_scope": scope,
                "protected": True,
                "masked": True,
            }
        )
    for executor in ("docker", "shell"):
        (home / "gitlab-runner" / executor / "config.toml").unlink()
    stub.asked.clear()


def verdicts(call: Call) -> tuple[int, dict[str, str]]:
    outcome = call("doctor", "--json")
    found = json.loads(outcome.out)
    return outcome.code, {each["check"]: each["verdict"] for each in found}


@pytest.mark.usefixtures("whole")
def test_a_project_that_has_all_it_needs_is_well(call: Call, stub: GitLabStub) -> None:
    code, found = verdicts(call)
    assert (code, set(found.values())) == (0, {"ok"})
    assert set(found) == {
        *("gitlab", "token", "merge requests", "branches", "tags", "runners", "notes"),
        *("schedule", "cleanup", "docker runner", "shell runner", "docker host", "secrets"),
    }
    assert stub.written == []


def test_a_new_project_lacks_everything_and_nothing_is_changed(
    call: Call, stub: GitLabStub
) -> None:
    outcome = call("doctor")
    assert outcome.code == 1
    assert stub.written == []
    for check in ("branches", "tags", "runners", "notes", "schedule", "cleanup", "shell runner"):
        assert f"✗ {check}: " in outcome.out
    assert "→ let junov do it: junov gitlab setup" in outcome.out
    assert "junov gitlab setup --runner shell" in outcome.out


@pytest.mark.usefixtures("whole")
def test_each_thing_that_is_wrong_is_found(call: Call, stub: GitLabStub) -> None:
    shell = next(each for each in stub.runners.values() if each["tag_list"] == ["shell"])
    docker = next(each for each in stub.runners.values() if each["tag_list"] == ["docker"])

    def failed() -> set[str]:
        return {check for check, verdict in verdicts(call)[1].items() if verdict == "failed"}

    shell["access_level"] = "not_protected"
    assert failed() == {"runners"}
    shell.update(access_level="ref_protected", online=False, status="offline")
    assert failed() == {"shell runner"}
    shell.update(online=True)
    docker.update(paused=True)
    assert failed() == {"docker runner"}
    docker.update(paused=False, tag_list=["other"])
    assert failed() == {"runners"}
    docker.update(tag_list=["docker"])
    stub.branches["main"]["allow_force_push"] = True
    assert failed() == {"branches"}
    stub.branches["main"]["allow_force_push"] = False
    policy = stub.project["container_expiration_policy"]
    right, policy["name_regex"] = policy["name_regex"], ".*"
    assert failed() == {"cleanup"}
    policy["name_regex"] = right
    stub.project["container_expiration_policy"]["enabled"] = False
    assert failed() == {"cleanup"}


@pytest.mark.usefixtures("whole")
def test_a_secret_that_gitlab_lacks_is_named_with_its_environment(
    call: Call, stub: GitLabStub
) -> None:
    stub.variables[:] = [
        each
        for each in stub.variables
        if (each["key"], each["environment_scope"]) != ("SMTP_PASSWORD", "stage")
    ]
    outcome = call("doctor")
    assert outcome.code == 1
    assert "junov.yaml requires variables that GitLab doesn't have: SMTP_PASSWORD (stage)" in (
        outcome.out
    )
    stub.variables[-1].update(environment_scope="*", masked=False)
    outcome = call("doctor")
    assert outcome.code == 0
    assert "! secrets: not masked, so logs may show them: SMTP_PASSWORD" in outcome.out
    assert "not-shown-anywhere" not in outcome.said


@pytest.mark.usefixtures("whole")
def test_two_runners_on_one_machine_are_warned_of_from_anywhere(
    call: Call, stub: GitLabStub
) -> None:
    for runner in stub.runners.values():
        runner["description"] = f"junov notes {runner['tag_list'][0]} on srv1"
    outcome = call("doctor")
    assert outcome.code == 0
    assert "! docker host: the docker runner is on the server itself (srv1)" in outcome.out


@pytest.mark.usefixtures("whole")
def test_a_docker_runner_on_the_server_itself_is_warned_of(
    call: Call, home: Path, stub: GitLabStub
) -> None:
    file = home / "gitlab-runner" / "docker" / "config.toml"
    file.write_text('[[runners]]\n  name = "junov notes docker on vm"\n  token = "glrt-x"\n')
    assert "! docker host" not in call("doctor").out
    (home / "server.yaml").write_text("domain: example.com\n")
    outcome = call("doctor")
    assert outcome.code == 0
    assert "! docker host: the docker runner is on the server itself" in outcome.out
    assert "is as good as root on the machine that production runs on" in outcome.out
    assert stub.written == []


def test_a_developers_token_is_not_enough(
    call: Call, stub: GitLabStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUNOV_GITLAB_TOKEN", DEVELOPER_TOKEN)
    outcome = call("doctor")
    assert outcome.code == 1
    assert "✗ gitlab: the token's user is no maintainer of team/notes" in outcome.out
    assert DEVELOPER_TOKEN not in outcome.said
    assert stub.written == []


def test_a_token_without_the_scope_is_told_so(call: Call, stub: GitLabStub) -> None:
    for token, (user, role, _) in stub.users.items():
        stub.users[token] = (user, role, ["read_api"])
    assert "✗ token: the token's scopes are read_api" in call("doctor").out


def test_a_gitlab_that_is_down_is_the_only_finding(call: Call, stub: GitLabStub) -> None:
    stub.faults.append(Fault("GET", "/version", 503, "maintenance"))
    code, found = verdicts(call)
    assert (code, found) == (1, {"gitlab": "failed"})


@pytest.mark.usefixtures("whole")
def test_a_gitlab_that_does_not_know_the_setting_is_warned_of(call: Call, stub: GitLabStub) -> None:
    del stub.project["protect_merge_request_pipelines"]
    code, found = verdicts(call)
    assert (code, found["merge requests"]) == (0, "warning")
