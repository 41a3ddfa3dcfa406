"""Exchanges beside other runs, and beside clients who don't let go of the old database."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from bench.clients import Client
from junov.databases import Address
from junov.databases.sessions import connect
from junov.delivery.backups.backup import own_address
from junov.delivery.generations import live_identity
from junov.environments import identify
from tests.engine.gate import Gate
from tests.engine.stage import FIXTURES, Stage
from tests.engine.test_concurrency import begun, ended
from tests.engine.visitor import visited
from tests.waiting import until

BUSY = "feature/busy"
CLIENTS = 50
PAUSE_SECONDS = 0.5
HOLDERS = 5


@pytest.fixture
def busy(stage: Stage) -> Stage:
    """Stage, with an environment beside it whose role may hold many connections."""
    identity = identify(stage.project, BUSY)
    if not stage.site.routes.read(identity.route):
        shell = stage.shell
        if not shell("git", "branch", "--list", BUSY).strip():
            shell("git", "checkout", "--quiet", "-b", BUSY, "main")
            file = shell.folder / "junov.yaml"
            settings = "database:\n  connections: 100\n  kept: {count: 1}\n"
            file.write_text(file.read_text().replace("database:\n", settings))
            shell.commit("Many connections")
        stage("run", BUSY)
    return stage


def test_two_environments_are_reset_at_once(busy: Stage, tmp_path: Path) -> None:
    names, gate = ("stage", BUSY), Gate(tmp_path)
    for name in names:
        busy.write(f"Before the reset of {name}", name)
    before = {name: (busy.live(name), busy.contents(name)) for name in names}
    with (
        visited(busy.target) as visitor,
        visited(busy.target_of(BUSY)) as beside,
        begun(busy.shell, *gate.before("before:switch"), "reset", "stage", "--yes") as reset,
    ):
        with gate.closed():
            busy("reset", BUSY, "--yes")
            for argv in (
                ("reset", "stage", "--yes"),
                ("db", "clone", "prod", "stage", "--yes"),
                ("deploy", "dev"),
            ):
                assert_fails_at_once(busy, argv, held_by="reset of stage")
        ended(reset, 0)
    assert visitor.refused == []
    assert beside.refused == []
    for name in names:
        old, contents = before[name]
        assert len(busy.notes(name)) == FIXTURES
        assert busy.contents(name)[old] == contents[old]
        assert busy.kept_last(name) == old
        busy.assert_is_settled(name)


def test_a_reset_waits_for_a_deploy_of_the_same_environment(stage: Stage, tmp_path: Path) -> None:
    gate, shell = Gate(tmp_path), stage.shell
    stage.write("Before the deploy")
    before, old = stage.contents(), stage.live()
    shell("git", "checkout", "--quiet", "dev")
    commit = shell.commit("Delivered while a reset waits")
    stage("build", "dev")
    stage("promote", "dev")
    with (
        visited(stage.target, "/notes") as visitor,
        begun(shell, *gate.before("before:switch"), "deploy", "dev") as deploy,
        gate.closed(),
    ):
        purpose = f"deploy of {commit[:8]}"
        assert_fails_at_once(stage, ("reset", "stage", "--yes"), held_by=purpose)
        with begun(shell, "junov", "reset", "stage", "--yes") as reset:
            assert purpose in said_until(reset, "waiting for")
            assert stage.live() == old
            gate.open()
            ended(deploy, 0)
            ended(reset, 0)
    assert visitor.refused == []
    assert len(stage.notes()) == FIXTURES
    assert stage.contents()[old] == before[old]
    assert stage.kept_last() == old
    exchanged, deployed, *_ = stage.site.journal.releases(identify(stage.project, "stage"))
    assert deployed.commit == exchanged.commit == commit


def test_clients_that_reconnect_are_in_nobodys_way(busy: Stage) -> None:
    first = live_identity(busy.site, identify(busy.project, BUSY)).database
    with clients_of(busy, HOLDERS) as clients:
        with visited(busy.target_of(BUSY), "/notes") as visitor:
            busy("reset", BUSY, "--yes")
            until(lambda: "is not permitted to log in" in said_to(clients), "the role is closed")
            busy("reset", BUSY, "--yes")
        assert visitor.refused == []
        assert first not in busy.site.postgres.names(), "one is kept, and this was the one before"
        until(lambda: "terminating connection" in said_to(clients), "open sessions have ended")
    busy.assert_is_settled(BUSY)

    with clients_of(busy, HOLDERS) as clients:
        said = busy("env", "rm", BUSY, "--yes")
        assert "container" in said
        until(lambda: "password authentication failed" in said_to(clients), "the role is gone")
    names = busy.site.postgres.names()
    assert not [each for each in names if each.partition(".")[0] == first.partition(".")[0]]


class Reconnecting(Client):
    """Connects to a database as its own role, over and over.

    Args:
        address: the database.
        holds: whether it stays connected until somebody ends that.
    """

    def __init__(self, address: Address, *, holds: bool) -> None:
        super().__init__()
        self._address = address
        self._holds = holds
        self.errors: Counter[str] = Counter()

    def visit(self) -> None:
        """See `Client.visit`."""
        while not self.stopping.wait(PAUSE_SECONDS):
            try:
                with connect(self._address, self._address.database) as session:
                    session.execute("SELECT 1")
                    self.underway.set()
                    while self._holds and not self.stopping.wait(PAUSE_SECONDS):
                        session.execute("SELECT 1")
            except psycopg.OperationalError as error:
                self.errors[str(error).strip().splitlines()[-1]] += 1


@contextmanager
def clients_of(stage: Stage, holders: int) -> Iterator[Sequence[Reconnecting]]:
    """Clients of the live database of the busy environment, while the block runs."""
    address = own_address(stage.site, live_identity(stage.site, identify(stage.project, BUSY)))
    clients = [Reconnecting(address, holds=n < holders) for n in range(CLIENTS)]
    for each in clients:
        each.start()
    try:
        for each in clients:
            each.underway.wait()
        assert said_to(clients) == ""
        yield clients
    finally:
        for each in clients:
            each.stopping.set()
        for each in clients:
            each.finish()


def said_to(clients: Sequence[Reconnecting]) -> str:
    """What Postgres has refused them with, each sentence once."""
    return "\n".join({text for each in clients for text in list(each.errors)})


def assert_fails_at_once(stage: Stage, argv: Sequence[str], *, held_by: str) -> None:
    """With --no-wait, a command says who is at it, and ends."""
    said = stage(*argv, "--no-wait", expect=1)
    assert re.search(rf"is held by .*{re.escape(held_by)}", said)


def said_until(process: subprocess.Popen[str], words: str) -> str:
    """The first line with these words that a command says."""
    assert process.stdout
    said = []
    for line in process.stdout:
        said.append(line)
        if words in line:
            return line
    raise AssertionError("".join(said))
