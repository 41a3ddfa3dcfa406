"""Who gets into which database, asked from containers on real networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from junov.databases import Postgres, hba
from junov.databases.sessions import connect
from junov.environments.identity import Identity, identify
from junov.errors import UnavailableError
from junov.process import run
from junov.secret import Secret
from tests.engine.postgres_rig import (
    SUPERUSER,
    Rig,
    as_superuser,
    identity_of,
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


def test_the_role_can_use_its_database_and_is_nothing_more(rig: Rig, identity: Identity) -> None:
    made = make(rig, identity)

    assert (made.created_database, made.created_role) == (True, True)
    assert made.stamp == stamp_of(identity) == rig.postgres.stamp(identity.database)
    with login(rig, identity) as session:
        session.execute("CREATE TABLE notes (text text)")
        session.execute("INSERT INTO notes VALUES ('žluťoučký кот')")
        session.execute("CREATE TEMPORARY TABLE scratch (n int)")
        session.execute("CREATE SCHEMA more")
        for forbidden in ("CREATE DATABASE mine", "CREATE ROLE mine", "COPY notes TO '/tmp/x'"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(forbidden)
    database, role = state(rig, identity)
    assert database[2:5] == (-1, identity.role, 6)  # 6 is UTF8 in pg_encoding
    assert role[1:9] == (False, False, False, False, True, False, False, 5)


def test_a_new_key_and_limit_count_after_the_next_ensure(rig: Rig, identity: Identity) -> None:
    make(rig, identity)
    rig.postgres.ensure(
        database=identity.database,
        role=identity.role,
        password=Secret("another"),
        connections=2,
        stamp=stamp_of(identity),
    )
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        login(rig, identity)
    another = replace(rig.address, user=identity.role, password=Secret("another"))
    with connect(another, identity.database) as first, connect(another, identity.database):
        first.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            connect(another, identity.database)


def test_what_a_person_opened_is_closed_again(rig: Rig, identity: Identity) -> None:
    make(rig, identity)
    before = state(rig, identity)
    as_superuser(rig, f"GRANT CONNECT ON DATABASE {identity.database} TO PUBLIC")
    as_superuser(rig, f"ALTER ROLE {identity.role} CREATEDB CREATEROLE CONNECTION LIMIT -1")
    as_superuser(rig, f"ALTER DATABASE {identity.database} OWNER TO postgres")
    make(rig, identity)
    assert state(rig, identity) == before


@pytest.mark.parametrize("where", ["private", "db_network"])
def test_a_role_reaches_its_own_database_and_no_other(
    rig: Rig, identity: Identity, where: str
) -> None:
    other = identify("notes", "other")
    make(rig, identity)
    make(rig, other)
    # A grant made by mistake does not open it either.
    as_superuser(rig, f"GRANT CONNECT ON DATABASE {other.database} TO {identity.role}")
    try:
        password = password_of(identity)
        own = rig.psql(where, identity.role, identity.database, password, "SELECT current_user")
        assert (own.exit_code, own.stdout.strip()) == (0, identity.role)
        for database in (other.database, "postgres", "template1", "template0"):
            refused = rig.psql(where, identity.role, database, password)
            assert refused.exit_code == 2
            assert "no pg_hba.conf entry" in refused.stderr
        stolen = rig.psql(where, other.role, other.database, password)
        assert "password authentication failed" in stolen.stderr
    finally:
        as_superuser(rig, f"REVOKE ALL ON DATABASE {other.database} FROM {identity.role}")
        remove(rig, other)


def test_privileges_alone_refuse_too_where_pg_hba_would_let_in(
    rig: Rig, identity: Identity
) -> None:
    """The second wall, seen without the first: what Postgres itself answers for the role."""
    other = identify("notes", "other")
    make(rig, identity)
    make(rig, other)
    try:
        rows = as_superuser(
            rig,
            "SELECT datname FROM pg_database WHERE datname <> 'template0' "
            "AND has_database_privilege(%s, oid, 'CONNECT')",
            identity.role,
        )
        assert rows == [(identity.database,)]
    finally:
        remove(rig, other)


def test_the_superuser_is_refused_from_a_private_network(rig: Rig) -> None:
    inside = rig.psql("private", "postgres", "postgres", SUPERUSER)
    assert inside.exit_code == 2
    assert "pg_hba.conf rejects connection" in inside.stderr
    managed = rig.psql("db_network", "postgres", "postgres", SUPERUSER)
    assert (managed.exit_code, managed.stdout.strip()) == (0, "1")
    socket = rig.box.execute(
        rig.box.name("postgres"), "psql", "-XAtqc", "SELECT 1", options=("-u", "postgres")
    )
    assert (socket.exit_code, socket.stdout.strip()) == (0, "1")


def test_rules_are_read_from_the_file_that_was_given(rig: Rig) -> None:
    rows = as_superuser(
        rig,
        "SELECT type, database, user_name, auth_method FROM pg_hba_file_rules WHERE error IS NULL",
    )
    assert rows[0] == ("local", ["all"], ["postgres"], "peer")
    assert rows[-1] == ("host", ["sameuser"], ["all"], "scram-sha-256")
    assert len(rows) == len([r for r in hba(["10.0.0.0/27"]).splitlines() if r[0] != "#"])


def test_no_password_is_in_the_servers_log(rig: Rig, identity: Identity) -> None:
    make(rig, identity)
    make(rig, identity)
    log = run(["docker", "logs", rig.box.name("postgres")])
    text = log.stdout + log.stderr
    assert f'ALTER ROLE "{identity.role}"' in text
    assert password_of(identity).reveal() not in text
    assert SUPERUSER.reveal() not in text


def test_a_wrong_password_is_an_error_without_the_password(rig: Rig) -> None:
    wrong = Postgres(replace(rig.address, password=Secret("hunter2hunter2")))
    with pytest.raises(UnavailableError, match="password authentication failed") as error:
        wrong.ping()
    assert "junov server doctor" in error.value.remedy
    assert "hunter2" not in str(error.value)


def test_the_shells_variables_lead_nowhere_else(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("PGHOSTADDR", "192.0.2.1"),
        ("PGHOST", "elsewhere.invalid"),
        ("PGUSER", "somebody"),
        ("PGPASSWORD", "something"),
        ("PGDATABASE", "elsewhere"),
        ("PGSSLMODE", "verify-full"),
        ("PGOPTIONS", "-c search_path=elsewhere"),
    ):
        monkeypatch.setenv(name, value)
    rig.postgres.ping()


def test_what_a_role_puts_before_postgres_own_functions_is_not_run_by_the_superuser(
    rig: Rig, identity: Identity
) -> None:
    make(rig, identity)
    with login(rig, identity) as session:
        session.execute("CREATE SCHEMA before")
        session.execute(
            "CREATE FUNCTION before.pg_get_userbyid(oid) RETURNS name LANGUAGE plpgsql AS "
            f"$$ BEGIN EXECUTE 'ALTER ROLE {identity.role} SUPERUSER'; RETURN 'me'; END $$"
        )
        session.execute(f"ALTER DATABASE {identity.database} SET search_path = before, pg_catalog")
    make(rig, identity)
    # A role that is made one in the middle of `ensure` would stay one until the next.
    assert state(rig, identity)[1][1] is False
