"""When two kinds of environment could claim one thing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junov.config.kinds import EnvironmentKind
from junov.config.overlap import kinds_that_collide, matched_part, matches, patterns_overlap
from junov.environments.slug import slug


@pytest.mark.parametrize(
    ("pattern", "text", "part"),
    [
        ("main", "main", "main"),
        ("main", "mains", None),
        ("feature/*", "feature/search", "search"),
        ("feature/*", "feature/a/b", "a/b"),
        ("feature/*", "feature/", None),  # the `*` is one character or more
        ("*-rc", "1-rc", "1"),
        ("v*-rc", "v-rc", None),
        ("*", "x", "x"),
        ("aXb*", "aXb", None),
        ("ab*ba", "aba", None),  # head and tail may not share characters
    ],
)
def test_what_the_star_stands_for(pattern: str, text: str, part: str | None) -> None:
    assert matched_part(pattern, text) == part
    assert matches(pattern, text) is (part is not None)


patterns = st.builds(
    lambda head, star, tail: f"{head}{star}{tail}",
    st.text("ab", max_size=3),
    st.sampled_from(["", "*"]),
    st.text("ab", max_size=3),
).filter(bool)


@given(patterns, patterns, st.text("ab", max_size=8))
def test_patterns_with_a_common_text_overlap(one: str, other: str, text: str) -> None:
    if matches(one, text) and matches(other, text):
        assert patterns_overlap(one, other)


@given(patterns, patterns)
def test_patterns_that_overlap_have_a_common_text(one: str, other: str) -> None:
    if patterns_overlap(one, other):
        heads = [p.partition("*")[0] for p in (one, other)]
        tails = [p.partition("*")[2] for p in (one, other)]
        joined = f"{max(heads, key=len)}xx{max(tails, key=len)}"
        texts = [joined, one.replace("*", "x"), other.replace("*", "x")]
        assert any(matches(one, text) and matches(other, text) for text in texts)


def kind(ref: str, host: str) -> EnvironmentKind:
    key, _, value = ref.partition(" ")
    return EnvironmentKind.model_validate({key: value, "host": host})


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        (("branch main", "a"), ("branch main", "b"), ["the branch `main`"]),
        (("branch f/*", "{slug}.a"), ("branch f/x", "b"), ["the branch `f/x`"]),
        (("tag v1", "a"), ("tag v*", "{slug}.b"), ["the tag `v1`"]),
        (("branch main", "a"), ("tag main", "b"), ["the image tag `main`"]),
        (("branch main", "a"), ("tag *", "{slug}.b"), ["the image tag `main`"]),
        (("tag *", "{slug}.b"), ("branch main", "a"), ["the image tag `main`"]),
        (("branch a", "x"), ("branch b", "x"), ["the host `x`"]),
        (("branch f/*", "{slug}.x"), ("branch b", "one-abc.x"), ["the host `one-abc.x`"]),
        (("branch a", "x"), ("branch a", "x"), ["the branch `a`", "the host `x`"]),
        (("branch a", "a"), ("branch b", "b"), []),
        (("branch f/*", "{slug}.x"), ("tag v*", "{slug}.x"), []),
        (("branch f/*", "{slug}.x"), ("branch b", "b.x"), []),
        (("branch f/*", "{slug}.x"), ("branch b", "one.x"), []),
        (("branch f/*", "{slug}.x"), ("branch b", "a.one-abc.x"), []),
        (("branch feature", "a"), ("tag v*", "{slug}.b"), []),
    ],
)
def test_what_two_kinds_share(
    first: tuple[str, str], second: tuple[str, str], shared: list[str]
) -> None:
    kinds = {"one": kind(*first), "two": kind(*second)}
    turned = dict(reversed(kinds.items()))
    assert [what for _, _, _, what in kinds_that_collide(kinds)] == shared
    assert [what for _, _, _, what in kinds_that_collide(turned)] == shared


@given(
    st.text("abc-/_1", min_size=1, max_size=30), st.sampled_from(["one", "a-longer-name-of-a-kind"])
)
def test_a_host_that_a_slug_can_have_is_never_free(part: str, name: str) -> None:
    """Whatever a branch is called, its host is seen as one that its kind can claim."""
    host = f"{slug(f'{name}/{part}')}.x"
    kinds = {name: kind("branch f/*", "{slug}.x"), "other": kind("branch main", host)}
    assert [what for _, _, _, what in kinds_that_collide(kinds)] == [f"the host `{host}`"]
