"""Which environment a name means, and that none is another's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junov.config.home import Home
from junov.config.kinds import EnvironmentKind
from junov.config.project import Project
from junov.delivery.environments import (
    EnvironmentView,
    NoEnvironmentError,
    find_environment,
    find_record,
    meant,
)
from junov.environments import Ref, claim, identify
from junov.errors import NotFoundError
from junov.journal import EnvironmentRecord, Journal
from junov.journal.rows import unique_names
from junov.site import Site
from tests.unit.records import NOON, record

A, BELOW = record("feature/a"), record("feature/a/b")
QA = record("tagged/qa", ref_type="tag", ref_name="env-qa")
STAGE = record("stage", ref_name="dev")
KNOWN = [A, BELOW, QA, STAGE]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("feature/a", [A]),
        ("feature/a/b", [BELOW]),
        ("heads/feature/a", [A]),
        ("heads/feature/a/b", [BELOW]),
        ("refs/heads/feature/a", [A]),
        ("heads/dev", [STAGE]),
        ("tags/env-qa", [QA]),
        ("refs/tags/env-qa", [QA]),
        ("tags/feature/a", []),
        ("heads/env-qa", []),
        ("heads/feature", []),
        ("heads/", []),
        ("dev", []),
    ],
)
def test_a_branch_or_a_tag_means_its_environment(
    name: str, found: Sequence[EnvironmentRecord]
) -> None:
    assert meant(KNOWN, name) == found


def test_a_branch_whose_kind_was_renamed_means_where_it_was_delivered_last() -> None:
    before = record("review/a", ref_name="feature/a", used_at=NOON - timedelta(days=1))
    assert meant([before, A], "heads/feature/a") == [A]
    assert meant([before, A], "review/a") == [before]


def test_a_kind_may_have_the_name_that_says_it_is_a_tag() -> None:
    named = record("tags/1", ref_type="tag", ref_name="env-1")
    both = [named, record("other/1", ref_type="tag", ref_name="1")]
    assert meant([named], "tags/1") == [named]
    assert meant(both, "tags/1") == both
    assert meant(both, "refs/tags/1") == both[1:]


def view(each: EnvironmentRecord) -> EnvironmentView:
    return EnvironmentView(
        identity=identify(each.project, each.name), tier=each.tier, status="healthy", url="",
        host=each.host, image="", commit="", ref=each.ref_name, database="", release=1,
        deployed_at="", expires_at="", services={}, ref_type=each.ref_type,
        used_at=each.used_at.isoformat(),
    )  # fmt: skip


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Site:
    """A server with these environments, and a project `shop` that has some of the same names."""
    everything = [*KNOWN, record("feature/a", project="shop")]

    def listed(site: Site, project: str | None) -> list[EnvironmentView]:
        del site
        return [view(each) for each in everything if project in (None, each.project)]

    monkeypatch.setattr("junov.delivery.environments.list_environments", listed)
    return Site(Home(tmp_path))


def test_one_environment_is_found_by_its_branch(known: Site) -> None:
    assert find_environment(known, "heads/feature/a", "notes").name == "feature/a"
    assert find_environment(known, "heads/feature/a/b", None).project == "notes"


def test_what_was_never_deployed_is_told_with_the_nearest(known: Site) -> None:
    with pytest.raises(NoEnvironmentError) as error:
        find_environment(known, "heads/feature/aa", "notes")
    assert error.value.message == (
        "there is no environment for the branch feature/aa of the project notes on this server"
    )
    assert "heads/feature/a" in error.value.remedy
    with pytest.raises(NoEnvironmentError) as error:
        find_environment(known, "tags/v7", "notes")
    assert error.value.remedy.startswith(("deploy it: junov deploy tags/v7", "did you mean"))


def test_a_branch_of_several_projects_has_to_be_said_with_its_project(known: Site) -> None:
    with pytest.raises(NotFoundError) as error:
        find_environment(known, "heads/feature/a", None)
    assert error.value.message == (
        "several projects have an environment heads/feature/a: notes, shop"
    )
    assert "--project" in error.value.remedy


def test_a_name_that_means_two_has_to_be_said_in_full(
    known: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [
        view(record("tags/1", ref_type="tag", ref_name="env-1")),
        view(record("other/1", ref_type="tag", ref_name="1")),
    ]
    monkeypatch.setattr("junov.delivery.environments.list_environments", lambda *_: both)
    with pytest.raises(NotFoundError) as error:
        find_environment(known, "tags/1", "notes")
    assert "the tag 1 has another one: other/1" in error.value.message
    assert "refs/tags/1" in error.value.remedy
    assert find_environment(known, "refs/tags/1", "notes").name == "other/1"


def test_the_journal_alone_knows_it_by_its_branch(tmp_path: Path) -> None:
    site = Site(Home(tmp_path))
    with Journal(tmp_path / "journal.db") as journal:
        site.journal = journal
        journal.register(A.environment)
        assert find_record(site, "heads/feature/a", "notes").name == "feature/a"
        with pytest.raises(NotFoundError, match="knows no environment heads/feature/b"):
            find_record(site, "heads/feature/b", "notes")


NOTES = Project(
    project="notes",
    environments={
        "prod": EnvironmentKind(branch="main", host="notes.example.com", tier="production"),
        "feature": EnvironmentKind(branch="feature/*", host="{slug}.notes.example.com"),
        "any": EnvironmentKind(branch="any-*", host="{slug}.notes.example.com"),
    },
)


def taken(branch: str) -> set[tuple[str, str]]:
    """All that a branch's environment has to itself."""
    environment = claim(NOTES, Ref("branch", branch))
    assert environment
    return {(what, value) for what, _, value, _ in unique_names(environment)} | {
        ("image tag", environment.image_tag)
    }


@given(st.from_regex(r"[a-zA-Z0-9/._-]{1,40}", fullmatch=True))
def test_a_branch_named_like_anothers_slug_shares_nothing_with_it(part: str) -> None:
    branch = f"feature/{part}"
    names = identify("notes", branch)
    for like in (names.slug, names.label, part.lower() + "x", f"{part}/b", part.replace("/", "-")):
        for other in (f"feature/{like}", f"any-{like}"):
            if other != branch:
                assert not taken(branch) & taken(other), (branch, other)
