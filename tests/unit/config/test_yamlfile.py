"""Reading YAML: data, positions, and what cannot be read."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junov.config.yamlfile import Loc, parse_yaml, read_yaml
from junov.errors import ConfigError, NotFoundError

TEXT = """\
project: notes
build: {dockerfile: Dockerfile}
lint:
  - ruff check .
  - mypy
environments:
  prod: &prod
    branch: main
    host: a.example.com
  stage:
    <<: *prod
    branch: dev
secrets:
after: [a, {b: c}]
"""


@pytest.mark.parametrize(
    ("loc", "key", "place"),
    [
        (("project",), False, "f.yaml:1:10"),
        (("project",), True, "f.yaml:1:1"),
        (("build", "dockerfile"), False, "f.yaml:2:21"),
        (("build",), False, "f.yaml:2:8"),
        (("lint",), False, "f.yaml:3:1"),  # the key: the list begins a line below
        (("lint", 1), False, "f.yaml:5:5"),
        (("environments", "prod"), False, "f.yaml:7:3"),
        (("environments", "prod", "host"), False, "f.yaml:9:11"),
        (("environments", "stage", "host"), False, "f.yaml:9:11"),  # through the merge
        (("environments", "stage", "branch"), False, "f.yaml:12:13"),  # its own wins
        (("secrets",), False, "f.yaml:13:1"),  # nothing there: the key
        (("after", 1, "b"), False, "f.yaml:14:16"),
        (("build", "target", "deeper"), False, "f.yaml:2:8"),  # as deep as the file has it
        (("nowhere",), False, "f.yaml:1:1"),
        ((), False, "f.yaml:1:1"),
    ],
)
def test_everything_has_a_place(loc: Loc, key: bool, place: str) -> None:
    assert str(parse_yaml(TEXT, Path("f.yaml")).place(loc, key=key)) == place


def test_an_empty_file_has_only_its_name() -> None:
    assert str(parse_yaml("", Path("f.yaml")).place(("a",))) == "f.yaml"


@pytest.mark.parametrize(
    ("typed", "kept"), [("1.20", "1.20"), ("0x1F", "0x1F"), ("'a'", "a"), ("yes", "yes")]
)
def test_a_scalar_is_known_as_it_was_typed(typed: str, kept: str) -> None:
    assert parse_yaml(f"a: {{b: {typed}}}", Path("f.yaml")).written(("a", "b")) == kept


def test_what_is_no_scalar_was_not_typed_as_one() -> None:
    file = parse_yaml("a: [b]", Path("f.yaml"))
    assert file.written(("a",)) is None
    assert file.written(("b",)) is None


def test_an_item_of_a_list_of_pairs_is_found_by_its_name() -> None:
    file = parse_yaml("environment:\n  - A=1\n  - BC=2\n", Path("f.yaml"))
    assert str(file.place(("environment", "BC"))) == "f.yaml:3:5"


def test_depth_is_how_far_a_place_is_there() -> None:
    file = parse_yaml(TEXT, Path("f.yaml"))
    assert [file.depth(loc) for loc in [("build", "x"), ("build", "dockerfile"), ("x",)]] == [
        1, 2, 0,
    ]  # fmt: skip


def test_scalars_come_in_order_and_aliases_once() -> None:
    file = parse_yaml("a: &x [1, two]\nb: *x\nc: {d: e}\n", Path("f.yaml"))
    assert [(text, str(place)) for text, place in file.scalars()] == [
        ("1", "f.yaml:1:8"),
        ("two", "f.yaml:1:11"),
        ("e", "f.yaml:3:8"),
    ]


def test_words_of_yaml_1_1_and_dates_are_texts() -> None:
    data = parse_yaml("{a: yes, on: off, c: 2026-11-23, d: 12:30}", Path("f.yaml")).data
    assert data == {"a": "yes", "on": "off", "c": "2026-11-23", "d": "12:30"}


def test_a_byte_order_mark_does_no_harm() -> None:
    assert parse_yaml("\ufeffa: b\n", Path("f.yaml")).data == {"a": "b"}


def test_a_missing_file_is_named_as_it_should_be_shown(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"there is no here/junov\.yaml"):
        read_yaml(tmp_path / "junov.yaml", shown=Path("here/junov.yaml"))


def test_a_file_in_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_bytes("a: b\nc: Café\n".encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        read_yaml(tmp_path / "f.yaml", shown=Path("f.yaml"))
    (problem,) = caught.value.problems
    assert str(problem) == "f.yaml:2: this is not UTF-8 text\n  save the file as UTF-8"


def test_a_folder_of_that_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_yaml(tmp_path)


def test_endless_nesting_is_an_error_not_a_crash() -> None:
    with pytest.raises(ConfigError, match="nested too deeply"):
        parse_yaml("[" * 3_000, Path("f.yaml"))


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ConfigError):  # whatever else is raised fails the test
        parse_yaml(text, Path("f.yaml"))
