"""The JSON Schema and the models refuse the same files, as far as a schema can tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from junov.cli.app import root
from junov.config.project import Project
from junov.config.schema import MODELS, example, keys, schema
from junov.config.server import Server
from junov.config.validation import validate
from junov.config.yamlfile import YamlFile, parse_yaml
from junov.errors import ConfigError, JunovError

VALIDATORS: dict[type[BaseModel], jsonschema.Draft202012Validator] = {
    model: jsonschema.Draft202012Validator(schema(model)) for model in (Project, Server)
}
CASES = Path(__file__).parent / "config" / "cases"

# What stands in two places, or has to be counted, only junov itself can see.
BEYOND_A_SCHEMA = {
    "same-branch",
    "branch-within-pattern",
    "patterns-that-meet",
    "same-host",
    "host-within-slugs",
    "branch-and-tag-image",
    "server-pool",
    "server-small-pool",
}
# Nothing that an editor could check as YAML, or that has a value at all.
NOT_YAML = {"duplicate-keys", "empty", "only-comments"}


def by_schema(model: type[BaseModel], data: Any) -> bool:
    return bool(VALIDATORS[model].is_valid(data))


def by_model(model: type[BaseModel], data: Any) -> bool:
    return validate(model, YamlFile(Path("f.yaml"), data, None))[0] is not None


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(MODELS[name]))


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_examples_are_valid(name: str) -> None:
    errors = list(VALIDATORS[MODELS[name]].iter_errors(parse_yaml(example(name), Path(name)).data))
    assert errors == []


def bad_files() -> list[Any]:
    found = []
    for path in sorted(CASES.glob("*.yaml")):
        try:
            data = parse_yaml(path.read_text(), path).data
        except JunovError:
            continue
        if path.stem not in NOT_YAML:
            found.append(pytest.param(path, data, id=path.stem))
    return found


@pytest.mark.parametrize(("path", "data"), bad_files())
def test_a_wrong_file_is_refused_by_both(path: Path, data: Any) -> None:
    model = Server if path.stem.startswith("server-") else Project
    if not isinstance(data, dict) or all(isinstance(key, str) for key in data):
        assert by_schema(model, data) is (path.stem in BEYOND_A_SCHEMA)
    with pytest.raises(ConfigError):
        _read(path)


def _read(path: Path) -> None:
    """As junov reads it, collisions included."""
    file = parse_yaml(path.read_text(), path)
    if path.stem.startswith("server-"):
        _, problems = validate(Server, file)
    else:
        from junov.config import project

        _, problems = validate(Project, file)
        problems += project._collisions(file)
    if problems:
        raise ConfigError(problems)


def test_defaults_are_shown_as_they_are_written() -> None:
    parts = schema(Project)["$defs"]
    assert parts["Test"]["properties"]["timeout"]["default"] == "15m"
    assert schema(Project)["properties"]["web"]["default"]["timeout"] == "2m"
    assert schema(Project)["properties"]["lint"]["default"] == []
    for key in keys(Project):
        assert not (key.type == "duration" and isinstance(key.default, int))


@pytest.mark.parametrize("model", [Project, Server])
def test_every_default_of_a_schema_is_valid_by_it(model: type[BaseModel]) -> None:
    whole = schema(model)
    parts = [whole, *whole.get("$defs", {}).values()]
    checked = 0
    for part in parts:
        for described in part.get("properties", {}).values():
            if "default" in described:
                jsonschema.Draft202012Validator(
                    {**described, "$defs": whole.get("$defs", {})}
                ).validate(described["default"])
                checked += 1
    assert checked > 10


def test_every_key_is_described_for_the_editor() -> None:
    for model in (Project, Server):
        whole = schema(model)
        for part in [whole, *whole.get("$defs", {}).values()]:
            assert part["description"]
            for name, described in part["properties"].items():
                referenced = described.get("$ref", "").rpartition("/")[2]
                text = described.get("description") or whole["$defs"][referenced]["description"]
                assert text, name


texts = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=12)
# Near what is right, so that both answers are common.
words = st.sampled_from(
    ["main", "feature/*", "*/x", "a..b", "", "@", "x.lock", "a b", "*", "a*b*c", "-x", "v1.*"]
)
hosts = st.sampled_from(
    ["a.example.com", "{slug}.example.com", "x-{slug}.a", "{slug}", "A.b", "a_b", "*.a", "{x}.a",
     "a..b", "-a", "a-", "localhost", "a:80", "http://a", ""]
)  # fmt: skip
durations = st.sampled_from(["7d", "90s", "1w", "7", "7 d", "-1d", "0s", "1.5h", "٣d", ""])
anything = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 70000), texts, st.just([]), st.just({})
)
names = st.sampled_from(["prod", "a-b", "a--b", "A", "a_b", "x" * 25, "1a", "", "a-"])


def one_of(right: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(right, right, right, anything)


def some(**entries: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=entries)


kinds = some(
    branch=one_of(words),
    tag=one_of(words),
    host=one_of(hosts),
    tier=one_of(st.sampled_from(["production", "other", "prod"])),
    expires=one_of(durations),
    limit=one_of(st.integers(-1, 501)),
)
templates = st.sampled_from(["{user}", "{user}:{port}", "{x}", "{", "}", "{{", "{user!r}", "a"])
projects = st.fixed_dictionaries(
    {
        "project": one_of(names),
        "environments": one_of(st.dictionaries(names, one_of(kinds), max_size=3)),
    },
    optional={
        "registry": one_of(texts),
        "lint": one_of(st.lists(one_of(texts), max_size=2)),
        "web": one_of(
            some(
                port=one_of(st.integers(-1, 70000)),
                health=one_of(st.sampled_from(["/", "/x", "x", ""])),
                timeout=one_of(durations),
            )
        ),
        "test": one_of(some(service=one_of(texts), report=one_of(texts))),
        "database": one_of(
            some(
                variables=one_of(st.dictionaries(texts, one_of(templates), max_size=2)),
                connections=one_of(st.integers(0, 1001)),
                fixtures=one_of(st.lists(texts, max_size=2)),
            )
        ),
        "secrets": one_of(
            st.dictionaries(texts, one_of(st.sampled_from(["generate", "required"])), max_size=2)
        ),
        "allow": one_of(
            st.lists(
                some(rule=texts, value=texts, reason=st.text("ab", min_size=6, max_size=9)),
                max_size=2,
            )
        ),
        "unknown": anything,
    },
)
servers = some(
    name=one_of(names),
    domain=one_of(hosts),
    edge=one_of(
        some(
            image=one_of(st.sampled_from(["a:1", "A", "a:", "a/b@sha256:0"])),
            port=one_of(st.integers(-1, 70000)),
        )
    ),
    postgres=one_of(
        some(
            connections=one_of(st.integers(0, 10001)),
            shared_buffers=one_of(st.sampled_from(["1MB", "256MB", "1M", "MB", " 1GB"])),
        )
    ),
    registry=one_of(some(enabled=one_of(st.booleans()), port=one_of(st.integers(0, 70000)))),
    networks=one_of(some(size=one_of(st.integers(18, 31)))),
    unknown=anything,
)


@settings(max_examples=400, deadline=None)
@given(projects)
def test_schema_and_model_agree_on_a_project(data: dict[str, Any]) -> None:
    assert by_schema(Project, data) == by_model(Project, data)


@settings(max_examples=300, deadline=None)
@given(servers)
def test_schema_and_model_agree_on_a_server(data: dict[str, Any]) -> None:
    assert by_schema(Server, data) == by_model(Server, data)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_command_prints_it(name: str) -> None:
    result = CliRunner().invoke(root, ["schema", name], catch_exceptions=False)
    assert result.exit_code == 0
    assert json.loads(result.stdout) == schema(MODELS[name])


def test_the_command_writes_it(tmp_path: Path) -> None:
    file = tmp_path / ".junov" / "junov.schema.json"
    result = CliRunner().invoke(root, ["schema", "junov.yaml", "--output", str(file)])
    assert result.exit_code == 0
    assert result.output == ""
    assert json.loads(file.read_text()) == schema(Project)


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(
        root, ["schema", "junov.yaml", "-o", str(tmp_path / "file" / "schema.json")]
    )
    assert isinstance(result.exception, JunovError)


def test_another_file_is_wrong_usage() -> None:
    assert CliRunner().invoke(root, ["schema", "compose.yaml"]).exit_code == 2
