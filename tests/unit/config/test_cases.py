"""Wrong files and what is said about them: `cases/*.yaml`, each with its `.txt` beside it.

A case whose name begins with `server-` is a `server.yaml`, any other a `junov.yaml`. The text is
what a person reads: the place, what was found and expected, and what to do.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from junov.config.home import Home
from junov.config.project import read_project
from junov.config.server import read_server
from junov.errors import ConfigError

CASES = Path(__file__).parent / "cases"


def problems(case: Path, folder: Path) -> str:
    name = "server.yaml" if case.stem.startswith("server-") else "junov.yaml"
    shutil.copy(case, folder / name)
    read = (lambda: read_server(Home(folder))) if name[0] == "s" else lambda: read_project(folder)
    with pytest.raises(ConfigError) as caught:
        read()
    return "".join(f"{problem}\n" for problem in caught.value.problems).replace(f"{folder}/", "")


@pytest.mark.parametrize("case", sorted(CASES.glob("*.yaml")), ids=lambda case: case.stem)
def test_a_wrong_file_is_told_what_is_wrong(case: Path, tmp_path: Path) -> None:
    said = problems(case, tmp_path)
    # To write the texts anew after a deliberate change, and then to read each of them.
    if os.environ.get("JUNOV_WRITE_CASES"):
        case.with_suffix(".txt").write_text(said)
    assert said == case.with_suffix(".txt").read_text()


@pytest.mark.parametrize("case", sorted(CASES.glob("*.yaml")), ids=lambda case: case.stem)
def test_problems_stand_in_the_order_of_the_file(case: Path, tmp_path: Path) -> None:
    said = [line for line in problems(case, tmp_path).splitlines() if not line.startswith(" ")]
    places = [line.split(": ")[0].split(":")[1:] for line in said]
    lines = [[int(number) for number in place] for place in places if place]
    assert lines == sorted(lines)


def test_every_text_belongs_to_a_case() -> None:
    assert {path.stem for path in CASES.glob("*.txt")} == {
        path.stem for path in CASES.glob("*.yaml")
    }
