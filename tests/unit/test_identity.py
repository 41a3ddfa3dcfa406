"""Names: legal where they are used, within limits, and never two environments' at once."""

from __future__ import annotations

import itertools
import random
import re
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junov.environments.identity import Identity, generation_of, identify
from junov.environments.slug import label, slug

MADE_FROM_LABEL = [
    field.name
    for field in fields(Identity)
    if field.name not in ("project", "name", "slug", "label", "secret_scope", "generation")
]
project_names = st.from_regex(r"[a-z](-?[a-z0-9]){0,23}", fullmatch=True).filter(
    lambda text: len(text) <= 24
)
environment_names = st.text(min_size=1, max_size=80)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("feature/feature-abc-1-login", "feature-feature-a-ioxtgz"),  # GitLab's own example
        ("prod", "prod"),
        ("staging-abc", "staging-abc"),
        ("exactly-twenty-four-char", "exactly-twenty-four-char"),
        ("a-", "a"),
    ],
)
def test_the_slug_is_gitlabs(name: str, expected: str) -> None:
    assert slug(name) == expected


@pytest.mark.parametrize("name", ["1-2-3", "-", "Prod", "a" * 25, "a--b", "ünï", "a_b"])
def test_a_changed_or_long_name_ends_in_a_hash(name: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,16}-?[a-z0-9]{6}", slug(name))
    assert len(slug(name)) <= 24


@given(project_names, environment_names)
def test_every_name_is_legal_for_its_system(project: str, name: str) -> None:
    identity = identify(project, name)
    assert re.fullmatch(r"[a-z](-?[a-z0-9])*", identity.slug), "DNS label"
    assert len(identity.slug) <= 24
    for docker_name in (identity.stack, identity.network, identity.volume("data")):
        assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", docker_name), "Compose project, network, volume"
    assert len(f"{identity.stack}-a-service-name-1"[:63]) <= 63
    for postgres_name in (identity.database, identity.role):
        assert re.fullmatch(r"[a-z][a-z0-9_]*", postgres_name), "Postgres identifier without quotes"
        assert len(postgres_name.encode()) <= 63
    assert re.fullmatch(r"[a-z0-9_-]+", identity.folder), "one folder, no way out of it"


@given(project_names, environment_names, project_names, environment_names)
def test_different_environments_share_no_name(a: str, b: str, c: str, d: str) -> None:
    one, other = identify(a, b), identify(c, d)
    if (a, b) == (c, d):
        assert one == other
        return
    for field in MADE_FROM_LABEL:
        assert getattr(one, field) != getattr(other, field), field


def generated_names() -> set[tuple[str, str]]:
    """Names that teams give, and names chosen to look alike to whoever cuts or replaces."""
    rng = random.Random(20261123)  # noqa: S311 - the same names in every run
    projects = ["a", "a-b", "a-b-c", "notes", "notes-prod", "b", "b-c"]
    words = ["search", "tags", "login", "a", "b", "c", "prod", "stage", "JIRA-12", "über", "x_y"]
    joints = ["/", "-", "_", ".", "--", " ", ""]
    names: set[tuple[str, str]] = set()
    for project, one, joint, two in itertools.product(projects, words, joints, words):
        names.add((project, f"{one}{joint}{two}"))
        names.add((project, f"feature/{one}{joint}{two}".upper()))
    # One long stem for all: only the hash can tell these apart.
    names |= {("notes", f"feature/the-same-long-beginning-{n}") for n in range(60_000)}
    while len(names) < 130_000:
        text = "".join(rng.choices("abC-_/.09", k=rng.randint(1, 30)))
        names.add((rng.choice(projects), text))
    return names


def test_no_derived_name_is_shared_among_100_000_environments() -> None:
    names = generated_names()
    assert len(names) >= 100_000
    identities = [identify(project, name) for project, name in names]
    for field in MADE_FROM_LABEL:
        distinct = {getattr(identity, field) for identity in identities}
        assert len(distinct) == len(names), field


@given(environment_names)
def test_the_label_shows_the_slug(name: str) -> None:
    short, long = slug(name), label(name)
    assert long == short or long.endswith(short[-6:]) or name == f"{short}-"


@given(project_names, environment_names, st.integers(min_value=1, max_value=99_999_999))
def test_every_generation_of_a_database_has_a_name_that_says_which(
    project: str, name: str, generation: int
) -> None:
    first = identify(project, name)
    later = first.at(generation)
    assert later.database == later.role
    assert len(later.database.encode()) <= 63
    assert generation_of(later.database, first.database) == generation
    assert later.at(1) == first, "and nothing else of it differs"
    assert (later.network, later.folder, later.lock) == (first.network, first.folder, first.lock)


@given(project_names, environment_names, environment_names)
def test_no_generation_is_taken_for_another_environments(project: str, one: str, two: str) -> None:
    first, second = identify(project, one), identify(project, two)
    if first.database != second.database:
        assert generation_of(first.at(7).database, second.database) is None


@pytest.mark.parametrize("name", ["a_b.1", "a_b.0", "a_b.", "a_b.2x", "a_b.02", "a_bc", "a_b.2.3"])
def test_what_only_looks_like_a_generation_is_none(name: str) -> None:
    assert generation_of(name, "a_b") is None
