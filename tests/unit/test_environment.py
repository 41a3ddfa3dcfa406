"""From a ref to its environment."""

from __future__ import annotations

import pytest

from junov.config.kinds import EnvironmentKind
from junov.config.project import Project
from junov.environments import Ref, claim, environments_of
from junov.environments.environment import environment_named
from junov.errors import NotFoundError

NOTES = Project(
    project="notes",
    environments={
        "prod": EnvironmentKind(branch="main", host="notes.example.com", tier="production"),
        "stage": EnvironmentKind(branch="dev", host="stage.notes.example.com", tier="staging"),
        "feature": EnvironmentKind(branch="feature/*", host="{slug}.notes.example.com"),
        "tagged": EnvironmentKind(tag="env-*", host="{slug}.notes.example.com"),
    },
)


@pytest.mark.parametrize(
    ("ref", "name", "image_tag"),
    [
        (Ref("branch", "main"), "prod", "main"),
        (Ref("branch", "dev"), "stage", "dev"),
        (Ref("tag", "env-qa"), "tagged/qa", "env-qa"),
        (Ref("branch", "feature/search"), "feature/search", "feature-search-"),
        (Ref("branch", "feature/a/b"), "feature/a/b", "feature-a-b-"),
    ],
)
def test_a_ref_has_its_environment(ref: Ref, name: str, image_tag: str) -> None:
    environment = claim(NOTES, ref)
    assert environment
    assert environment.name == name
    assert environment.image_tag.startswith(image_tag)
    assert environment_named(NOTES, name) == environment


@pytest.mark.parametrize(
    "ref",
    [Ref("branch", "fix"), Ref("tag", "main"), Ref("branch", "env-qa"), Ref("branch", "feature/")],
)
def test_other_refs_have_none(ref: Ref) -> None:
    assert claim(NOTES, ref) is None


def test_a_feature_has_a_host_of_its_own() -> None:
    one, other = (claim(NOTES, Ref("branch", f"feature/{name}")) for name in ("a/b", "a-b"))
    assert one
    assert other
    assert one.host != other.host
    assert one.image_tag != other.image_tag


def test_the_environments_that_a_project_always_has() -> None:
    assert [environment.name for environment in environments_of(NOTES)] == ["prod", "stage"]


@pytest.mark.parametrize("name", ["production", "feature", "prod/x", "feature/"])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        environment_named(NOTES, name)
    assert "prod, stage, feature/…, tagged/…" in caught.value.remedy
