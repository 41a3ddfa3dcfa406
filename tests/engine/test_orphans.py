"""Databases whose environment is gone: found, and removed once there is a backup of each."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from junov.databases import Kind
from junov.delivery.inventory import list_databases
from junov.delivery.provision import stamp_of
from junov.delivery.values import database_password
from junov.environments import identify
from junov.environments.identity import Identity
from tests.engine.stage import Stage

NAME = "feature/forgotten"


@pytest.fixture
def forgotten(delivered: Stage) -> Identity:
    """An environment of which nothing is left but two databases with their roles."""
    site, identity = delivered.site, identify(delivered.project, NAME)
    kinds: list[tuple[Identity, Kind]] = [(identity, "kept"), (identity.at(2), "live")]
    for each, kind in kinds:
        site.postgres.ensure(
            database=each.database,
            role=each.role,
            password=database_password(site, each),
            connections=2,
            stamp=stamp_of(site, each, kind),
        )
        url = f"postgresql://{each.role}@127.0.0.1:{site.part('postgres').ports[5432]}/{each.role}"
        password = database_password(site, each).reveal()
        with psycopg.connect(url, password=password, autocommit=True) as session:
            session.execute("CREATE TABLE left_over AS SELECT generate_series(1, 7)")
    site.postgres.settle(identity.at(2).database, stamp_of(site, identity))
    return identity


def listed(stage: Stage, *options: str) -> dict[str, Any]:
    return {each["name"]: each for each in json.loads(stage("db", "ls", "--json", *options))}


def test_what_is_left_of_an_environment_is_removed_after_a_backup(
    delivered: Stage, forgotten: Identity
) -> None:
    others = listed(delivered).keys() - {forgotten.database, forgotten.at(2).database}
    assert listed(delivered, "--orphans").keys() == {forgotten.database, forgotten.at(2).database}

    said = delivered("db", "prune", expect=1)
    assert f"{NAME}: {forgotten.database}, {forgotten.at(2).database}" in said
    assert len(listed(delivered, "--orphans")) == 2, "nobody said yes"

    delivered("db", "prune", "--yes")
    assert listed(delivered, "--orphans") == {}
    assert listed(delivered).keys() == others
    assert not [n for n in delivered.site.postgres.names() if n.startswith(forgotten.database)]
    assert "there are no orphans" in delivered("db", "prune", "--yes")

    # The backups are found again once there is an environment of that name.
    delivered.shell("git", "checkout", "--quiet", "-B", NAME, "dev")
    delivered("run", NAME)
    backups = json.loads(delivered("db", "backups", NAME, "--json"))
    assert [each["database"] for each in backups] == [
        forgotten.at(2).database,
        forgotten.database,
    ]
    assert all("left_over" in str(each["tables"]) for each in backups)
    delivered("env", "rm", NAME, "--yes")


def test_what_is_there_is_no_orphan(delivered: Stage) -> None:
    site = delivered.site
    names = {each.name for each in list_databases(site, delivered.project) if each.environment}
    assert names
    assert listed(delivered, "--orphans") == {}
