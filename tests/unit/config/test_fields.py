"""The kinds of values that configuration files share."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from junov.config.fields import (
    DatabaseTemplate,
    Host,
    HostTemplate,
    ImageName,
    Name,
    Port,
    check_pattern,
    format_duration,
    parse_duration,
)


def accepts(kind: Any, value: object) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("15m", 900), ("12h", 43200), ("7d", 604800), ("2w", 1209600)],
)
def test_durations_are_seconds(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "7", 7, 7.0, True, None, "7 d", "d", "-1d", "1.5h", "7D", "7d ", "٣d", "1h30m"),
        *("0s", "99999d", "1000w", "99999999s"),
    ],
)
def test_what_is_no_duration_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="such as 30s, 15m, 12h, 7d or 2w"):
        parse_duration(wrong)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59, "59s"), (60, "1m"), (90, "1m 30s"), (5400, "90m"), (604800, "7d"),
     (86401, "1d 1s"), (90061, "1d 1h"), (0.4, "0s")],
)  # fmt: skip
def test_durations_are_said_shortly(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(1, 9_999), st.sampled_from("smhd"))
def test_a_duration_that_is_said_in_one_word_reads_back(count: int, unit: str) -> None:
    seconds = parse_duration(f"{count}{unit}")
    said = format_duration(seconds)
    if " " not in said and len(said) <= 7:
        assert parse_duration(said) == seconds


@pytest.mark.parametrize("name", ["notes", "a", "a1", "my-app-2", "a" * 24])
def test_names(name: str) -> None:
    assert accepts(Name, name)


@pytest.mark.parametrize(
    "name", ["", "Notes", "2048", "-a", "a-", "a--b", "a_b", "a.b", "a" * 25, "a\n", "ä", 1]
)
def test_what_is_no_name(name: object) -> None:
    assert not accepts(Name, name)


@pytest.mark.parametrize("host", ["localhost", "a.example.com", "1.2.3.4", "a" * 63 + ".com"])
def test_hosts(host: str) -> None:
    assert accepts(Host, host)
    assert accepts(HostTemplate, host)


@pytest.mark.parametrize(
    "host",
    ["", "a..b", ".a", "a.", "-a.b", "a-.b", "A.b", "a_b", "a b", "*.a", "a" * 64, "a.b:80",
     "http://a", "a/b", "{name}.a", "a\n", ".".join(["a" * 50] * 6)],
)  # fmt: skip
def test_what_is_no_host(host: str) -> None:
    assert not accepts(Host, host)
    assert not accepts(HostTemplate, host)


def test_only_a_template_may_have_a_slug_and_there_is_room_for_it() -> None:
    assert not accepts(Host, "{slug}.example.com")
    assert accepts(HostTemplate, "{slug}.example.com")
    assert accepts(HostTemplate, "x" * 38 + "-{slug}.example.com")
    assert not accepts(HostTemplate, "x" * 39 + "-{slug}.example.com")


@pytest.mark.parametrize("pattern", ["main", "feature/*", "*", "*/x", "a*b", "v1.2", "@x", "ä"])
def test_patterns_that_a_ref_can_match(pattern: str) -> None:
    assert check_pattern(pattern) == pattern


@settings(max_examples=60)
@given(st.text(st.sampled_from("ab/.-@{~^:?[\\ *lock\x7f"), min_size=1, max_size=8))
@example("@")
@example("a.lock")
@example("a.lock/b")
@example("a@{b")
def test_a_pattern_is_refused_where_git_refuses_the_ref(pattern: str) -> None:
    if pattern.count("*") > 1 or pattern.startswith("-"):
        return
    ref = pattern.replace("*", "x")
    ran = subprocess.run(["git", "check-ref-format", f"refs/heads/{ref}"], check=False)
    git_takes_it = ran.returncode == 0 and ref != "@"
    try:
        check_pattern(pattern)
    except ValueError:
        assert not git_takes_it
    else:
        assert git_takes_it


@pytest.mark.parametrize(
    "image",
    ["postgres:15-bookworm", "registry.example.com:5000/team/app:1.0", "a", "a@sha256:" + "0" * 64],
)
def test_images(image: str) -> None:
    assert accepts(ImageName, image)


@pytest.mark.parametrize("image", ["", "Postgres", "a:", "a/", "a@", "a b", "-a", "a\n", "a;b"])
def test_what_is_no_image(image: str) -> None:
    assert not accepts(ImageName, image)


@pytest.mark.parametrize(("port", "right"), [(1, True), (65535, True), (0, False), (65536, False)])
def test_ports(port: int, right: bool) -> None:
    assert accepts(Port, port) is right


@given(st.text(st.sampled_from("ab{}:!."), max_size=12))
@example("postgresql://{user}:{password}@{host}:{port}/{name}")
@example("{{not a word}} {host}")
@example("{user.x}")
@example("{host!r}")
@example("{port:>9}")
@example("{user:}")
@example("{}")
@example("}")
def test_a_database_template_that_is_accepted_can_be_filled(template: str) -> None:
    if accepts(DatabaseTemplate, template):
        filled = template.format(user="u", password="p", host="h", port=1, name="n")
        assert "{user}" not in filled
    else:
        assert re.search(r"[{}]", template)
