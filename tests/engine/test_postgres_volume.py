"""Postgres' own disk: full in the middle of an exchange, and lost with everything on it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from psycopg import sql

from bench.throwaway import environ_for, throwaway_server
from junov.engine.api import Engine
from junov.environments.labels import PART, SERVER
from junov.process import check
from junov.server.server import up
from junov.site import Site
from junov.steps import Steps
from tests.engine.conftest import Web, run_of
from tests.engine.injected import at
from tests.engine.quiet import Quiet
from tests.engine.stage import Stage, deliver_example
from tests.engine.visitor import visited

SIZE = "1g"
ROOM = 12_000_000
"""Bytes that are free on a full disk; what has to fit is more than twice as large."""

BULK = (
    "CREATE TABLE IF NOT EXISTS bulk AS SELECT i, repeat(md5(i::text), 20) AS filler "
    "FROM generate_series(1, 40000) AS i"
)
DATA = "/var/lib/postgresql/data"
FEATURE = "feature/third"
NAMES = ("prod", "stage", FEATURE)


@pytest.fixture(scope="module")
def small(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The example on a server of its own whose Postgres has little room, and much in it."""
    del engine
    folder = tmp_path_factory.mktemp("small")
    with throwaway_server(folder, "small", Steps(Quiet()), Quiet().report) as site:
        lose_volume(site)
        make_small_volume(site)
        site = Site(site.home)  # the other one knows where Postgres was
        up(site, Steps(Quiet()))
        environ, run = environ_for(site), run_of(site)
        stage = deliver_example(site, Web(site), folder / "notes", run, environ, edit=with_bulk)
        stage("db", "psql", "prod", "--", "-c", BULK)
        stage.write("Before the disk is full")
        stage.contents()  # once the worker has seen every note
        stage("db", "backup", "stage")
        yield stage


def with_bulk(folder: Path) -> None:
    """Let the fixtures make a table larger than what will be free, and production be restored."""
    settings = folder / "junov.yaml"
    before = "    branch: main\n"
    assert settings.read_text().count(before) == 1
    settings.write_text(settings.read_text().replace(before, f"{before}    allow_reset: true\n"))
    file = folder / "src" / "notes" / "fixtures.py"
    text = file.read_text().replace("import select\n", "import select, text\n")
    filling = f'        session.execute(text("{BULK}"))\n        session.commit()\n'
    assert text.count("        session.commit()\n") == 1
    file.write_text(text.replace("        session.commit()\n", filling))


@dataclass(frozen=True)
class Filling:
    """A command that makes a database, and the step in which the disk is found full.

    Args:
        step: the step's name.
        argv: the command.
    """

    step: str
    argv: tuple[str, ...]


@pytest.mark.parametrize(
    "filling",
    [
        pytest.param(Filling("fixtures", ("reset", "stage", "--yes")), id="reset"),
        pytest.param(Filling("copy", ("db", "clone", "prod", "stage", "--yes")), id="clone"),
        pytest.param(Filling("restore", ("db", "restore", "stage", "--yes")), id="restore"),
    ],
)
def test_a_disk_that_is_full_in_the_middle(small: Stage, filling: Filling) -> None:
    forget_templates(small)  # so that a reset runs its fixtures
    keep_log_files(small)
    before, databases, live = small.contents(), small.databases(), small.live()
    fill, empty = filled_and_emptied(small.site)
    try:
        with visited(small.target, "/notes") as visitor:
            said = small.shell(*at(f"before:{filling.step}", *fill), *filling.argv, expect=1)
        assert re.search("No space left on device|Check free disk space", said), said
        assert visitor.refused == []
        assert small.live() == live
        assert small.databases() == databases, "nothing half-made is left"
        assert small.contents() == before
    finally:
        check(empty, doing="make room")
    small(*filling.argv)
    assert small.live() != live
    small.assert_is_settled()


def test_what_does_not_fit_is_not_begun(small: Stage) -> None:
    if "kept" not in small.databases().values():
        small("reset", "stage", "--yes")
    before, databases = small.contents(), small.databases()
    fill, empty = filled_and_emptied(small.site)
    check(fill, doing="fill the disk")
    try:
        for command in (
            ("reset", "stage", "--yes"),
            ("db", "clone", "prod", "stage", "--yes"),
            ("db", "restore", "stage", "--yes"),
        ):
            assert "there is no space left for another database" in small(*command, expect=1)
            assert small.databases() == databases
        small.write("Written while the disk is full")
        small("db", "undo", "stage", "--yes")  # takes none
    finally:
        check(empty, doing="make room")
    small("db", "undo", "stage", "--yes")
    assert small.databases() == databases
    after, live = small.contents(), small.live()
    assert after.keys() == before.keys()
    assert all(after[each] == before[each] for each in before if each != live)
    assert "Written while the disk is full" in small.notes()


def test_the_volume_is_lost(small: Stage) -> None:
    small.shell("git", "checkout", "--quiet", "-b", FEATURE, "main")
    small("run", FEATURE)
    backed_up = {}
    for name in NAMES:
        small.write(f"Of {name} alone", name)
        backed_up[name] = small.contents(name)[small.live(name)]
        small("db", "backup", name)
        small.write("Not in the backup", name)

    began = time.monotonic()
    lose_volume(small.site)
    small("server", "up")
    new = replace(small, site=Site(small.site.home))
    for name in NAMES:
        # The name of production is typed again.
        new.shell("sh", "-c", 'echo "$0" | junov db restore "$0" --yes', name)
    print(f"three environments came back in {time.monotonic() - began:.1f} s")
    for name in NAMES:
        assert new.contents(name)[new.live(name)] == backed_up[name]
        new.assert_is_settled(name)


def filled_and_emptied(site: Site) -> tuple[list[str], list[str]]:
    """The commands that leave next to nothing free where Postgres has its data, and free it."""
    inside = ["docker", "exec", site.part("postgres").name]
    script = (
        f"free=$(df --output=avail --block-size=1 {DATA} | tail -1) && "
        f"fallocate --length $((free - {ROOM})) {DATA}/ballast"
    )
    return [*inside, "sh", "-c", script], [*inside, "rm", "--force", f"{DATA}/ballast"]


def forget_templates(stage: Stage) -> None:
    """Drop the templates of the project."""
    with stage.session("postgres") as admin:
        for each in stage.site.postgres.templates(stage.site.server.name, stage.project):
            admin.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(each.name))
            )


def keep_log_files(stage: Stage) -> None:
    """Have Postgres keep files of its write-ahead log for later, as it does where much is written.

    They are what it writes next. Without them it would end when it can't make another one.
    """
    with stage.session("postgres") as admin:
        admin.execute("ALTER SYSTEM SET min_wal_size = '256MB'")
        admin.execute("SELECT pg_reload_conf()")
        for _ in range(14):
            admin.execute("SELECT pg_logical_emit_message(false, 'test', 'x')")
            admin.execute("SELECT pg_switch_wal()")
        admin.execute("CHECKPOINT")


def lose_volume(site: Site) -> None:
    """Remove Postgres, and the volume with everything that was in it."""
    name = site.server.name
    keeper = [each.id for each in site.engine.containers({SERVER: name, "keeps": "postgres"})]
    for each in (site.part("postgres").id, *keeper):
        site.engine.remove_container(each)
    site.engine.remove_volume(f"{name}_postgres")


def make_small_volume(site: Site) -> None:
    """Make its volume anew, in memory; it stays for as long as a container uses it."""
    name = site.server.name
    volume, labels = f"{name}_postgres", {SERVER: name, PART: "postgres"}
    compose = {"com.docker.compose.project": name, "com.docker.compose.volume": "postgres"}
    options = [f"--label={key}={value}" for key, value in (labels | compose).items()]
    for option in ("type=tmpfs", "device=tmpfs", f"o=size={SIZE}"):
        options += ["--opt", option]
    check(["docker", "volume", "create", *options, volume], doing="make a small volume")
    argv = ["docker", "run", "--detach", "--label", f"{SERVER}={name}", "--label", "keeps=postgres"]
    argv += ["--volume", f"{volume}:/kept", site.server.postgres.image, "sleep", "infinity"]
    check(argv, doing="keep the volume")
