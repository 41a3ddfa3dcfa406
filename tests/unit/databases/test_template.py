"""Templates: their names, and what stands in their COMMENT."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junov.databases import Stamp, Template
from junov.databases.stamp import read_stamp
from junov.databases.templates import read_template
from junov.environments.identity import (
    generation_of,
    identify,
    making_name,
    template_name,
    templates_role,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TEMPLATE = Template(
    "junov", "notes", ("0003", "0004"), "a digest", ("ab", "cd"), "c0ffee", NOON, NOON
)
project_names = st.from_regex(r"[a-z](-?[a-z0-9]){0,23}", fullmatch=True).filter(
    lambda text: len(text) <= 24
)
environment_names = st.text(min_size=1, max_size=80)
digests = st.text("0123456789abcdef", min_size=8, max_size=64)


@given(st.lists(st.text()), st.text(), st.text(), st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_is_read(
    heads: list[str], fixtures: str, commit: str, moment: datetime
) -> None:
    template = Template(
        "junov", "notes", tuple(heads), fixtures, tuple(heads), commit, moment, NOON
    )
    assert read_template(template.to_comment()) == template


def test_a_template_is_no_environments_database_and_no_environments_database_is_a_template() -> (
    None
):
    assert read_stamp(TEMPLATE.to_comment()) is None
    assert read_template(Stamp("junov", "notes", "prod", NOON).to_comment()) is None


@pytest.mark.parametrize(
    "comment",
    [
        None,
        "",
        "null",
        "the template of the notes project, ask Anna",
        TEMPLATE.to_comment().replace('"junov_template": 1', '"junov_template": 2'),
        TEMPLATE.to_comment().replace("2026-11-23", "last week"),
        TEMPLATE.to_comment()[:-1],
    ],
)
def test_anything_else_is_no_template(comment: str | None) -> None:
    assert read_template(comment) is None


def test_the_name_is_of_what_is_in_it_and_of_nothing_else() -> None:
    assert replace(TEMPLATE, commit="another", used_at=NOON + timedelta(1)).name == TEMPLATE.name
    for other in (
        replace(TEMPLATE, project="shop"),
        replace(TEMPLATE, fixtures="another"),
        replace(TEMPLATE, heads=("0003",)),
        replace(TEMPLATE, heads=("0003", "0004", "a digest"), fixtures=""),
    ):
        assert other.name != TEMPLATE.name


@given(project_names, environment_names, st.integers(1, 99_999_999), digests)
def test_every_name_is_kept_whole_by_postgres(
    project: str, name: str, generation: int, digest: str
) -> None:
    database = identify(project, name).at(generation).database
    for each in (
        making_name(database),
        making_name(project),
        template_name(project, digest),
        templates_role(project),
    ):
        assert len(each.encode()) <= 63
        assert re.fullmatch(r"[a-z][a-z0-9_-]*\.[a-z0-9-]+", each)


@given(project_names, environment_names, project_names, digests, st.integers(1, 99_999_999))
def test_no_name_is_an_environments_and_a_projects_at_once(
    project: str, name: str, other: str, digest: str, generation: int
) -> None:
    identity = identify(project, name)
    environments = {identity.at(generation).database, making_name(identity.database)}
    projects = {making_name(other), template_name(other, digest), templates_role(other), other}
    assert not environments & projects
    # Neither is one of the environment's databases, which are found by their names.
    for each in (making_name(identity.database), *projects):
        assert generation_of(each, identity.database) is None


@given(project_names, environment_names, project_names, environment_names)
def test_what_two_environments_are_making_has_two_names(a: str, b: str, c: str, d: str) -> None:
    one, other = identify(a, b), identify(c, d)
    same = (a, b) == (c, d)
    assert (making_name(one.database) == making_name(other.database)) is same
