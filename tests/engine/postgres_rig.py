"""A real Postgres behind real networks, and what tests ask of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from junov.databases import Address, Ensured, Postgres, Stamp, Template, hba
from junov.databases.sessions import connect
from junov.environments.identity import Identity, identify
from junov.errors import UnavailableError
from junov.process import Result
from junov.secret import Secret, derive
from tests.engine.sandbox import Sandbox, sandbox
from tests.waiting import until

IMAGE = "postgres:15-bookworm"
KEY = Secret("the key of this test")
SUPERUSER = derive(KEY, "postgres")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


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


@contextmanager
def running_postgres(request: pytest.FixtureRequest, folder: Path) -> Iterator[Rig]:
    """Postgres on a `db_network` and on one environment's network, with a client in each."""
    with sandbox(request) as box:
        db_network = box.network("db_network", first=True)
        box.network("private")
        rules = folder / "pg_hba.conf"
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
        until(lambda: answers(postgres), "Postgres answers")
        postgres.secure_server()
        yield Rig(box, address, postgres)


def answers(postgres: Postgres) -> bool:
    try:
        postgres.ping()
    except UnavailableError:
        return False
    return True


def identity_of(request: pytest.FixtureRequest) -> Identity:
    """An identity for one test, called after it."""
    return identify("notes", request.node.name.partition("[")[0].removeprefix("test_"))


def remove(rig: Rig, identity: Identity) -> None:
    rig.postgres.drop(identity.database, identity.role, stamp_of(identity))


def stamp_of(identity: Identity) -> Stamp:
    return Stamp("junov", identity.project, identity.name, NOON)


def password_of(identity: Identity) -> Secret:
    return derive(KEY, "database", *identity.secret_scope)


def make(
    rig: Rig,
    identity: Identity,
    *,
    through: Postgres | None = None,
    template: Template | None = None,
) -> Ensured:
    return (through or rig.postgres).ensure(
        database=identity.database,
        role=identity.role,
        password=password_of(identity),
        connections=5,
        stamp=stamp_of(identity),
        template=template,
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
