"""`junov pipeline show`, `junov gitlab render` and `junov gitlab check`, as they are typed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from junov.cli.app import run
from junov.gitlab.ci_file import CI_FILE, COMPONENT_FILE, OWN_FILE
from tests.unit.pipeline.cases import project

Said = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project, which is where the commands are typed."""
    project("manual-production", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_table_tells_what_each_job_is(capsys: Said) -> None:
    assert run(["pipeline", "show", "dev"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows[1:]] == [
        *("lint", "build", "test", "promote"),
        *("deploy:stage", "stop:stage", "rollback:stage", "reset:stage"),
    ]
    assert "junov reset --yes --project shop heads/dev" in rows[-1]


def test_the_matrix_has_a_row_for_each_event(capsys: Said) -> None:
    assert run(["pipeline", "show", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    push = {row["ref"]: row["jobs"] for row in rows if row["event"] == "push"}
    assert push["heads/main"]["deploy:prod"] == "manual"
    assert push["tags/v1.2.3"] == {"promote": "automatic"}
    assert push["tags/nightly"] == {}


def test_what_starts_nothing_is_said(capsys: Said) -> None:
    assert run(["pipeline", "show", "tags/nightly"]) == 0
    assert "no job is for the tag nightly" in capsys.readouterr().err


def test_a_picture_has_every_job(capsys: Said) -> None:
    assert run(["pipeline", "show", "main", "--format", "svg"]) == 0
    picture = ET.fromstring(capsys.readouterr().out)  # noqa: S314 - our own
    texts = [each.text for each in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"lint", "build", "test", "promote", "deploy:prod", "rollback:prod"} <= set(texts)
    assert run(["pipeline", "show", "main", "--format", "mermaid"]) == 0
    assert '["test"]' in capsys.readouterr().out


def test_the_file_is_written_with_one_that_includes_it(here: Path, capsys: Said) -> None:
    assert run(["gitlab", "render"]) == 0
    assert f"local: {CI_FILE}" in (here / OWN_FILE).read_text()
    assert "deploy:prod:" in (here / CI_FILE).read_text()
    assert run(["gitlab", "check"]) == 0
    assert run(["gitlab", "render"]) == 0
    assert "is current" in capsys.readouterr().out


def test_a_teams_own_file_stays_as_it_is(here: Path, capsys: Said) -> None:
    (here / OWN_FILE).write_text("smoke: {script: [make smoke]}\n")
    assert run(["gitlab", "render"]) == 0
    assert (here / OWN_FILE).read_text() == "smoke: {script: [make smoke]}\n"
    assert f"  - local: {CI_FILE}" in capsys.readouterr().err


def test_a_stale_file_is_told_with_the_difference(here: Path, capsys: Said) -> None:
    assert run(["gitlab", "render"]) == 0
    file = here / "junov.yaml"
    file.write_text(file.read_text().replace("deploy: manual}", "}"))
    before = (here / CI_FILE).read_text()
    assert run(["gitlab", "check"]) == 1
    said = capsys.readouterr().err
    assert "junov gitlab render" in said
    assert "-      when: manual" in said
    assert (here / CI_FILE).read_text() == before


def test_a_missing_file_is_stale(capsys: Said) -> None:
    assert run(["gitlab", "check"]) == 1
    assert "junov gitlab render" in capsys.readouterr().err


def test_a_file_that_includes_nothing_of_ours_is_told(here: Path, capsys: Said) -> None:
    assert run(["gitlab", "render"]) == 0
    (here / OWN_FILE).write_text(f"# {CI_FILE}\nsmoke: {{script: [make smoke]}}\n")
    assert run(["gitlab", "check"]) == 1
    assert "does not include" in capsys.readouterr().err


def test_a_project_below_the_top_of_its_repository_is_refused(here: Path, capsys: Said) -> None:
    below = here / "svc"
    below.mkdir()
    (here / "junov.yaml").rename(below / "junov.yaml")
    subprocess.run(["git", "init", "--quiet", str(here)], check=True)
    assert run(["gitlab", "render", "-C", str(below)]) == 1
    assert "at the top of the repository" in capsys.readouterr().err
    assert [file.name for file in below.iterdir()] == ["junov.yaml"]


@pytest.mark.parametrize("name", [OWN_FILE, CI_FILE])
def test_a_folder_in_the_way_is_told(name: str, here: Path, capsys: Said) -> None:
    (here / name).mkdir(parents=True)
    assert run(["gitlab", "render"]) == 1
    assert "is a folder" in capsys.readouterr().err


def test_what_makes_no_sense_is_wrong_usage(here: Path) -> None:
    assert run(["pipeline", "show", "tags/v1", "--event", "merge_request"]) == 2
    assert run(["pipeline", "show", "--format", "svg"]) == 2
    below = here / "deeper"
    below.mkdir()
    assert run(["pipeline", "show", "-C", str(below)]) == 0


def test_what_is_only_printed_is_not_written(here: Path, capsys: Said) -> None:
    assert run(["gitlab", "render", "--stdout"]) == 0
    assert "workflow:" in capsys.readouterr().out
    assert not (here / CI_FILE).exists()


def test_a_component_is_for_those_who_include_it(here: Path, capsys: Said) -> None:
    assert run(["gitlab", "render", "--component"]) == 0
    assert (here / COMPONENT_FILE).read_text().count("--project $[[ inputs.project ]]") > 1
    assert not (here / OWN_FILE).exists()
    assert run(["gitlab", "check", "--component"]) == 0
    assert "is current" in capsys.readouterr().out
