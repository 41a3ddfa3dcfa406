"""A database and a role for each environment: made once, found again, removed whole."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from junov.databases import Postgres, Stamp, StampMismatchError
from junov.databases.sessions import connect
from junov.environments.identity import Identity, identify
from junov.errors import NotFoundError
from junov.secret import Secret
from tests.engine.postgres_rig import (
    NOON,
    Killed,
    Rig,
    as_superuser,
    identity_of,
    killed_after,
    login,
    make,
    password_of,
    remove,
    running_postgres,
    stamp_of,
    state,
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


def test_a_second_ensure_changes_nothing_but_the_password(rig: Rig, identity: Identity) -> None:
    make(rig, identity)
    with login(rig, identity) as session:
        session.execute("CREATE TABLE notes AS SELECT 'kept' AS text")
    before = state(rig, identity)

    again = make(rig, identity)

    assert (again.created_database, again.created_role) == (False, False)
    assert state(rig, identity) == before
    with login(rig, identity) as session:
        assert session.execute("SELECT text FROM notes").fetchone() == ("kept",)


def test_two_deploys_at_once_make_one_database(rig: Rig, identity: Identity) -> None:
    together = threading.Barrier(6)

    def deploy(_: int) -> tuple[bool, bool]:
        together.wait(timeout=30)
        made = make(rig, identity)
        return made.created_database, made.created_role

    with ThreadPoolExecutor(6) as pool:
        results = sorted(pool.map(deploy, range(6)))

    assert results == [(False, False)] * 5 + [(True, True)]


def test_many_environments_are_made_at_once(rig: Rig, identity: Identity) -> None:
    many = [identify("notes", f"{identity.name}/{n}") for n in range(6)]
    try:
        with ThreadPoolExecutor(6) as pool:
            made = list(pool.map(lambda one: make(rig, one), many))
        assert [m.created_database for m in made] == [True] * 6
    finally:
        for one in many:
            remove(rig, one)


def test_a_run_killed_between_any_two_statements_is_finished_by_the_next(
    rig: Rig, identity: Identity
) -> None:
    make(rig, identity)
    whole = state(rig, identity)
    remove(rig, identity)
    killed = 0
    while True:
        opener, sent = killed_after(killed)
        try:
            make(rig, identity, through=Postgres(rig.address, opener=opener))
        except Killed:
            pass
        else:
            break
        half = rig.psql("private", identity.role, identity.database, password_of(identity))
        opened_early = half.ok and state(rig, identity) != whole
        assert not opened_early, f"open before it was closed to others, after: {sent[-1]}"

        make(rig, identity)

        assert state(rig, identity) == whole, f"after a kill behind: {sent[-1]}"
        with login(rig, identity) as session:
            session.execute("CREATE TABLE notes (text text)")
        remove(rig, identity)
        killed += 1
    assert killed >= 10
    assert any(text.startswith("CREATE DATABASE") for text in sent)


def test_a_removal_killed_anywhere_is_finished_by_the_next(rig: Rig, identity: Identity) -> None:
    killed = 0
    while True:
        make(rig, identity)
        opener, sent = killed_after(killed)
        through = Postgres(rig.address, opener=opener)
        try:
            through.drop(identity.database, identity.role, stamp_of(identity))
        except Killed:
            pass
        else:
            break
        rig.postgres.drop(identity.database, identity.role, stamp_of(identity))
        assert state(rig, identity) == [], f"after a kill behind: {sent[-1:]}"
        killed += 1
    assert killed >= 4


def test_a_drop_that_postgres_could_not_finish_is_made_good(rig: Rig, identity: Identity) -> None:
    make(rig, identity)
    whole = state(rig, identity)
    # What an interrupted DROP DATABASE leaves behind (PostgreSQL 15.4 and later).
    as_superuser(
        rig,
        "UPDATE pg_database SET datconnlimit = -2 WHERE datname = %s",
        identity.database,
    )
    assert make(rig, identity).created_database
    assert state(rig, identity) == whole


@pytest.mark.parametrize(
    "theirs",
    [
        Stamp("elsewhere", "notes", "another_environments_database_is_left_alone", NOON),
        Stamp("junov", "shop", "another_environments_database_is_left_alone", NOON),
        Stamp("junov", "notes", "prod", NOON),
    ],
    ids=["server", "project", "environment"],
)
def test_another_environments_database_is_left_alone(
    rig: Rig, identity: Identity, theirs: Stamp
) -> None:
    make(rig, identity)
    before = state(rig, identity)

    with pytest.raises(StampMismatchError) as refused:
        rig.postgres.drop(identity.database, identity.role, theirs)
    with pytest.raises(StampMismatchError):
        rig.postgres.ensure(
            database=identity.database,
            role=identity.role,
            password=Secret("mine now"),
            connections=9,
            stamp=theirs,
        )

    assert theirs.owner in refused.value.message
    assert stamp_of(identity).owner in refused.value.message
    assert refused.value.remedy
    assert state(rig, identity) == before
    login(rig, identity).close()


def test_a_database_that_a_person_made_is_left_alone(rig: Rig, identity: Identity) -> None:
    as_superuser(rig, f"CREATE DATABASE {identity.database}")
    try:
        for attempt in (
            lambda: make(rig, identity),
            lambda: rig.postgres.drop(identity.database, identity.role, stamp_of(identity)),
        ):
            with pytest.raises(StampMismatchError, match="has no stamp of junov's"):
                attempt()
        # Nothing was changed: the role was not made either.
        assert [row[0] for row in state(rig, identity)] == [identity.database]
        with pytest.raises(NotFoundError):
            rig.postgres.mark_filled(identity.database)
    finally:
        as_superuser(rig, f"DROP DATABASE {identity.database}")


def test_a_role_that_a_person_made_is_left_alone(rig: Rig, identity: Identity) -> None:
    as_superuser(rig, f"CREATE ROLE {identity.role}")
    try:
        with pytest.raises(StampMismatchError, match=f"the role {identity.role} has no stamp"):
            make(rig, identity)
        assert len(state(rig, identity)) == 1
    finally:
        as_superuser(rig, f"DROP ROLE {identity.role}")


def test_drop_removes_all_that_is_the_environments(rig: Rig, identity: Identity) -> None:
    make(rig, identity)
    second = identity.at(2)
    make(rig, second)
    # Rights and things in a database that isn't its own would keep the role from being dropped.
    as_superuser(
        rig, f"CREATE TABLE {identity.role}_t (); GRANT ALL ON {identity.role}_t TO PUBLIC"
    )
    as_superuser(rig, f"ALTER TABLE {identity.role}_t OWNER TO {identity.role}")
    connected = login(rig, identity)
    try:
        gone = rig.postgres.drop(identity.database, identity.role, stamp_of(identity))
        assert gone.databases == (identity.database, second.database)
        assert gone.role
        assert state(rig, identity) == []
        with pytest.raises(psycopg.OperationalError):
            connected.execute("SELECT 1")
    finally:
        connected.close()
        as_superuser(rig, f"DROP TABLE {identity.role}_t")

    again = rig.postgres.drop(identity.database, identity.role, stamp_of(identity))
    assert (again.databases, again.role) == ((), False)


def test_drop_spares_a_database_that_a_person_gave_to_the_role(
    rig: Rig, identity: Identity
) -> None:
    make(rig, identity)
    scratch = f"{identity.database}__scratch"
    as_superuser(rig, f"CREATE DATABASE {scratch} OWNER {identity.role}")
    try:
        with pytest.raises(StampMismatchError, match=scratch):
            rig.postgres.drop(identity.database, identity.role, stamp_of(identity))
        login(rig, identity).close()
    finally:
        as_superuser(rig, f"DROP DATABASE {scratch}")


def test_filled_is_remembered_on_the_database(rig: Rig, identity: Identity) -> None:
    make(rig, identity)
    assert not make(rig, identity).stamp.filled
    assert rig.postgres.mark_filled(identity.database).filled
    assert make(rig, identity).stamp == stamp_of(identity).as_filled()


def test_the_list_tells_whose_each_database_is(rig: Rig, identity: Identity) -> None:
    make(rig, identity)
    with login(rig, identity):
        (info,) = [d for d in rig.postgres.databases() if d.name == identity.database]
    assert info.stamp == stamp_of(identity)
    assert info.owner == identity.role
    assert info.connections == 1
    assert info.size_bytes > 5_000_000
    assert "postgres" not in [d.name for d in rig.postgres.databases()]


def test_the_list_is_not_disturbed_by_databases_that_go(rig: Rig, identity: Identity) -> None:
    done = threading.Event()

    def churn() -> None:
        while not done.is_set():
            make(rig, identity)
            remove(rig, identity)

    with ThreadPoolExecutor(1) as pool:
        churning = pool.submit(churn)
        try:
            for _ in range(60):
                assert all(info.size_bytes >= 0 for info in rig.postgres.databases())
        finally:
            done.set()
        churning.result(timeout=60)


def test_the_server_tells_about_itself(rig: Rig) -> None:
    rig.postgres.ping()
    assert rig.postgres.server_version().startswith("15.")
    before = rig.postgres.connections_in_use()
    with connect(rig.address, "postgres"), connect(rig.address, "postgres"):
        during = rig.postgres.connections_in_use()
    assert during.limit == 60
    assert during.in_use > before.in_use
