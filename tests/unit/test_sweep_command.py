"""The sweep as it is carried out and told: one that fails keeps no other from its turn."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from junov.cli.app import run
from junov.config.home import Home
from junov.delivery.environments import EnvironmentView
from junov.delivery.turn import turn
from junov.environments import Environment
from junov.errors import UnavailableError
from junov.journal import Journal
from junov.site import Site
from junov.steps import Steps
from tests.engine.quiet import Quiet
from tests.unit.journal.conftest import DAY, environment

NAMES = ("feature/a", "feature/b", "feature/c")


class Server:
    """A server with three environments that have expired, of which one can't be stopped.

    Args:
        site: the server.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.stopped: list[str] = []
        self.broken = ""

    def stop(self, site: Site, which: Environment, steps: Steps, *, why: str) -> list[str]:
        """In the place of `stop_in_turn`."""
        del site, steps
        assert why == "it has expired"
        if which.name == self.broken:
            raise UnavailableError("the engine doesn't answer", remedy="start it", detail="EOF")
        self.stopped.append(which.name)
        return [f"{which.name}-web"]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    home = tmp_path / "home"
    monkeypatch.setenv("JUNOV_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    site = Site(Home(home))
    with site.journal as journal:
        for name in NAMES:
            journal.register(environment(name, expires=DAY))
        with journal.write() as db:
            db.execute("UPDATE environments SET expires_at = '2026-01-01T00:00:00.000+00:00'")
        server = Server(site)
        monkeypatch.setattr("junov.delivery.sweep.stop_in_turn", server.stop)
        yield server


def test_what_is_due_is_shown_and_nothing_done(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["env", "sweep", "--dry-run"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["ENVIRONMENT", "WOULD", "BE", "BECAUSE", "SINCE", "(UTC)"]
    assert [row.split()[:2] for row in rows] == [[f"notes/{name}", "stopped"] for name in NAMES]
    assert all("it has expired" in row and "2026-01-01 00:00" in row for row in rows)
    assert server.stopped == []


def test_one_that_fails_keeps_no_other_from_its_turn(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.broken = "feature/b"
    assert run(["env", "sweep"]) == 1
    said = capsys.readouterr()
    assert server.stopped == ["feature/a", "feature/c"]
    assert "stopped: notes/feature/a, it has expired\n" in said.out
    assert "error: 1 could not be swept: notes/feature/b: the engine doesn't answer" in said.err
    assert "→ start it" in said.err
    assert "EOF" in said.err


def test_machines_are_told_all_of_it(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.broken = "feature/b"
    assert run(["env", "sweep", "--json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (result,) = (line for line in lines if line["event"] == "result")
    assert [each["environment"] for each in result["stopped"]] == ["feature/a", "feature/c"]
    assert [(e["environment"], e["message"]) for e in result["failed"]] == [
        ("feature/b", "the engine doesn't answer")
    ]
    assert (result["removed"], result["left"]) == ([], [])


def test_one_that_another_run_is_at_is_left_for_the_next_sweep(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = environment("feature/b")
    with turn(server.site, busy, purpose="deploy of c0ffee", steps=Steps(Quiet())):
        assert run(["env", "sweep"]) == 0
    assert server.stopped == ["feature/a", "feature/c"]
    said = capsys.readouterr().out
    assert "left for the next sweep: notes/feature/b, " in said
    assert "deploy of c0ffee" in said


def test_one_that_is_used_meanwhile_is_left_alone(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = server.stop

    def used_meanwhile(site: Site, which: Environment, steps: Steps, *, why: str) -> list[str]:
        server.site.journal.set_status(environment("feature/b"), "running")
        return stop(site, which, steps, why=why)

    monkeypatch.setattr("junov.delivery.sweep.stop_in_turn", used_meanwhile)
    assert run(["env", "sweep"]) == 0
    assert server.stopped == ["feature/a", "feature/c"]
    assert "notes/feature/b, it has changed meanwhile" in capsys.readouterr().out


def test_what_runs_although_it_was_stopped_is_not_removed(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal: Journal = server.site.journal
    for name in NAMES[1:]:
        journal.forget(environment(name))
    journal.set_status(environment("feature/a"), "stopped")
    with journal.write() as db:
        db.execute("UPDATE environments SET stopped_at = '2026-01-01T00:00:00.000+00:00'")
    identity = environment("feature/a").identity
    view = EnvironmentView(
        identity=identity, tier="development", status="healthy", url="", host="", image="",
        commit="", ref="feature/a", database="", release=1, deployed_at="", expires_at="",
        services={"web": "running"},
    )  # fmt: skip
    monkeypatch.setattr("junov.delivery.environments.list_environments", lambda *_: [view])
    assert run(["env", "sweep"]) == 1
    assert "was stopped, and yet its containers run" in capsys.readouterr().err
    assert len(journal.environments()) == 1


def test_the_origin_is_asked_about_the_project_of_this_checkout(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with server.site.journal.write() as db:
        db.execute("UPDATE environments SET expires_at = NULL")
    origin = tmp_path / "origin"
    for argv in (
        ["git", "init", "--quiet", "--initial-branch=feature/a", str(origin)],
        [
            "git", "-C", str(origin), "-c", "user.name=Ada", "-c", "user.email=a@example.com",
            "commit", "--quiet", "--allow-empty", "--message", "One",
        ],
        ["git", "-C", str(origin), "branch", "feature/b"],
        ["git", "init", "--quiet", "."],
    ):  # fmt: skip
        subprocess.run(argv, check=True, capture_output=True)
    dry = ["env", "sweep", "--dry-run"]

    assert run(dry) == 0  # in no project's folder
    (tmp_path / "junov.yaml").write_text("project: notes\n")
    assert run(dry) == 0  # in one without an origin
    said = capsys.readouterr()
    assert "has no remote `origin`; no branch of notes is taken for one that is gone" in said.err
    subprocess.run(["git", "remote", "add", "origin", str(origin)], check=True)
    assert run([*dry, "--project", "shop"]) == 0
    assert capsys.readouterr().out == ""

    assert run(dry) == 0
    _, row = capsys.readouterr().out.splitlines()
    assert " ".join(row.split()) == "notes/feature/c stopped its branch feature/c is gone -"

    subprocess.run(["git", "remote", "set-url", "origin", str(tmp_path / "no")], check=True)
    assert run(dry) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "doesn't say what branches it has" in said.err


def test_there_may_be_nothing_due(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    for name in NAMES:
        server.site.journal.set_status(environment(name), "running")
    later = server.site.journal.environments()[0].expires_at
    assert later
    assert later - server.site.journal.now() > timedelta(hours=23)
    assert run(["env", "sweep"]) == 0
    assert "nothing is due" in capsys.readouterr().err
