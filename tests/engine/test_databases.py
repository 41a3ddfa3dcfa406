"""A database and a role for each environment, on a real Postgres behind real networks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from junov.databases import Address, Ensured, Postgres, Stamp, StampMismatchError, hba
from junov.databases.sessions import connect
from junov.environments.identity import Identity, identify
from junov.errors import NotFoundError, UnavailableError
from junov.process import Result, run
from junov.secret import Secret, derive
from tests.engine.sandbox import Sandbox, eventually, sandbox

pytestmark = pytest.mark.engine

IMAGE = "postgres:15-bookworm"
KEY = Secret("the key of this test")
SUPERUSER = derive(KEY, "postgres")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Rig:
    box: Sandbox
    address: Address
    postgres: Postgres

    def psql(
        self, network: str, user: str, database: str, password: Secret, query: str = "SELECT 1"
    ) -> Result:
        """Ask from a container on a network, as an environment's code would."""
        return self.box.execute(
            self.box.name(f"client_{network}"),
            "psql",
            "-XAtq",
            f"host=db user={user} dbname={database} connect_timeout=5",
            "-c",
            query,
            options=("-e", f"PGPASSWORD={password.reveal()}"),
        )


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with sandbox() as box:
        db_network = box.network("db_network", first=True)
        box.network("private")
        rules = tmp_path_factory.mktemp("hba") / "pg_hba.conf"
        rules.write_text(hba([str(db_network)]))
        server = box.start(
            "postgres",
            IMAGE,
            *("postgres", "-c", "hba_file=/etc/junov/pg_hba.conf", "-c", "fsync=off"),
            *("-c", "max_connections=60", "-c", "log_statement=all"),
            options=[
                *("--network", box.network_name("db_network", first=True), "--network-alias", "db"),
                *("-p", "127.0.0.1::5432", "-v", f"{rules}:/etc/junov/pg_hba.conf:ro"),
                *("-e", f"POSTGRES_PASSWORD={SUPERUSER.reveal()}"),
                *("--tmpfs", "/var/lib/postgresql/data"),
            ],
        )
        box.connect(box.network_name("private"), server, "db")
        for word in ("private", "db_network"):
            network = box.network_name(word, first=word == "db_network")
            box.start(f"client_{word}", IMAGE, "sleep", "infinity", options=["--network", network])
        address = Address("127.0.0.1", box.published(server, 5432), "postgres", SUPERUSER)
        postgres = Postgres(address)
        eventually(lambda: answers(postgres), "Postgres answers")
        postgres.secure_server()
        yield Rig(box, address, postgres)


def answers(postgres: Postgres) -> bool:
    try:
        postgres.ping()
    except UnavailableError:
        return False
    return True


@pytest.fixture
def identity(rig: Rig, request: pytest.FixtureRequest) -> Iterator[Identity]:
    name = request.node.name.partition("[")[0].removeprefix("test_")
    identity = identify("notes", name)
    yield identity
    remove(rig, identity)


def remove(rig: Rig, identity: Identity) -> None:
    rig.postgres.drop(identity.database, identity.role, stamp_of(identity))


def stamp_of(identity: Identity) -> Stamp:
    return Stamp("junov", identity.project, identity.name, NOON)


def password_of(identity: Identity) -> Secret:
    return derive(KEY, "database", *identity.secret_scope)


def make(rig: Rig, identity: Identity, *, through: Postgres | None = None) -> Ensured:
    return (through or rig.postgres).ensure(
        database=identity.database,
        role=identity.role,
        password=password_of(identity),
        connections=5,
        stamp=stamp_of(identity),
    )


def login(rig: Rig, identity: Identity, database: str = "") -> psycopg.Connection[Any]:
    """A session as the environment's role, from this machine."""
    own = replace(rig.address, user=identity.role, password=password_of(identity))
    return connect(own, database or identity.database)


def as_superuser(rig: Rig, statement: str, *values: str) -> list[Any]:
    with connect(rig.address, "postgres") as session:
        cursor = session.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def state(rig: Rig, identity: Identity) -> list[Any]:
    """Everything about the two that a repeated `ensure` must leave as it was."""
    return as_superuser(
        rig,
        "SELECT datname, datacl::text, datconnlimit, pg_get_userbyid(datdba), encoding, "
        "shobj_description(oid, 'pg_database') FROM pg_database "
        "WHERE datname = %s",
        identity.database,
    ) + as_superuser(
        rig,
        "SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolinherit, rolcanlogin, "
        "rolreplication, rolbypassrls, rolconnlimit, shobj_description(oid, 'pg_authid') "
        "FROM pg_roles WHERE rolname = %s",
        identity.role,
    )


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


class Killed(BaseException):
    """The process is gone."""


def killed_after(statements: int) -> tuple[Callable[[Address, str], Any], list[str]]:
    """Connections of a process that is killed once it has sent so many statements."""
    sent: list[str] = []

    def opener(address: Address, database: str) -> Any:
        connection = connect(address, database)
        real = connection.execute

        def execute(query: Any, *args: Any, **kwargs: Any) -> Any:
            if len(sent) >= statements:
                # A dead process sends neither ROLLBACK nor COMMIT: the server sees the socket go.
                connection.pgconn.finish()
                raise Killed
            text = query if isinstance(query, str) else query.as_string(connection)
            sent.append(text.strip())
            return real(query, *args, **kwargs)

        connection.execute = execute  # type: ignore[method-assign]
        return connection

    return opener, sent


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
    kept = f"{identity.database}__kept"
    as_superuser(rig, f"ALTER DATABASE {identity.database} RENAME TO {kept}")
    make(rig, identity)
    # Rights and things in a database that isn't its own would keep the role from being dropped.
    as_superuser(
        rig, f"CREATE TABLE {identity.role}_t (); GRANT ALL ON {identity.role}_t TO PUBLIC"
    )
    as_superuser(rig, f"ALTER TABLE {identity.role}_t OWNER TO {identity.role}")
    connected = login(rig, identity)
    try:
        gone = rig.postgres.drop(identity.database, identity.role, stamp_of(identity))
        assert gone.databases == (identity.database, kept)
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


def test_rules_are_read_from_the_file_that_was_given(rig: Rig) -> None:
    rows = as_superuser(
        rig,
        "SELECT type, database, user_name, auth_method FROM pg_hba_file_rules WHERE error IS NULL",
    )
    assert rows[0] == ("local", ["all"], ["postgres"], "peer")
    assert rows[-1] == ("host", ["sameuser"], ["all"], "scram-sha-256")
    assert len(rows) == len([r for r in hba(["10.0.0.0/27"]).splitlines() if r[0] != "#"])
