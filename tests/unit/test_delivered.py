"""A release's folder: what is written there is all that it takes to deliver it again."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junov.config.home import Home
from junov.config.project import read_project
from junov.delivery.delivered import (
    Delivered,
    find_release,
    junov_yaml_of,
    read_release,
    release_folder,
    write_release,
)
from junov.environments import Environment, Ref, claim
from junov.errors import NotFoundError, StageError
from junov.secret import Secret
from junov.site import Site
from junov.stacks.assemble import parse, render
from junov.stacks.stack import Stack

JUNOV_YAML = """\
project: notes
web: {port: 9000, drain: 5s, replicas: 2}
migrate: {service: alembic, downgrade: [alembic, downgrade, "{head}"]}
hooks: {after: [python -m smoke]}
environments:
  prod: {branch: main, host: notes.example.com, tier: production, observe: 0s}
"""


def stack(release: int = 7, **environment: str) -> Stack:
    service: dict[str, Any] = {
        "image": "registry/notes@sha256:" + "a" * 64,
        "labels": {"dev.junov.release": str(release), "dev.junov.commit": "abc"},
        "environment": {"JUNOV_RELEASE": str(release), "KEY": "pa$$word", **environment},
    }
    return Stack(
        name="notes_prod",
        model={"name": "notes_prod", "services": {f"web-r{release}": service, "worker": service}},
        image=service["image"],
        web=f"web-r{release}",
        migrate=None,
        background=("worker",),
        secrets=frozenset({Secret("pa$$word")}),
    )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(Home(tmp_path / "home"))


@pytest.fixture
def written(site: Site, tmp_path: Path) -> Delivered:
    (tmp_path / "junov.yaml").write_text(JUNOV_YAML)
    project = read_project(tmp_path).config
    environment = claim(project, Ref("branch", "main"))
    assert isinstance(environment, Environment)
    folder = release_folder(site, environment.identity, 7)
    delivered = Delivered(environment, project, stack(), 7, folder)
    write_release(delivered, JUNOV_YAML)
    return delivered


def test_a_release_is_read_as_it_was_written(site: Site, written: Delivered) -> None:
    read = read_release(site, written.environment.identity, 7)
    assert read == written
    assert read.stack.model == written.stack.model, "which is no part of what is compared above"
    assert read.web.port == 9000
    assert read.web.observe == 0, "as environments of its kind have it"
    assert junov_yaml_of(read) == JUNOV_YAML


def test_nobody_else_can_read_it(written: Delivered) -> None:
    modes = {stat.S_IMODE(path.stat().st_mode) for path in written.folder.iterdir()}
    assert modes == {0o600}


@given(st.text())
def test_what_the_engine_is_handed_is_read_back(text: str) -> None:
    made = stack(COLOUR=text)
    assert parse(render(made)) == made.model


def test_it_comes_again_under_a_number_of_its_own(site: Site, written: Delivered) -> None:
    again = written.again(site, 12)
    assert again.stack.web == "web-r12"
    assert set(again.stack.model["services"]) == {"web-r12", "worker"}
    for service in again.stack.model["services"].values():
        assert service["labels"] == {"dev.junov.release": "12", "dev.junov.commit": "abc"}
        assert service["environment"] == {"JUNOV_RELEASE": "12", "KEY": "pa$$word"}
    assert again.folder != written.folder
    assert written.stack.model["services"]["worker"]["labels"]["dev.junov.release"] == "7"


def test_one_that_is_not_kept_is_said_to_be_so(site: Site, written: Delivered) -> None:
    with pytest.raises(NotFoundError, match="release 8 of prod is not kept") as refused:
        read_release(site, written.environment.identity, 8)
    assert "junov releases prod" in refused.value.remedy


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("release.json", "{"),
        ("release.json", json.dumps({"format": 99})),
        ("release.json", json.dumps({"format": 1})),
        ("stack.yaml", "services: {}"),
        ("junov.yaml", "project: notes\n"),
    ],
)
def test_one_that_is_damaged_is_told_and_not_used(
    site: Site, written: Delivered, name: str, text: str
) -> None:
    (written.folder / name).write_text(text)
    with pytest.raises(StageError, match="the record of release 7 of prod can't be used"):
        read_release(site, written.environment.identity, 7)
    assert find_release(site, written.environment.identity, 7) is None


def test_a_release_that_was_cut_short_while_it_was_written_is_none(
    site: Site, written: Delivered
) -> None:
    (written.folder / "release.json").unlink()
    assert find_release(site, written.environment.identity, 7) is None


def test_on_another_database_everything_it_is_told_says_so(
    site: Site, written: Delivered, tmp_path: Path
) -> None:
    first = written.environment.identity.database
    url = f"postgresql://{first}:pa$$word@db:5432/{first}?x=1"
    told = replace(written, stack=stack(DATABASE_URL=url, OTHER=f"{first}2 x-{first} {first}_x"))
    third = told.on(3)
    for service in third.stack.model["services"].values():
        assert service["environment"]["DATABASE_URL"] == (
            f"postgresql://{first}.3:pa$$word@db:5432/{first}.3?x=1"
        )
        assert service["environment"]["OTHER"] == f"{first}2 x-{first} {first}_x"
        assert service["labels"] == told.stack.model["services"]["worker"]["labels"]
    assert third.stack.name == told.stack.name
    assert third.environment.identity.database == f"{first}.3"

    write_release(third, (tmp_path / "junov.yaml").read_text())
    read = read_release(site, written.environment.identity, 7)
    assert read.environment.identity.database == f"{first}.3"
    assert read.on(12).on(1).stack.model == told.stack.model


def test_a_release_of_before_there_were_generations_has_the_first(
    site: Site, written: Delivered
) -> None:
    file = written.folder / "release.json"
    facts = json.loads(file.read_text())
    del facts["environment"]["generation"]
    file.write_text(json.dumps(facts))
    assert read_release(site, written.environment.identity, 7) == written
