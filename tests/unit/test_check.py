"""`junov check`: one line for each environment, each finding once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from junov.cli.app import root

JUNOV = """\
project: notes
web: {service: web}
environments:
  prod: {branch: main, host: notes.example.com, tier: production}
  stage: {branch: dev, host: stage.notes.example.com}
"""
COMPOSE = """\
services:
  web:
    build: .
    ports: ["8000:8000"]
    environment:
      LEVEL: ${LEVEL}
  cache:
    image: redis:7
"""
DOCKERFILE = "FROM debian AS release\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    files = {
        "junov.yaml": JUNOV,
        "compose.yaml": COMPOSE,
        "env/prod.env": "LEVEL=info\n",
        "Dockerfile": DOCKERFILE,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def check(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(root, ["check", *arguments], catch_exceptions=False)
    return result.exit_code, result.stdout


@pytest.mark.usefixtures("folder")
def test_a_finding_of_several_environments_is_printed_once() -> None:
    code, output = check()
    lines = output.splitlines()
    assert code == 1
    assert lines[:2] == ["✗ prod: 2 refused", "✗ stage: 3 refused"]
    assert output.count("[host-port]") == output.count("[unpinned-image]") == 1
    both, one = lines.index("in prod, stage:"), lines.index("in stage:")
    assert both < one
    assert "[host-port]" in lines[both + 1]
    assert "[unset-variable]" in lines[one + 1]


@pytest.mark.usefixtures("folder")
def test_machines_get_a_finding_for_each_environment() -> None:
    code, output = check("--json")
    found = sorted((each["environment"], each["rule"]) for each in json.loads(output))
    assert code == 1
    assert found == [
        ("prod", "host-port"),
        ("prod", "unpinned-image"),
        ("stage", "host-port"),
        ("stage", "unpinned-image"),
        ("stage", "unset-variable"),
    ]


@pytest.mark.usefixtures("folder")
def test_an_image_is_pinned_by_what_every_engine_can_do() -> None:
    _, output = check("prod")
    assert (
        "docker pull redis:7 && docker image inspect --format '{{index .RepoDigests 0}}' redis:7"
        in output
    )


def test_a_project_that_cannot_be_built_is_refused(folder: Path) -> None:
    (folder / "Dockerfile").unlink()
    (folder / "compose.yaml").write_text("services: {web: {build: .}}\n")
    code, output = check()
    assert code == 1
    assert "there is no Dockerfile" in output
    (folder / "Dockerfile").write_text(DOCKERFILE)
    assert check() == (0, "✓ prod\n✓ stage\n")
