"""`config.toml` of GitLab Runner: what is in it, and what of others stays."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from junov.errors import ConfigError
from junov.gitlab.runner_config import RunnerEntry, is_current, tokens, with_runner
from junov.secret import Secret

DOCKER = RunnerEntry(
    name="junov notes docker on ci1",
    url="https://gitlab.example.com",
    executor="docker",
    id=12,
    token=Secret("glrt-docker"),
    image="registry.example.com/team/notes/junov:0.1.0",
)
SHELL = RunnerEntry(
    name="junov notes shell on srv1",
    url="https://gitlab.example.com",
    executor="shell",
    id=13,
    token=Secret("glrt-shell"),
    home="/var/lib/junov",
    builds="/var/lib/junov/gitlab-runner/builds",
)
FOREIGN = """\
concurrent = 1
[session_server]
  session_timeout = 1800

[[runners]] # the old one
  name = "somebody's \\"own\\""
  token = "glrt-foreign"
  executor = "shell"
  [runners.custom_build_dir]
    enabled = true
"""


def test_the_docker_runner_has_the_hosts_docker_and_a_network_for_each_job() -> None:
    assert tomllib.loads(with_runner("", DOCKER)) == {
        "concurrent": 4,
        "check_interval": 3,
        "shutdown_timeout": 60,
        "runners": [
            {
                "name": "junov notes docker on ci1",
                "url": "https://gitlab.example.com",
                "id": 12,
                "token": "glrt-docker",
                "executor": "docker",
                "feature_flags": {"FF_NETWORK_PER_BUILD": True},
                "docker": {
                    "image": "registry.example.com/team/notes/junov:0.1.0",
                    "privileged": False,
                    "pull_policy": ["always", "if-not-present"],
                    "volumes": ["/cache", "/var/run/docker.sock:/var/run/docker.sock"],
                },
            }
        ],
    }


def test_the_file_says_what_the_docker_socket_means() -> None:
    assert "is as good as root on this machine. It must not be the server." in with_runner(
        "", DOCKER
    )


def test_the_shell_runner_works_on_the_servers_state() -> None:
    (runner,) = tomllib.loads(with_runner("", SHELL))["runners"]
    assert runner == {
        "name": "junov notes shell on srv1",
        "url": "https://gitlab.example.com",
        "id": 13,
        "token": "glrt-shell",
        "executor": "shell",
        "shell": "bash",
        "builds_dir": "/var/lib/junov/gitlab-runner/builds",
        "environment": ["JUNOV_HOME=/var/lib/junov"],
    }


def test_what_others_have_in_the_file_stays() -> None:
    text = with_runner(with_runner(FOREIGN, SHELL), DOCKER)
    assert text.startswith(FOREIGN.rstrip("\n"))
    names = [each["name"] for each in tomllib.loads(text)["runners"]]
    assert names == ['somebody\'s "own"', SHELL.name, DOCKER.name]


def test_a_runner_is_replaced_in_its_place() -> None:
    text = with_runner(with_runner(FOREIGN, SHELL), DOCKER)
    again = with_runner(text, replace(SHELL, token=Secret("glrt-other"), id=99))
    found = tomllib.loads(again)["runners"]
    assert [each["token"] for each in found] == ["glrt-foreign", "glrt-other", "glrt-docker"]
    assert again.startswith(FOREIGN.rstrip("\n"))
    assert with_runner(again, replace(SHELL, token=Secret("glrt-other"), id=99)) == again


def test_what_gitlab_runner_adds_by_itself_changes_nothing() -> None:
    rewritten = """\
concurrent = 4
[[runners]]
  name = "junov notes shell on srv1"
  url = "https://gitlab.example.com"
  id = 13
  token = "glrt-shell"
  token_obtained_at = 2026-11-24T02:00:00Z
  executor = "shell"
  shell = "bash"
  builds_dir = "/var/lib/junov/gitlab-runner/builds"
  environment = ["JUNOV_HOME=/var/lib/junov"]
  [runners.cache]
    MaxUploadedArchiveSize = 0
"""
    assert is_current(rewritten, SHELL)
    assert not is_current(rewritten.replace("id = 13", "id = 14"), SHELL)
    assert not is_current("", SHELL)


def test_tokens_are_found_again_and_do_not_show() -> None:
    found = tokens(with_runner(with_runner(FOREIGN, SHELL), DOCKER), file=Path("config.toml"))
    assert found[SHELL.name] == (13, Secret("glrt-shell"))
    assert found['somebody\'s "own"'][0] is None
    assert "glrt" not in repr(found)


def test_a_broken_file_is_named() -> None:
    with pytest.raises(ConfigError, match="configuration is broken") as caught:
        tokens("[[runners", file=Path("/etc/gitlab-runner/config.toml"))
    assert str(caught.value.place) == "/etc/gitlab-runner/config.toml"
