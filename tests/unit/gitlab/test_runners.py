"""Starting the runners: a double of GitLab Runner, and of the engine that can't have its image."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from junov.errors import CommandError
from junov.server.runners import install_argv, runner_stack
from junov.site import Site
from tests.gitlab_stub import GitLabStub
from tests.unit.gitlab.conftest import Call


@dataclass
class EngineDouble:
    """An engine and what runs stacks on it, in one; it keeps what it was told to start."""

    has: set[str] = field(default_factory=set)
    pull_fails: str | None = None
    up_fails: bool = False
    pulled: list[str] = field(default_factory=list)
    started: list[Path] = field(default_factory=list)

    def containers(self, labels: Mapping[str, str], *, all_states: bool = True) -> list[object]:
        assert labels == {"dev.junov.part": "junov-gitlab-runner"}
        assert not all_states
        return [SimpleNamespace(name="junov-gitlab-runner-runner-1")] if self.started else []

    def image_labels(self, image: str) -> Mapping[str, str] | None:
        return {} if image in self.has else None

    def pull(self, image: str, *, silence: int) -> str | None:
        assert silence > 0
        self.pulled.append(image)
        return self.pull_fails

    def up_and_wait(self, stack: Path, *, on_line: Callable[[str], None]) -> None:
        on_line("started")
        if self.up_fails:
            raise CommandError("no", exit_code=1, detail="port is taken")
        self.started.append(stack)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> EngineDouble:
    double = EngineDouble()
    monkeypatch.setattr(Site, "engine", double)
    monkeypatch.setattr(Site, "runtime", double)
    return double


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A double of the program gitlab-runner: it writes down its arguments, and runs once started.

    Returns:
        The file with the arguments, a line for each call.
    """
    folder = tmp_path / "bin"
    folder.mkdir()
    log = tmp_path / "gitlab-runner.log"
    script = folder / "gitlab-runner"
    script.write_text(
        f"""#!/bin/sh
echo "$@" >> {log}
case $1 in
status) test -e {log}.started ;;
start) touch {log}.started ;;
esac
"""
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return log


def test_the_docker_runner_is_a_container_of_gitlabs_own_version(
    call: Call, stub: GitLabStub, engine: EngineDouble, home: Path
) -> None:
    outcome = call("setup", "--runner", "docker")
    assert outcome.code == 0, outcome.said
    assert engine.pulled == ["gitlab/gitlab-runner:v18.11.0"]
    (file,) = engine.started
    service = json.loads(file.read_text())["services"]["runner"]
    assert service["image"] == "gitlab/gitlab-runner:v18.11.0"
    sources = [each["source"] for each in service["volumes"]]
    assert sources == [str(home / "gitlab-runner" / "docker"), "/var/run/docker.sock"]
    stub.asked.clear()
    assert "nothing to do" in call("setup", "--runner", "docker").err
    assert stub.written == []
    assert len(engine.started) == 1


def test_an_image_that_is_there_is_not_pulled(call: Call, engine: EngineDouble) -> None:
    engine.has.add("mirror.example.com/runner:1")
    image = ("--runner-image", "mirror.example.com/runner:1")
    assert call("setup", "--runner", "docker", *image).code == 0
    assert engine.pulled == []


def test_an_image_that_cannot_be_had_says_what_else_there_is(
    call: Call, stub: GitLabStub, engine: EngineDouble
) -> None:
    engine.pull_fails = "no such host"
    outcome = call("setup", "--runner", "docker")
    assert outcome.code == 1
    assert "the image gitlab/gitlab-runner:v18.11.0 can't be had" in outcome.err
    assert "--runner-image" in outcome.err
    assert len(stub.runners) == 1
    engine.pull_fails = None
    stub.asked.clear()
    assert call("setup", "--runner", "docker").code == 0
    assert stub.written == []
    assert engine.started


def test_a_container_that_does_not_start_is_told_with_what_was_said(
    call: Call, engine: EngineDouble
) -> None:
    engine.up_fails = True
    outcome = call("setup", "--runner", "docker")
    assert outcome.code == 1
    assert "the docker runner does not start" in outcome.err
    assert "port is taken" in outcome.err


def test_the_shell_runner_is_a_service_of_the_host(call: Call, program: Path, home: Path) -> None:
    outcome = call("setup", "--runner", "shell")
    assert outcome.code == 0, outcome.said
    said = program.read_text().splitlines()
    assert said[-2].startswith(f"install --service junov-gitlab-runner --config {home}")
    assert said[-1] == "start --service junov-gitlab-runner"
    assert (home / "gitlab-runner" / "builds").is_dir()
    assert "glrt-" not in program.read_text()
    program.write_text("")
    assert "nothing to do" in call("setup", "--runner", "shell").err
    assert program.read_text().splitlines() == ["status --service junov-gitlab-runner"]


def test_without_gitlab_runner_on_the_host_it_says_how_to_install_it(
    call: Call, stub: GitLabStub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    outcome = call("setup", "--runner", "shell")
    assert outcome.code == 1
    assert "gitlab-runner is not installed on this machine" in outcome.err
    assert "https://docs.gitlab.com/runner/install/linux-repository/" in outcome.err
    assert len(stub.runners) == 1


def test_a_runner_of_the_teams_own_is_only_written_to(
    call: Call, stub: GitLabStub, tmp_path: Path, home: Path
) -> None:
    file = tmp_path / "config.toml"
    file.write_text('concurrent = 1\n[[runners]]\n  name = "old"\n  token = "glrt-x"\n')
    outcome = call("setup", "--runner", "shell", "--runner-config", str(file))
    assert outcome.code == 0, outcome.said
    assert 'name = "old"' in file.read_text()
    assert stub.shown[0] in file.read_text()
    assert not (home / "gitlab-runner").exists()


def test_one_file_cannot_be_of_two_runners(call: Call, tmp_path: Path) -> None:
    outcome = call("setup", "--runner-config", str(tmp_path / "config.toml"))
    assert outcome.code == 2
    assert "say which with --runner" in outcome.err


def test_the_service_is_told_where_its_token_is_and_not_what_it_is() -> None:
    assert install_argv(Path("/h/config.toml"), Path("/h/builds"), "root") == [
        *("gitlab-runner", "install", "--service", "junov-gitlab-runner"),
        *("--config", "/h/config.toml", "--working-directory", "/h/builds", "--user", "root"),
    ]


def test_the_container_comes_back_after_a_restart() -> None:
    service = runner_stack("image", Path("/h"))["services"]["runner"]
    assert service["restart"] == "unless-stopped"
