"""What is left of environments that are gone, and of runs that were killed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from junov.databases import Postgres
from junov.environments.identity import Identity, making_name
from junov.errors import StageError
from tests.engine.postgres_rig import (
    Killed,
    Rig,
    as_superuser,
    identity_of,
    killed_after,
    make,
    remove,
    running_postgres,
    stamp_of,
)

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running_postgres(request, tmp_path_factory.mktemp("hba")) as rig:
        yield rig


@pytest.fixture
def identity(rig: Rig, request: pytest.FixtureRequest) -> Iterator[Identity]:
    identity = identity_of(request)
    yield identity
    remove(rig, identity)


def test_what_is_stamped_for_an_environment_that_is_gone_is_an_orphan(
    rig: Rig, identity: Identity
) -> None:
    make(rig, identity)
    make(rig, identity.at(2))
    nothing = rig.postgres.orphans("junov", {(identity.project, identity.name)})
    assert (nothing.databases, nothing.roles) == ((), ())
    assert rig.postgres.orphans("elsewhere", ()).databases == ()

    found = rig.postgres.orphans("junov", {(identity.project, "another")})

    names = [identity.database, identity.at(2).database]
    assert [each.name for each in found.databases] == names
    assert [name for name, _ in found.roles] == names
    assert {stamp.environment for _, stamp in found.roles} == {identity.name}


def test_a_role_without_its_database_is_an_orphan_too(rig: Rig, identity: Identity) -> None:
    make(rig, identity)
    as_superuser(rig, f"DROP DATABASE {identity.database}")
    found = rig.postgres.orphans("junov", ())
    assert found.databases == ()
    assert [name for name, _ in found.roles] == [identity.role]


def test_a_next_database_that_was_killed_in_the_making_hinders_nobody(
    rig: Rig, identity: Identity
) -> None:
    """Whoever settles or removes the environment afterwards finds only what has a stamp."""
    second = identity.at(2)
    killed = 0
    while True:
        make(rig, identity)
        opener, sent = killed_after(killed)
        try:
            make(rig, second, through=Postgres(rig.address, opener=opener))
        except Killed:
            pass
        else:
            break
        rig.postgres.settle(identity.database, stamp_of(identity))
        remove(rig, identity)
        left = [each.name for each in rig.postgres.databases()]
        assert left == [], f"after a kill behind: {sent[-1:]}"
        assert rig.postgres.orphans("junov", ()).roles == (), f"after: {sent[-1:]}"
        killed += 1
    assert killed >= 10


def test_what_a_person_made_under_the_name_of_an_unfinished_one_stays(
    rig: Rig, identity: Identity
) -> None:
    name = making_name(identity.database)
    as_superuser(rig, f'CREATE DATABASE "{name}"')
    try:
        with pytest.raises(StageError, match="junov has not made it"):
            make(rig, identity)
    finally:
        as_superuser(rig, f'DROP DATABASE "{name}"')  # fails where it has gone


def test_the_list_tells_how_many_may_be_connected(rig: Rig, identity: Identity) -> None:
    make(rig, identity)
    as_superuser(rig, f"ALTER DATABASE {identity.database} CONNECTION LIMIT 7")
    (shown,) = rig.postgres.databases()
    assert shown.connection_limit == 7
