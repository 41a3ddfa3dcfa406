"""Migrations that can't be put in one order, found in a project's files.

    tests/unit/revisions/cases/refused-<what>.yaml     something is said
    tests/unit/revisions/cases/allowed-<what>.yaml     nothing is

A case file holds, besides a comment that says what it shows: `files`, the project's files by name
(what it gives as `junov.yaml` is added to the one below); `command`, that of the service that
migrates; `says`, a part of each message; `places`, where each points to.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from junov.cli.app import root
from junov.config.project import read_project
from junov.delivery.revisions import (
    Revision,
    heads,
    refuse_unclear_revisions,
    revision_problems,
)
from junov.errors import Place, Problem, StageError
from junov.stacks.stack import Stack

CASES = sorted(Path(__file__).with_name("cases").glob("*.yaml"))
JUNOV = """\
project: notes
web: {service: web}
migrate: {service: alembic}
environments:
  prod: {branch: main, host: notes.example.com, tier: production}
"""


def lay_out(case: Path, folder: Path) -> dict[str, Any]:
    """Write a case's files; the case."""
    read: dict[str, Any] = YAML(typ="safe").load(case.read_text())
    for name, text in read["files"].items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(JUNOV + text if name == "junov.yaml" else text)
    if "junov.yaml" not in read["files"]:
        (folder / "junov.yaml").write_text(JUNOV)
    return read


def problems(folder: Path, command: object = ("alembic", "upgrade", "head")) -> list[Problem]:
    return revision_problems(read_project(folder), model(command), "alembic")


def model(command: object) -> dict[str, Any]:
    words = list(command) if isinstance(command, tuple) else command
    return {"name": "notes", "services": {"alembic": {"command": words}}}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_case(case: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    read = lay_out(case, folder)
    found = problems(folder, read.get("command", ("alembic", "upgrade", "head")))
    said = [problem.message.replace(f"{folder}/", "") for problem in found]
    assert len(said) == len(read.get("says", []))
    assert all(part in message for part, message in zip(read.get("says", []), said, strict=True)), (
        said
    )
    assert all(problem.remedy for problem in found)
    assert case.stem.startswith("refused-" if said else "allowed-")
    if "places" in read:
        places = [str(problem.place).replace(f"{folder}/", "") for problem in found]
        assert places == read["places"]


@given(st.integers(1, 30), st.randoms(use_true_random=False))
def test_the_heads_are_the_revisions_that_no_other_one_follows(
    count: int, chance: random.Random
) -> None:
    followed: set[str] = set()
    revisions = []
    for number in range(count):
        before = [f"r{each}" for each in range(number) if chance.random() < 2 / (number + 1)]
        followed.update(before)
        revisions.append(Revision(f"r{number}", tuple(before), Place(Path(f"{number}.py"))))
    chance.shuffle(revisions)
    expected = sorted({each.id for each in revisions} - followed)
    assert [each.id for each in heads(revisions)] == expected


def test_a_link_out_of_the_checkout_is_not_followed(tmp_path: Path) -> None:
    folder, outside = tmp_path / "project", tmp_path / "0003_right.py"
    lay_out(Path(__file__).with_name("cases") / "refused-two-heads.yaml", folder)
    assert len(problems(folder)) == 1
    inside = folder / "migrations/versions/0003_right.py"
    inside.rename(outside)
    inside.symlink_to(outside)
    assert problems(folder) == []


def test_a_deploy_is_refused_with_everything_that_is_wrong(tmp_path: Path) -> None:
    two_wrong = Path(__file__).with_name("cases") / "refused-duplicate.yaml"
    lay_out(two_wrong, tmp_path)
    (tmp_path / "migrations/versions/0009_late.py").write_text(
        'revision = "0009"\ndown_revision = "0008"\n'
    )
    stack = Stack("notes", model(["alembic", "upgrade", "head"]), "image", "web", "alembic", ())
    with pytest.raises(StageError, match="the revision 0002 is also that of") as refused:
        refuse_unclear_revisions(read_project(tmp_path), stack)
    assert refused.value.remedy
    assert refused.value.place
    assert "the revision 0009 follows 0008, which is in no file" in refused.value.detail

    without = Stack("notes", stack.model, "image", "web", None, ())
    refuse_unclear_revisions(read_project(tmp_path), without)


def test_the_check_names_them_in_every_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out(Path(__file__).with_name("cases") / "refused-two-heads.yaml", tmp_path)
    (tmp_path / "Dockerfile").write_text("FROM debian AS release\n")
    compose = "services: {web: {build: .}, alembic: {build: ., command: alembic upgrade head}}\n"
    (tmp_path / "compose.yaml").write_text(compose)
    monkeypatch.chdir(tmp_path)

    def check() -> tuple[int, str]:
        done = CliRunner().invoke(root, ["check"], catch_exceptions=False)
        return done.exit_code, done.stdout

    code, said = check()
    assert code == 1
    assert "✗ prod: 1 refused" in said
    assert "the migrations have 2 heads: 0002 (migrations/versions/0002_left.py) and 0003" in said
    assert "[revisions]" in said
    assert 'alembic merge -m "merge" heads' in said

    # What the remedy says mends it.
    (tmp_path / "migrations/versions/0004_merge.py").write_text(
        'revision = "0004"\ndown_revision = ("0002", "0003")\n'
    )
    assert check() == (0, "✓ prod\n")
