"""The pooler in front of Postgres: who gets through it to what, and what an exchange changes."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bench.clients import Target
from bench.throwaway import environ_for, make_repository, throwaway_server
from junov.delivery.values import database_password
from junov.engine.api import Engine
from junov.environments import Identity, identify
from junov.environments.labels import ENVIRONMENT, PART, PROJECT, SERVER
from junov.pgbouncer import are_current
from junov.secret import Secret
from junov.server.doctor import examine
from junov.server.server import up
from junov.server.status import status
from junov.site import Site
from junov.steps import Steps
from tests.engine.conftest import ROOT, Shell, Web, run_of
from tests.engine.quiet import Quiet
from tests.engine.visitor import visited

POOL_SIZE = 4
CLIENTS = 40

# What the containers of an environment run: each line that they are sent is one attempt.
ASK = """
import json, os, psycopg, sys
for host, user, name in json.loads(sys.argv[1]):
    try:
        with psycopg.connect(
            host=host, user=user, dbname=name, password=os.environ["PASSWORD"],
            connect_timeout=10, prepare_threshold=None,
        ) as connection:
            print("in", *connection.execute("SELECT current_user, current_database()").fetchone())
    except psycopg.OperationalError as error:
        print("out", " ".join(str(error).split()))
"""
# All at once, each with a transaction that takes its time, and nobody leaves before the last one.
CROWD = """
import json, os, psycopg, sys
from concurrent.futures import ThreadPoolExecutor
host, user, clients = sys.argv[1], sys.argv[2], int(sys.argv[3])
where = dict(host=host, user=user, dbname=user, password=os.environ["PASSWORD"], connect_timeout=20)
crowd = []
def ask(number):
    try:
        connection = psycopg.connect(**where, prepare_threshold=None, autocommit=True)
        crowd.append(connection)
        return connection.execute("SELECT pg_backend_pid() FROM pg_sleep(0.1)").fetchone()[0]
    except psycopg.OperationalError as error:
        return str(error)
with ThreadPoolExecutor(clients) as pool:
    found = list(pool.map(ask, range(clients)))
servers = {each for each in found if isinstance(each, int)}
refused = [each for each in found if isinstance(each, str)]
print(json.dumps({"clients": len(crowd), "servers": len(servers), "refused": refused[:1]}))
"""


@dataclass(frozen=True)
class Pooled:
    """The example with stage and two branches, whose web asks for `pgbouncer`."""

    site: Site
    shell: Shell
    web: Web
    project: str

    def __call__(self, *argv: str, expect: int = 0) -> str:
        """Run junov; nobody sits at the terminal."""
        return self.shell("sh", "-c", '"$@" < /dev/null', "sh", "junov", *argv, expect=expect)

    def identity(self, name: str) -> Identity:
        """The environment's names, with its live database."""
        (found,) = self.databases(name, "live")
        first = identify(self.project, name)
        return first.at(int(found.rpartition(".")[2]) if "." in found else 1)

    def databases(self, name: str, *kinds: str) -> list[str]:
        found: list[dict[str, Any]] = json.loads(self("db", "ls", "--json"))
        return [d["name"] for d in found if d["environment"] == name and d["kind"] in kinds]

    def url(self, name: str) -> str:
        return str(json.loads(self("env", "show", name, "--json"))["url"])

    def notes(self, name: str) -> list[str]:
        status, said = self.web(self.url(name), "/notes")
        assert status == 200
        return sorted(each["text"] for each in said)  # type: ignore[index]

    def inside(self, name: str, script: str, *argv: str, password: Secret) -> str:
        """What a script prints in an environment's own container, in its own network."""
        labels = {SERVER: self.site.server.name, PROJECT: self.project, ENVIRONMENT: name}
        (web,) = (c for c in self.site.engine.containers(labels) if "-web-" in c.name)
        command = ["python", "-c", script, *argv]
        return self.site.engine.execute(web.id, command, variables={"PASSWORD": password})[1]

    def attempts(self, name: str, as_whom: Identity, *what: tuple[str, str, str]) -> list[str]:
        """What becomes of attempts (host, role, database) from one environment's container."""
        password = database_password(self.site, as_whom)
        return self.inside(name, ASK, json.dumps(what), password=password).splitlines()

    def entries(self) -> list[str]:
        """The databases that PgBouncer leads to."""
        text = (self.site.home.pgbouncer_folder / "pgbouncer.ini").read_text()
        return re.findall(r"^(\S+) = host=", text, re.MULTILINE)


@pytest.fixture(scope="module")
def pooled(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pooled]:
    """A server of these tests' own. It gets the pooler when stage is there, and stage then asks
    for it; a branch doesn't."""
    del engine
    folder = tmp_path_factory.mktemp("pooled")
    with throwaway_server(folder, "test", Steps(Quiet()), Quiet().report) as site:
        variables = environ_for(site) | {"PYTHONPATH": str(ROOT)}
        copy = folder / "notes"
        source = ROOT / "examples" / "notes"
        shell = make_repository(source, copy, f"{run_of(site)}-pool", variables)
        project = quickened(copy / "junov.yaml")
        shell.commit("Without PgBouncer")
        shell("git", "checkout", "--quiet", "-b", "feature/direct")
        shell("junov", "run", "feature/direct")

        file = site.home.server_file
        enabled = f"postgres: {{pgbouncer: {{enabled: true, pool_size: {POOL_SIZE}}}}}\n"
        file.write_text(file.read_text() + enabled)
        site = Site(site.home)
        up(site, Steps(Quiet()))
        pooled = Pooled(site, shell, Web(site), project)
        first = identify(project, "feature/direct").database
        assert pooled.entries() == [first, f"{first}.2"], "`up` has made the entries"

        shell("git", "checkout", "--quiet", "-b", "dev")
        opt_in(copy)
        shell.commit("Through PgBouncer")
        shell("junov", "run", "dev")
        yield pooled


def quickened(file: Path) -> str:
    """Leave out of a `junov.yaml` what takes time; the project's name."""
    text = re.sub(r"^(lint|test):.*\n(  .*\n)+", "", file.read_text(), flags=re.MULTILINE)
    file.write_text(text.replace("observe: 5s", "observe: 0s"))
    found = re.search(r"^project: (\S+)", text, re.MULTILINE)
    assert found
    return found[1]


def opt_in(folder: Path) -> None:
    """Let the example's services go through PgBouncer, and its migrations past it."""
    replace(
        folder / "src" / "notes" / "database.py",
        '"application_name": "notes"}',
        '"application_name": "notes", "prepare_threshold": None}',
    )
    replace(
        folder / "migrations" / "env.py",
        "database.connect(settings.database_url)",
        'database.connect(__import__("os").environ["MIGRATIONS_URL"])',
    )
    url = "postgresql+psycopg://{user}:{password}@%s:{port}/{name}"
    replace(
        folder / "junov.yaml",
        f'DATABASE_URL: "{url % "{host}"}"',
        f'DATABASE_URL: "{url % "pgbouncer"}"\n    MIGRATIONS_URL: "{url % "{host}"}"',
    )


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text, f"{file} has changed"
    file.write_text(text.replace(old, new))


def test_more_clients_than_connections(pooled: Pooled) -> None:
    own = pooled.identity("stage")
    password = database_password(pooled.site, own)

    def crowd(host: str) -> dict[str, Any]:
        argv = (host, own.role, str(CLIENTS))
        said = pooled.inside("stage", CROWD, *argv, password=password)
        counts: dict[str, Any] = json.loads(said.splitlines()[-1])
        return counts

    assert crowd("pgbouncer") == {"clients": CLIENTS, "servers": POOL_SIZE, "refused": []}
    straight = crowd("db")
    assert straight["clients"] < CLIENTS
    assert "too many connections for role" in straight["refused"][0]


def test_the_application_itself_goes_through_it(pooled: Pooled) -> None:
    assert len(pooled.notes("stage")) > 0
    assert addresses_of(pooled, "stage") == addresses_of_pooler(pooled)
    assert not addresses_of(pooled, "feature/direct") & addresses_of_pooler(pooled)


def addresses_of(pooled: Pooled, name: str) -> set[str]:
    """Where those come from who are connected to an environment's database."""
    address = pooled.site.postgres._address
    with psycopg.connect(
        host=address.host,
        port=address.port,
        user=address.user,
        password=address.password.reveal(),
        dbname="postgres",
    ) as admin:
        rows = admin.execute(
            "SELECT DISTINCT host(client_addr) FROM pg_stat_activity WHERE datname = %s",
            (pooled.identity(name).database,),
        ).fetchall()
    return {found for (found,) in rows}


def addresses_of_pooler(pooled: Pooled) -> set[str]:
    container = pooled.site.part("pgbouncer")
    return {container.addresses[pooled.site.server.db_network]}


def test_nobody_reaches_anothers_database_by_his_own_password(pooled: Pooled) -> None:
    mine, other = pooled.identity("stage"), pooled.identity("feature/direct")
    said = pooled.attempts(
        "stage",
        mine,
        ("pgbouncer", mine.role, mine.database),
        ("pgbouncer", mine.role, other.database),
        ("pgbouncer", other.role, other.database),
        ("pgbouncer", other.role, mine.database),
        ("pgbouncer", mine.role, "postgres"),
        ("pgbouncer", mine.role, "template1"),
        ("pgbouncer", mine.role, "pgbouncer"),
        ("pgbouncer", "pgbouncer", "pgbouncer"),
    )
    assert said[0] == f"in {mine.role} {mine.database}"
    # Its own words: it ends here, and Postgres isn't even asked.
    how = [line.rpartition("FATAL: ")[2].strip() for line in said[1:]]
    assert how[0] == "login rejected"
    assert how[1] == "SASL authentication failed", "it is not the other one's password"
    assert how[2:5] == ["login rejected"] * 3
    assert how[5:] == ["not allowed"] * 2, "its console is nobody's"


def test_the_superuser_does_not_get_in_by_his_own_password(pooled: Pooled) -> None:
    own = pooled.identity("stage").database
    said = pooled.inside(
        "stage",
        ASK,
        json.dumps([("pgbouncer", "postgres", name) for name in ("postgres", own, "pgbouncer")]),
        password=pooled.site.password("postgres"),
    )
    assert [line.partition(" ")[0] for line in said.splitlines()] == ["out"] * 3, said


def test_who_has_anothers_password_gets_in_here_as_with_postgres_itself(pooled: Pooled) -> None:
    """What is not walled: a password that has leaked is as good in one network as in another."""
    other = pooled.identity("feature/direct")
    said = pooled.attempts(
        "stage", other, *((host, other.role, other.database) for host in ("db", "pgbouncer"))
    )
    assert said == [f"in {other.role} {other.database}"] * 2


def test_a_reset_keeps_visitors_served_through_it(pooled: Pooled) -> None:
    before = pooled.notes("stage")
    target = Target(pooled.site.edge_url(), pooled.url("stage").partition("://")[2])
    old = pooled.identity("stage").database
    with visited(target, "/notes") as visitor:
        pooled("reset", "stage", "--yes")
        new = pooled.identity("stage").database
        assert new != old
        assert pooled.databases("stage", "kept") == [old]
        assert {old, new} < set(pooled.entries())
        status, _ = pooled.web(pooled.url("stage"), "/notes", {"text": "After the reset"})
        assert status == 201
        pooled("db", "undo", "stage", "--yes")
        assert pooled.notes("stage") == before
    assert visitor.refused == []
    assert len(visitor.seen) > 50
    assert addresses_of(pooled, "stage") == addresses_of_pooler(pooled)


def test_an_environments_entries_come_and_go_with_it(pooled: Pooled) -> None:
    others = pooled.entries()
    pooled.shell("git", "checkout", "--quiet", "-b", "feature/gone", "dev")
    pooled("run", "feature/gone")
    first = identify(pooled.project, "feature/gone").database
    assert pooled.entries() == sorted([*others, first, f"{first}.2"])
    assert pooled.notes("feature/gone")
    password = database_password(pooled.site, identify(pooled.project, "feature/gone"))
    users = (pooled.site.home.pgbouncer_folder / "userlist.txt").read_text
    assert password.reveal() in users()
    pooled("env", "rm", "feature/gone", "--yes")
    assert pooled.entries() == others
    assert password.reveal() not in users()
    gone = identify(pooled.project, "feature/gone")
    assert "out" in pooled.attempts("stage", gone, ("pgbouncer", first, first))[0]


def test_made_anew_it_leads_to_the_same_and_is_in_every_network(pooled: Pooled) -> None:
    site, before = pooled.site, pooled.entries()
    site.engine.remove_container(site.part("pgbouncer").id)
    findings = {each.check: each for each in examine(site)}
    assert (findings["PgBouncer"].verdict, findings["server"].verdict) == ("failed", "failed")
    assert next(part for part in status(site) if part.part == "pgbouncer").state == "absent"
    up(Site(site.home), Steps(Quiet()))
    assert pooled.entries() == before
    assert pooled.notes("stage")
    findings = {each.check: each for each in examine(Site(site.home))}
    assert [each for each in findings.values() if each.verdict == "failed"] == []


def test_files_that_were_broken_by_hand_are_found_and_mended(pooled: Pooled) -> None:
    site, before = pooled.site, pooled.entries()
    file = site.home.pgbouncer_folder / "pgbouncer.ini"
    file.write_text("[databases]\nnonsense\n")
    assert not are_current(site)
    found = next(each for each in examine(site) if each.check == "PgBouncer")
    assert found.verdict == "failed"
    assert "junov server up" in found.remedy
    site.engine.remove_container(site.part("pgbouncer").id)
    up(Site(site.home), Steps(Quiet()))
    assert are_current(site)
    assert pooled.entries() == before
    assert pooled.notes("stage")


def test_it_is_closed_to_the_machine_and_may_do_nothing(pooled: Pooled) -> None:
    site = pooled.site
    labels = {SERVER: site.server.name, PART: "pgbouncer"}
    (container,) = site.engine.containers(labels)
    assert container.ports == {}
    assert site.engine.execute(container.id, ["id", "-u"])[1].strip() != "0"
    assert site.engine.execute(container.id, ["touch", "/etc/pgbouncer/new"])[0] != 0
    files = list(site.home.pgbouncer_folder.iterdir())
    assert {file.name for file in files} == {"pgbouncer.ini", "userlist.txt", "hba.conf"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
