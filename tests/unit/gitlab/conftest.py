"""A project, a GitLab that is a double, and the commands of `junov gitlab`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from junov.cli.boundary import guarded
from junov.cli.gitlab import gitlab
from tests.gitlab_stub import MAINTAINER_TOKEN, PATH, GitLabStub, gitlab_stub

PROJECT_FILE = """\
project: notes
stable: main
test: {service: tests}
secrets: {SECRET_KEY: generate, SMTP_PASSWORD: required}
environments:
  prod: {branch: main, host: notes.example.com, tier: production}
  stage: {branch: dev, host: stage.notes.example.com, tier: staging}
  feature: {branch: "feature/*", host: "{slug}.notes.example.com", expires: 7d}
  tagged: {tag: "env-*", host: "{slug}.notes.example.com"}
"""


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and all that it said anywhere."""

    code: int
    out: str
    err: str
    log: str

    @property
    def said(self) -> str:
        """All of it."""
        return f"{self.out}\n{self.err}\n{self.log}"


Call = Callable[..., Outcome]

SETUP = ("setup", "--no-start")


def no_token_in(outcome: Outcome, stub: GitLabStub) -> None:
    """Whatever was said: no token that the double knows or has shown."""
    for token in (*stub.shown, *stub.users):
        assert token not in outcome.said


@pytest.fixture
def stub() -> Iterator[GitLabStub]:
    """The double."""
    with gitlab_stub() as stub:
        yield stub


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """This machine's state folder, which isn't there yet."""
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, stub: GitLabStub) -> Path:
    """The project's folder, with a maintainer's token in the environment and no engine."""
    folder = tmp_path / "project"
    folder.mkdir()
    where = f"gitlab: {{url: '{stub.url}', path: {PATH}}}\n"
    (folder / "junov.yaml").write_text(PROJECT_FILE + where)
    monkeypatch.chdir(folder)
    for name in ("CI_SERVER_URL", "CI_PROJECT_PATH", "GITLAB_TOKEN", "CI_JOB_ID", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    monkeypatch.setenv("JUNOV_HOME", str(home))
    monkeypatch.setenv("JUNOV_GITLAB_TOKEN", MAINTAINER_TOKEN)
    return folder


@pytest.fixture
def call(
    folder: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Call:
    """Runs a command of `junov gitlab` in the project's folder."""
    del folder
    caplog.set_level(logging.DEBUG)

    def call(*argv: str) -> Outcome:
        caplog.clear()
        capsys.readouterr()
        code = guarded(
            lambda: gitlab.main(list(argv), prog_name="junov gitlab", standalone_mode=False)
        )
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err, caplog.text)

    return call
