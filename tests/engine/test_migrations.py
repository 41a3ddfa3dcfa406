"""Migrations on a real Postgres: they wait for nobody for long, and what they did is kept."""

from __future__ import annotations

import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bench.throwaway import make_repository
from junov.config.postgres import POSTGRES_PORT
from junov.config.project import read_project
from junov.databases import Address
from junov.databases.budget import ConnectionHolder
from junov.databases.sessions import connect
from junov.delivery.provision import stamp_of
from junov.environments import Identity, identify
from junov.secret import Secret
from junov.server.doctor import examine
from junov.site import Site
from tests.engine.conftest import ROOT, Shell, releases, run_of
from tests.waiting import until

STARS = """\
import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("notes", sa.Column("stars", sa.Integer))
"""


@dataclass(frozen=True)
class Notes:
    """The example, of this test alone, with its first release in production.

    Args:
        site: the server.
        shell: in the folder of the project.
        identity: of production.
    """

    site: Site
    shell: Shell
    identity: Identity

    @contextmanager
    def session(self) -> Iterator[psycopg.Connection[Any]]:
        """A session of the environment's own role."""
        port = self.site.part("postgres").ports[POSTGRES_PORT]
        names = self.identity
        password = self.site.password("database", *names.secret_scope)
        address = Address("127.0.0.1", port, names.role, password, names.database)
        with connect(address, names.database) as own:
            yield own

    def release(self, number: int) -> dict[str, Any]:
        """What junov says of a release of production."""
        (found,) = (each for each in releases(self.shell, "prod") if each["number"] == number)
        return found


@pytest.fixture
def notes(site: Site, environ: dict[str, str], tmp_path: Path) -> Iterator[Notes]:
    folder = tmp_path / "notes"
    own = f"{run_of(site)}-{secrets.token_hex(2)}"
    shell = make_repository(ROOT / "examples" / "notes", folder, own, environ)
    file = folder / "junov.yaml"
    text = re.sub(r"^(lint|test):.*\n(  .*\n)+", "", file.read_text(), flags=re.MULTILINE)
    text = text.replace("observe: 5s", "observe: 0s")
    file.write_text(text.replace("service: alembic\n", "service: alembic\n  lock_timeout: 1s\n"))
    # The example sets a lock timeout itself; most projects don't.
    env = folder / "migrations" / "env.py"
    setting = "        connection.execute(text(\"SET lock_timeout = '10s'\"))\n"
    assert setting in env.read_text()
    env.write_text(env.read_text().replace(setting, ""))
    shell.commit("Without a lock timeout of its own")
    shell("junov", "run")
    identity = identify(read_project(folder).config.project, "prod")
    yield Notes(site, shell, identity)
    shell("junov", "env", "stop", "prod")


def test_a_migration_gives_way_to_whoever_holds_a_lock(notes: Notes) -> None:
    first = notes.release(1)
    assert (first["schema_before"], first["schema_heads"]) == ([], ["0004"])
    assert "0003 -> 0004" in notes.shell("junov", "releases", "prod", "1", "--log")

    versions = notes.shell.folder / "migrations" / "versions"
    (versions / "0005_stars.py").write_text(STARS)
    notes.shell.commit("Stars")
    with notes.session() as own:
        own.execute("SET application_name = 'a long report'")
        own.execute("BEGIN")
        own.execute("SELECT 'a name that is nobody''s business' FROM notes")
        said = notes.shell("junov", "run", expect=1)
        assert "the migration waited for a lock of the database for 1s and gave up" in said
        pid, role = own.info.backend_pid, notes.identity.role
        who = f"the session {pid} of {role} (idle in transaction, application a long report)"
        assert f"it was probably held by {who}" in said
        assert "nobody's business" not in said
        assert "what ran before goes on serving" in said

        failed = notes.release(2)
        assert (failed["outcome"], failed["live"]) == ("failed", False)
        assert (failed["schema_before"], failed["schema_heads"]) == (["0004"], [])
        log = notes.shell("junov", "releases", "prod", "2", "--log")
        assert "canceling statement due to lock timeout" in log
        assert log.endswith("it ended with exit code 1\n")
        file = Path(failed["migration_log"])
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        password = notes.site.password("database", *notes.identity.secret_scope).reveal()
        assert password not in file.read_text()

        # What the remedy says ends that session.
        remedy = re.search(r"junov (db psql prod -- -c) \"(SELECT .*?)\"", said)
        assert remedy
        notes.shell("junov", *remedy[1].split(), remedy[2])
        until(
            lambda: notes.site.postgres.lock_holder(notes.identity.database) is None,
            "the session is ended",
        )
        with pytest.raises(psycopg.OperationalError):
            own.execute("SELECT 1")

    notes.shell("junov", "run")
    third = notes.release(3)
    assert (third["schema_before"], third["schema_heads"]) == (["0004"], ["0005"])
    assert "0004 → 0005" in notes.shell("junov", "releases", "prod", "3")
    assert "0004 -> 0005" in notes.shell("junov", "releases", "prod", "3", "--log")


def test_the_doctor_names_who_was_promised_too_much(site: Site) -> None:
    before = site.postgres.connection_budget()
    assert (before.most, before.reserved) == (site.server.postgres.connections, 3)
    identity = identify(f"greedy-{run_of(site)}", "stage")
    stamp, password = stamp_of(site, identity), Secret("x" * 20)
    try:
        site.postgres.ensure(
            database=identity.database,
            role=identity.role,
            password=password,
            connections=before.room + 1,
            stamp=stamp,
        )
        port = site.part("postgres").ports[POSTGRES_PORT]
        address = Address("127.0.0.1", port, identity.role, password, identity.database)
        with connect(address, identity.database):
            name = f"{identity.project}/stage"
            holders = {each.name: each for each in site.postgres.connection_budget().holders}
            assert holders[name] == ConnectionHolder(name, before.room + 1, 1)
            (found,) = (each for each in examine(site) if each.check == "connections")
    finally:
        site.postgres.drop(identity.database, identity.role, stamp)
    assert found.verdict == "warning"
    assert "the limits of all environments add up to" in found.message
    assert f"more than there are; the largest: {name} ({before.room + 1})" in found.message
    assert "raise `postgres.connections` in server.yaml from 400 to" in found.remedy


def test_several_heads_are_refused_before_anything_is_touched(notes: Notes) -> None:
    versions = notes.shell.folder / "migrations" / "versions"
    (versions / "0005_stars.py").write_text(STARS)
    (versions / "0006_moons.py").write_text(STARS.replace("0005", "0006").replace("stars", "moons"))
    notes.shell.commit("Two at once")
    said = notes.shell("junov", "run", expect=1)
    assert "the migrations have 2 heads: 0005 (" in said
    assert "0005_stars.py) and 0006 (" in said
    assert 'alembic merge -m "merge" heads' in said
    assert [each["number"] for each in releases(notes.shell, "prod")] == [1]
    assert "the migrations have 2 heads" in notes.shell("junov", "deploy", "--dry-run", expect=1)


def test_a_new_environment_is_told_that_there_are_too_few_connections(notes: Notes) -> None:
    file = notes.shell.folder / "junov.yaml"
    text = file.read_text()
    file.write_text(text.replace("  service: db\n", "  service: db\n  connections: 400\n"))
    notes.shell("git", "checkout", "--quiet", "-b", "dev")
    notes.shell.commit("Greedy")
    said = notes.shell("junov", "run")
    notes.shell("junov", "env", "rm", "stage", "--yes")
    assert "the connection limits of all environments add up to" in said
    assert "more than there are; what to do about it says: junov server doctor" in said
