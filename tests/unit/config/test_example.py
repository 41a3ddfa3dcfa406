"""The annotated examples are valid, complete, and tell the truth about the defaults."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from junov.config.project import Project, read_project
from junov.config.schema import MODELS, Key, example, keys, schema
from junov.config.validation import validate
from junov.config.yamlfile import YamlFile, parse_yaml
from junov.errors import Place

NOTES = Path(__file__).parents[3] / "examples" / "notes"
FILES = sorted(MODELS)


def parsed(name: str) -> YamlFile:
    return parse_yaml(example(name), Path(name))


def places(file: YamlFile, path: str) -> Iterator[Place]:
    """Where the example has a key, `<name>` and `[]` standing for any."""

    def walk(data: Any, loc: tuple[str | int, ...], steps: list[str]) -> Iterator[Place]:
        if not steps:
            yield file.place(loc, key=True)
        elif steps[0] == "<name>":
            for name in data:
                yield from walk(data[name], (*loc, name), steps[1:])
        elif steps[0] == "[]":
            for index, item in enumerate(data):
                yield from walk(item, (*loc, index), steps[1:])
        elif isinstance(data, Mapping) and steps[0] in data:
            yield from walk(data[steps[0]], (*loc, steps[0]), steps[1:])

    yield from walk(file.data, (), path.replace("[]", ".[]").split("."))


def comment_at(text: str, place: Place) -> str:
    """The comment of a key: beside it, else the lines right above."""
    lines = text.splitlines()
    beside = re.search(r"\s# (.*)$", lines[place.line - 1])
    if beside:
        return beside[1]
    above: list[str] = []
    for line in reversed(lines[: place.line - 1]):
        if not line.strip().startswith("#"):
            break
        above.insert(0, line.strip().removeprefix("#").strip())
    return " ".join(above)


def every_key() -> list[Any]:
    return [
        pytest.param(name, key, id=f"{name}: {key.path}")
        for name, model in MODELS.items()
        for key in keys(model)
    ]


@pytest.mark.parametrize("name", FILES)
def test_an_example_is_valid(name: str) -> None:
    model, problems = validate(MODELS[name], parsed(name))
    assert problems == []
    assert model is not None


def test_the_example_of_a_project_collides_with_nothing(tmp_path: Path) -> None:
    (tmp_path / "junov.yaml").write_text(example("junov.yaml"))
    assert read_project(tmp_path).config.project == "notes"


@pytest.mark.parametrize(("name", "key"), every_key())
def test_every_key_stands_in_an_example_with_a_comment(name: str, key: Key) -> None:
    found = list(places(parsed(name), key.path))
    assert found, f"{key.path} is missing"
    comments = [comment_at(example(name), place) for place in found]
    assert any(comments), f"{key.path} has no comment"


@pytest.mark.parametrize(("name", "key"), every_key())
def test_every_default_that_is_told_is_the_real_one(name: str, key: Key) -> None:
    if key.section and not isinstance(key.default, list):
        return
    comments = [comment_at(example(name), p) for p in places(parsed(name), key.path)]
    told = [m[1] for text in comments if (m := re.search(r"\(default: (.*)\)$", text))]
    if key.default is None:
        assert told == []
    else:
        (written,) = told
        assert YAML(typ="safe", pure=True).load(f"v: {written}")["v"] == key.default


def test_an_example_names_its_schema_on_its_first_line() -> None:
    for name in FILES:
        assert re.match(r"# yaml-language-server: \$schema=\S+\n", example(name))


def test_the_example_project_is_one_of_ours() -> None:
    """`examples/notes` reads like the annotated example, and its editor has the real schema."""
    project = read_project(NOTES).config
    assert project.project == "notes"
    first = (NOTES / "junov.yaml").read_text().splitlines()[0]
    assert first == example("junov.yaml").splitlines()[0]
    kept = json.loads((NOTES / first.split("schema=")[1]).read_text())
    assert kept == schema(Project), "write it anew: junov schema junov.yaml --output …"
