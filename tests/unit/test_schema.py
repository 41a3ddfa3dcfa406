"""The JSON Schema and the models refuse the same files, as far as a schema can tell."""

from __future__ import annotations

import copy
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
from junov.config.kinds import problems_of_kinds
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
    "starts",
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
        _, problems = validate(Project, file)
        problems += problems_of_kinds(file)
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
WORDS = ["main", "feature/*", "*/x", "a..b", "", "@", "x.lock", "a b", "*", "a*b*c", "-x", "v1.*"]
words = st.sampled_from(WORDS)
HOSTS = [
    "a.example.com", "{slug}.example.com", "x-{slug}.a", "{slug}", "A.b", "a_b", "*.a", "{x}.a",
    "a..b", "-a", "a-", "localhost", "a:80", "http://a", "", "a" * 254,
]  # fmt: skip
hosts = st.sampled_from(HOSTS)
DURATIONS = ["7d", "90s", "1w", "7", "7 d", "-1d", "0s", "1.5h", "٣d", "", "1234567s"]
durations = st.sampled_from(DURATIONS)
anything = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 70000), texts, st.just([]), st.just({})
)
names = st.sampled_from(["prod", "a-b", "a--b", "A", "a_b", "x" * 25, "1a", "", "a-"])
templates = st.sampled_from(["{user}", "{user}:{port}", "{x}", "{", "}", "{{", "{user!r}", "a"])
reasons = st.text("ab", min_size=6, max_size=9)

RIGHT: dict[type[BaseModel], dict[str, Any]] = {
    Project: {
        "project": "notes",
        "environments": {
            "prod": {"branch": "main", "host": "a.example.com"},
            "feature": {"branch": "f/*", "host": "{slug}.b.example.com"},
        },
    },
    Server: {},
}
# What may be put where: near what is right, so that both answers are common.
EDITS: dict[type[BaseModel], dict[str, st.SearchStrategy[Any]]] = {
    Project: {
        "project": names,
        "registry": texts,
        # A quote that is never closed makes a command that a shell refuses; a schema can't count.
        "lint": st.lists(texts.filter(lambda text: not set("'\"\\\\") & set(text)), max_size=2),
        "unknown": anything,
        "build.context": texts,
        "web.port": st.integers(-1, 70000),
        "web.health": st.sampled_from(["/", "/x", "x", "", "x/"]),
        "web.timeout": durations,
        "test.service": texts,
        "test.report": texts,
        "migrate.timeout": durations,
        "database.variables": st.dictionaries(texts, templates, max_size=2),
        "database.connections": st.integers(0, 1001),
        "database.fixtures": st.lists(texts, max_size=2),
        "secrets": st.dictionaries(texts, st.sampled_from(["generate", "no"]), max_size=2),
        "allow": st.lists(
            st.fixed_dictionaries({"rule": texts, "value": texts, "reason": reasons}), max_size=2
        ),
        "environments": st.dictionaries(
            names, st.just({"branch": "main", "host": "a.example.com"}), max_size=2
        ),
        **{
            f"environments.{name}.{key}": values
            for name in ("prod", "feature")
            for key, values in {
                "branch": st.one_of(words, st.none()),
                "tag": st.one_of(words, st.none()),
                "host": hosts,
                "tier": st.sampled_from(["production", "other", "prod"]),
                "expires": durations,
                "limit": st.integers(-1, 501),
                "unknown": anything,
            }.items()
        },
    },
    Server: {
        "name": names,
        "domain": hosts,
        "edge.image": st.sampled_from(["a:1", "A", "a:", "a/b@sha256:0", "a b", "-a"]),
        "edge.port": st.integers(-1, 70000),
        "postgres.connections": st.integers(0, 10001),
        "postgres.shared_buffers": st.sampled_from(["1MB", "256MB", "1M", "MB", " 1GB"]),
        "registry.enabled": st.booleans(),
        "registry.port": st.integers(0, 70000),
        "networks.size": st.integers(18, 31),
        "unknown": anything,
    },
}


@st.composite
def edited(draw: st.DrawFn, model: type[BaseModel]) -> dict[str, Any]:
    """A right file with a few things changed."""
    data = copy.deepcopy(RIGHT[model])
    for path in draw(st.lists(st.sampled_from(sorted(EDITS[model])), min_size=1, max_size=3)):
        *sections, key = path.split(".")
        place: Any = data
        for section in sections:
            if not isinstance(place.get(section), dict):
                place[section] = {}
            place = place[section]
        wild = draw(st.integers(0, 9)) == 0
        place[key] = draw(anything if wild else EDITS[model][path])
    return data


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *(("environments.prod.branch", word) for word in [*WORDS, None]),
        *(("environments.prod.host", host) for host in HOSTS),
        *(("environments.feature.host", host) for host in HOSTS),
        *(("environments.prod.expires", duration) for duration in DURATIONS),
    ],
)
def test_schema_and_model_agree_on_a_value(path: str, value: str | None) -> None:
    data = copy.deepcopy(RIGHT[Project])
    section, kind, key = path.split(".")
    data[section][kind][key] = value
    assert by_schema(Project, data) == by_model(Project, data)


@settings(max_examples=500)
@given(edited(Project))
def test_schema_and_model_agree_on_a_project(data: dict[str, Any]) -> None:
    assert by_schema(Project, data) == by_model(Project, data)


@settings(max_examples=300)
@given(edited(Server))
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
