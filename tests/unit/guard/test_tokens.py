"""A foreign name is found as a whole word, and only so."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from junov.config.project import Project
from junov.environments.environment import environment_named
from junov.stacks.guard.context import Foreign
from junov.stacks.guard.tokens import ForeignNames, addresses

PROJECT = Project.model_validate(
    {
        "project": "notes",
        "environments": {
            "prod": {"branch": "main", "host": "notes.example.com"},
            "stage": {"branch": "dev", "host": "stage.notes.example.com"},
            "prod-eu": {"branch": "eu", "host": "eu.notes.example.com"},
            "intern": {"branch": "intern", "host": "intern"},
            "feature": {"branch": "feature/*", "host": "{slug}.notes.example.com"},
        },
    }
)


def names(own: str, *others: str) -> ForeignNames:
    return ForeignNames(
        environment_named(PROJECT, own),
        [Foreign.of(environment_named(PROJECT, other)) for other in others],
        ordinary=["web", "cache"],
    )


def found(text: str, own: str = "stage", *others: str) -> list[str]:
    return [carried.text for carried in names(own, *(others or ("prod",))).inside(text)]


@pytest.mark.parametrize(
    "text",
    [
        "notes_prod",
        "postgresql://u:p@db/notes_prod?x=1",
        "--dbname=notes_prod",
        '"notes_prod"',
        "notes_prod.public.notes",
        "notes_prod-web-1",
        "web.notes_prod",
        "https://notes.example.com",
        "https://NOTES.Example.COM:8443/path",
        "user@notes.example.com",
        "see notes.example.com.",
        "Host(`notes.example.com`)",
        "to=https%3A%2F%2Fnotes.example.com",
    ],
)
def test_a_whole_word_is_found(text: str) -> None:
    assert len(found(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "notes_production",
        "my_notes_prod",
        "my-notes_prod",
        "notes_prod2",
        "Notes_Prod",
        "notes",
        "prod",
        "stage.notes.example.com",
        "cdn.notes.example.com",
        ".notes.example.com",
        "*.notes.example.com",
        "notes.example.com.evil.org",
        "notes.example.community",
        "mynotes.example.com",
        "notes_stage",
        "notes_stage-web-1 and stage.notes.example.com",
    ],
)
def test_a_part_of_another_word_is_not(text: str) -> None:
    assert found(text) == []


def test_own_names_that_begin_with_anothers_are_own() -> None:
    assert found("notes_prod-eu-web-1", "prod-eu", "prod") == []
    assert found("postgres://notes_prod_eu@db/notes_prod_eu", "prod-eu", "prod") == []
    assert found("notes_prod-web-1", "prod-eu", "prod") == ["notes_prod"]


def test_of_two_names_the_longer_is_named() -> None:
    (carried,) = names("stage", "prod", "prod-eu").inside("redis://notes_prod-eu-cache-1")
    assert (carried.text, carried.label) == ("notes_prod-eu", "notes/prod-eu")


def test_what_bears_the_name_is_said() -> None:
    matcher = names("stage", "prod", "prod-eu")
    assert [c.what for c in matcher.inside("notes_prod notes_prod_eu notes.example.com")] == [
        "the database, role, network and stack",
        "the database and role",
        "the host",
    ]


def test_a_host_of_one_word_counts_only_in_a_url() -> None:
    assert found("http://intern/x", "stage", "intern") == ["intern"]
    assert found("our intern wrote this", "stage", "intern") == []


def test_a_foreign_host_that_is_a_service_here_means_the_service() -> None:
    web = Foreign("other/prod", "web", "o_p", "o_p", "o_p", "o_p")
    stage = environment_named(PROJECT, "stage")
    assert ForeignNames(stage, [web], ordinary=["web"]).inside("http://web:8000") == []
    assert len(ForeignNames(stage, [web]).inside("http://web:8000")) == 1


def test_without_other_environments_nothing_is_foreign() -> None:
    assert ForeignNames(environment_named(PROJECT, "stage"), []).inside("notes_prod") == []


feature = st.from_regex(r"[a-z][a-z0-9/_.-]{0,30}", fullmatch=True)
bounds = st.sampled_from(
    ["", " ", "/", ":", "@", "=", ",", "'", '"', "?", "(", "\n", ";", "[", "|"]
)


@given(feature, feature, bounds, bounds)
def test_any_name_of_any_other_environment_is_found(
    own: str, other: str, before: str, after: str
) -> None:
    assume(own != other)
    foreign = Foreign.of(environment_named(PROJECT, f"feature/{other}"))
    matcher = ForeignNames(environment_named(PROJECT, f"feature/{own}"), [foreign])
    for name in (foreign.host, foreign.database, foreign.role, foreign.network, foreign.stack):
        assert [c.text for c in matcher.inside(f"{before}{name}{after}")] == [name]


@given(feature, st.lists(feature, max_size=4), bounds, bounds, st.sampled_from(["", "-web-1"]))
def test_ones_own_names_are_never_foreign(
    own: str, others: list[str], before: str, after: str, suffix: str
) -> None:
    target = environment_named(PROJECT, f"feature/{own}")
    foreign = [
        *(Foreign.of(environment_named(PROJECT, f"feature/{o}")) for o in others if o != own),
        Foreign.of(environment_named(PROJECT, "prod")),
    ]
    matcher = ForeignNames(target, foreign)
    mine = Foreign.of(target)
    for name in (mine.host, mine.database, mine.role, mine.network, f"{mine.stack}{suffix}"):
        assert matcher.inside(f"{before}{name}{after}") == []


@given(feature, st.from_regex(r"[A-Za-z0-9_]{1,9}", fullmatch=True))
def test_a_longer_word_is_another_word(other: str, more: str) -> None:
    foreign = Foreign.of(environment_named(PROJECT, f"feature/{other}"))
    matcher = ForeignNames(environment_named(PROJECT, "stage"), [foreign])
    for name in (foreign.database, foreign.stack):
        assert matcher.inside(f"{name}{more}") == []
        assert matcher.inside(f"{more}{name}") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://10.213.4.5:6379", ["10.213.4.5"]),
        ("10.213.0.1,10.214.0.1 and 10.213.255.255", ["10.213.0.1", "10.213.255.255"]),
        ("10.213.4.5.6", []),
        ("v10.213.4.5", []),
        ("10.213.4.500", []),
        ("10.214.0.1", []),
    ],
)
def test_addresses_of_the_pool(text: str, expected: list[str]) -> None:
    assert list(addresses(text, ["10.213.0.0/16"])) == expected
