"""Whether two kinds of environment could claim the same ref, host or image tag."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Protocol


class Claims(Protocol):
    """What a kind of environment claims (see `EnvironmentKind`)."""

    @property
    def branch(self) -> str | None: ...
    @property
    def tag(self) -> str | None: ...
    @property
    def host(self) -> str: ...
    @property
    def is_pattern(self) -> bool: ...


def patterns_overlap(one: str, other: str) -> bool:
    """Whether some text matches both patterns, each with at most one `*` for any text."""
    if "*" not in one:
        return matches(other, one)
    if "*" not in other:
        return matches(one, other)
    (head, _, tail), (head2, _, tail2) = one.partition("*"), other.partition("*")
    # The longer head followed by the longer tail matches both, if the shorter ones agree with them.
    return (head.startswith(head2) or head2.startswith(head)) and (
        tail.endswith(tail2) or tail2.endswith(tail)
    )


def matches(pattern: str, text: str) -> bool:
    """Whether `text` is of the form of `pattern`, where `*` is one character or more."""
    return matched_part(pattern, text) is not None


def matched_part(pattern: str, text: str) -> str | None:
    """What the `*` of `pattern` stands for in `text`; the whole text where there is no `*`.

    Returns:
        None where the text is not of the pattern's form.
    """
    head, star, tail = pattern.partition("*")
    if not star:
        return text if text == pattern else None
    if len(text) <= len(head) + len(tail) or not (text.startswith(head) and text.endswith(tail)):
        return None
    return text[len(head) : len(text) - len(tail)]


def kinds_that_collide(kinds: Mapping[str, Claims]) -> Iterator[tuple[str, str, str, str]]:
    """The pairs of kinds that could claim one thing.

    Yields:
        The earlier kind, the later one, the later one's key that collides, and what they share.
    """
    for (one, first), (other, second) in combinations(kinds.items(), 2):
        if first.branch and second.branch and patterns_overlap(first.branch, second.branch):
            yield one, other, "branch", f"the branch `{_plainer(first.branch, second.branch)}`"
        if first.tag and second.tag and patterns_overlap(first.tag, second.tag):
            yield one, other, "tag", f"the tag `{_plainer(first.tag, second.tag)}`"
        for branch, tag, key in (
            (first.branch, second.tag, "tag"),
            (second.branch, first.tag, "branch"),
        ):
            # A branch that is no pattern names its image; a tag of that name would name it too.
            if branch and tag and "*" not in branch and matches(tag, branch):
                yield one, other, key, f"the image tag `{branch}`"
        if _hosts_overlap(one, first, other, second):
            yield one, other, "host", f"the host `{_plainer(first.host, second.host)}`"


def _plainer(one: str, other: str) -> str:
    return other if "*" in one or "{slug}" in one else one


def _hosts_overlap(one: str, first: Claims, other: str, second: Claims) -> bool:
    if first.is_pattern and second.is_pattern:
        return False  # their slugs begin with the kind's name and end with a hash of the whole
    if second.is_pattern:
        one, first, other, second = other, second, one, first
    return bool(re.fullmatch(_host_expression(one, first), _plain_host(other, second)))


def _host_expression(name: str, kind: Claims) -> str:
    slug = re.escape(name) if not kind.is_pattern else re.escape(name[:17]) + "[a-z0-9-]+"
    return re.escape(kind.host).replace(r"\{slug\}", slug)


def _plain_host(name: str, kind: Claims) -> str:
    return kind.host.replace("{slug}", name)
