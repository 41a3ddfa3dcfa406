"""Going back to an older release."""

from __future__ import annotations

import re
import shutil
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.throwaway import make_repository
from junov.config.postgres import POSTGRES_PORT
from junov.config.project import read_project
from junov.databases import Address
from junov.databases.sessions import connect, session
from junov.delivery.rollout.containers import containers_of
from junov.environments import Identity, identify
from junov.locks import held
from junov.site import Site
from tests.engine.conftest import ROOT, Shell, Web, environment, releases, run_of, set_version
from tests.engine.faulty import Served, simplify
from tests.engine.killing import KILLED

SHELVES = """
import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table("shelves", sa.Column("id", sa.Integer, primary_key=True))


def downgrade() -> None:
    op.drop_table("shelves")
"""
# Does what a smoke test after a deploy does; it fails once somebody has made the table `broken`.
SMOKE_TEST = """\
import os, psycopg
url = os.environ["DATABASE_URL"].replace("+psycopg", "")
assert psycopg.connect(url).execute("SELECT to_regclass('broken')").fetchone() == (None,), "broken"
"""


def test_a_rollback_brings_back_what_served_before(tiny: Shell, web: Web) -> None:
    simplify(tiny.folder)
    tiny.commit("Without lint and tests")
    tiny("junov", "run")
    url = str(environment(tiny, "prod")["url"])

    def delivered(*argv: str) -> tuple[str, str]:
        """The version and the release that answer after a command."""
        tiny("junov", *argv)
        _, said = web(url)
        return said["version"], said["JUNOV_RELEASE"]

    set_version(tiny, "2")
    assert delivered("run") == ("2", "2")
    assert delivered("rollback", "prod") == ("1", "3"), "it is a release of its own"
    # A second one goes further back, and not forth again.
    assert "no release before 1" in tiny("junov", "rollback", "prod", expect=1)

    set_version(tiny, "3")
    assert delivered("run") == ("3", "4")
    assert delivered("rollback", "prod") == ("1", "5"), "as before 4, though 2 is the newer one"
    assert delivered("rollback", "prod", "--to", "4") == ("3", "6")
    assert delivered("rollback", "prod", "--to", "3") == ("1", "7"), "3 is release 1"

    listed = [(each["number"], each["restores"], each["live"]) for each in releases(tiny, "prod")]
    assert listed[:4] == [(7, 1, True), (6, 4, False), (5, 1, False), (4, None, False)]


def test_what_cannot_be_gone_back_to_is_refused(tiny: Shell, site: Site) -> None:
    simplify(tiny.folder)
    tiny.commit("Without lint and tests")
    served = Served(site, tiny)
    shell = served.shell
    first = str(environment(shell, "prod")["image"])
    served.edit("compose.yaml", "print('migrated')", "exit('no')")
    served.fails("junov", "run")
    served.edit("compose.yaml", "exit('no')", "print('migrated')")
    shell("junov", "run")

    def refused(number: int) -> str:
        return served.fails("junov", "rollback", "prod", "--to", str(number))

    with served.unharmed():
        assert "release 2 of prod never served: its outcome is `failed`" in refused(2)
        assert "release 3 of prod is the one that serves" in refused(3)
        assert "prod has no release 4" in refused(4)

        repository, _, digest = first.partition("@")
        shell("docker", "image", "rm", "--force", first)
        host, _, name = repository.partition("/")
        delete = urllib.request.Request(
            f"http://{host}/v2/{name}/manifests/{digest}", method="DELETE"
        )
        with urllib.request.urlopen(delete, timeout=10):
            pass
        assert f"could not pull {first}" in refused(1)
    assert [each["number"] for each in releases(shell, "prod")] == [3, 2, 1]


@dataclass(frozen=True)
class Notes:
    """The example, whose second release has brought a table along. Its checkout is gone.

    Args:
        site: the server.
        elsewhere: a shell in a folder that knows nothing of the project.
        identity: of production.
    """

    site: Site
    elsewhere: Shell
    identity: Identity

    def __call__(self, *options: str, expect: int = 0, junov: Sequence[str] = ("junov",)) -> str:
        """Roll production back."""
        # However the tests are run, nobody sits at this terminal.
        argv = (*junov, "rollback", "prod", "-p", self.identity.project, *options)
        return self.elsewhere("sh", "-c", '"$@" < /dev/null', "sh", *argv, expect=expect)

    def kill(self, point: str, *options: str) -> None:
        """Have that killed at a point."""
        killing = (sys.executable, "-m", "tests.engine.killing", point, "--")
        # The shell between tells of a signal as 128 and its number.
        self(*options, junov=killing, expect=128 - KILLED)

    def sql(self, query: str) -> list[tuple[object, ...]]:
        """What its database answers."""
        port = self.site.part("postgres").ports[POSTGRES_PORT]
        names = self.identity
        password = self.site.password("database", *names.secret_scope)
        address = Address("127.0.0.1", port, names.role, password, names.database)
        with session(connect, address) as own:
            done = own.execute(query.encode())
            return done.fetchall() if done.description else []

    @property
    def schema(self) -> tuple[object, object]:
        """Where the migrations stand, and whether the second release's table is there."""
        ((revision, shelves),) = self.sql(
            "SELECT version_num, to_regclass('shelves') IS NOT NULL FROM alembic_version"
        )
        return revision, shelves


@pytest.fixture
def notes_twice(site: Site, environ: dict[str, str], tmp_path: Path) -> Iterator[Notes]:
    """The example, of this test alone, with two releases in production."""
    folder = tmp_path / "notes"
    shell = make_repository(ROOT / "examples" / "notes", folder, f"{run_of(site)}-back", environ)
    file = folder / "junov.yaml"
    text = re.sub(r"^(lint|test):.*\n(  .*\n)+", "", file.read_text(), flags=re.MULTILINE)
    (folder / "src" / "notes" / "smoke.py").write_text(SMOKE_TEST)
    text = text.replace("observe: 5s", "observe: 0s")
    file.write_text(f"{text}hooks: {{after: [python -m notes.smoke]}}\n")
    shell.commit("With a smoke test")
    shell("junov", "run")
    file.write_text(text)
    (folder / "migrations" / "versions" / "0005_shelves.py").write_text(SHELVES)
    shell.commit("Shelves")
    shell("junov", "run")
    identity = identify(read_project(folder).config.project, "prod")
    shutil.rmtree(folder)
    elsewhere = Shell(tmp_path, environ | {"PYTHONPATH": str(ROOT)})
    yield Notes(site, elsewhere, identity)
    elsewhere("junov", "env", "stop", "prod", "-p", identity.project)


def test_the_schema_is_told_taken_back_and_brought_up_again(notes_twice: Notes, web: Web) -> None:
    rollback, site = notes_twice, notes_twice.site

    def serving() -> int:
        """The release that answers."""
        route = site.routes.read(rollback.identity.route)
        assert route
        status, _ = web(site.server.url(route.host), "/notes")
        assert status == 200
        names = {each.service for each in containers_of(site, rollback.identity)}
        assert names == {f"web-r{route.release}", "worker"}
        return route.release

    ahead = "the database stands at 0005, the code of release 1 at 0004"
    refused = rollback(expect=1)
    assert ahead in refused
    assert "there is no terminal to ask at" in refused
    assert "use --yes" in refused
    with held(site.home.locks_folder, rollback.identity.lock, purpose="a test"):
        assert ahead in rollback("--dry-run"), "it looks, and waits for nobody"
        said = rollback("--dry-run", "--downgrade", "--json")
        assert '"downgrade": ["alembic", "downgrade", "0004"]' in said
    assert serving() == 2
    assert rollback.schema == ("0005", True)

    # Down, and as release 1 turns out to be broken, up again.
    rollback.sql("CREATE TABLE broken ()")
    failed = rollback("--downgrade", expect=1)
    assert "the hook `python -m notes.smoke` ended with exit code 1" in failed
    assert "Upgrade the schema again" in failed
    assert serving() == 2
    assert rollback.schema == ("0005", True)
    rollback.sql("DROP TABLE broken")

    assert ahead in rollback("--downgrade")
    assert serving() == 4
    assert rollback.schema == ("0004", False)

    behind = "the database stands at 0004, the code of release 2 at 0005"
    assert behind in rollback("--to", "2"), "which needs no yes: it is what a deploy does"
    assert serving() == 5
    assert rollback.schema == ("0005", True)

    assert ahead in rollback("--yes")
    assert serving() == 6
    assert rollback.schema == ("0005", True)

    # Killed in between, the schema is down and the other release still serves.
    rollback("--to", "2")
    rollback.kill("after:downgrade", "--to", "1", "--downgrade")
    assert serving() == 7
    assert rollback.schema == ("0004", False)
    assert behind not in rollback("--to", "1", "--downgrade"), "that is where it wants the schema"
    assert serving() == 9
    assert rollback.schema == ("0004", False)
