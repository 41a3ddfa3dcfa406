"""Places of a kind that several runs want at once, with real locks and a real journal."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from junov.config.home import Home
from junov.delivery.lifecycle import make_place
from junov.delivery.turn import turn
from junov.environments import Environment
from junov.errors import LockedError
from junov.site import Site
from junov.steps import Steps
from tests.engine.quiet import Quiet
from tests.unit.journal.conftest import deliver, environment

A, B, NEW, OTHER = (environment(f"feature/{name}") for name in ("a", "b", "new", "other"))
SECONDS = 30.0


class Waits(Quiet):
    """A `Progress` that lets others know when there is waiting."""

    def __init__(self) -> None:
        self.waits = threading.Event()

    def line(self, step: str, text: str) -> None:
        super().line(step, text)
        if step == "lock":
            self.waits.set()


class Server:
    """A server whose environments are stopped in the journal only.

    Args:
        site: the server.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.stopped: list[str] = []

    def stop(self, site: Site, which: Environment, steps: Steps, *, why: str) -> list[str]:
        """In the place of `stop_in_turn`."""
        del steps
        assert "it was used least recently" in why
        site.journal.set_status(which, "stopped")
        self.stopped.append(which.name)
        return []

    def deliver(self, *environments: Environment) -> None:
        """Let environments run, the least recently used first."""
        for number, each in enumerate(environments):
            self.site.journal.register(each)
            deliver(self.site.journal, each, f"c{number}")

    def take(
        self, which: Environment, limit: int, progress: Quiet, wait: float | None = None
    ) -> None:
        """Have a place made for an environment, as a deploy of it does."""
        steps, journal = Steps(progress), self.site.journal
        with turn(self.site, which, purpose=f"deploy of {which.name}", steps=steps):
            make_place(self.site, which, limit, steps, lambda: journal.register(which), wait=wait)
            deliver(journal, which, "c9")

    @property
    def up(self) -> set[str]:
        return {each.name for each in self.site.journal.environments() if each.is_up}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    site = Site(Home(tmp_path))
    server = Server(site)
    monkeypatch.setattr("junov.delivery.lifecycle.stop_in_turn", server.stop)
    yield server
    site.journal.close()


def test_one_that_another_run_is_at_comes_last(server: Server) -> None:
    server.deliver(A, B)
    with turn(server.site, A, purpose="reset of feature/a", steps=Steps(Quiet())):
        server.take(NEW, 2, Quiet())
    assert (server.stopped, server.up) == (["feature/b"], {"feature/a", "feature/new"})


def test_where_there_is_no_other_it_is_waited_for_and_nobody_else_has_to(server: Server) -> None:
    server.deliver(A)
    progress = Waits()
    with ThreadPoolExecutor() as pool:
        with turn(server.site, A, purpose="reset of feature/a", steps=Steps(Quiet())):
            waiting = pool.submit(server.take, NEW, 1, progress)
            assert progress.waits.wait(SECONDS)
            # Who has room enough, or runs already, goes on meanwhile.
            server.take(OTHER, 9, Quiet())
            assert server.stopped == []
            server.site.journal.set_status(OTHER, "stopped")
        waiting.result(SECONDS)
    assert (server.stopped, server.up) == (["feature/a"], {"feature/new"})


def test_what_is_waited_for_may_make_place_by_itself(server: Server) -> None:
    server.deliver(A)
    progress = Waits()
    with ThreadPoolExecutor() as pool:
        with turn(server.site, A, purpose="stop of feature/a", steps=Steps(Quiet())):
            waiting = pool.submit(server.take, NEW, 1, progress)
            assert progress.waits.wait(SECONDS)
            server.site.journal.set_status(A, "stopped")
        waiting.result(SECONDS)
    assert (server.stopped, server.up) == ([], {"feature/new"})


def test_who_does_not_want_to_wait_changes_nothing(server: Server) -> None:
    server.deliver(A)
    with (
        turn(server.site, A, purpose="reset of feature/a", steps=Steps(Quiet())),
        pytest.raises(LockedError, match="reset of feature/a"),
    ):
        server.take(NEW, 1, Quiet(), wait=0)
    assert (server.stopped, server.up) == ([], {"feature/a"})
    assert len(server.site.journal.environments()) == 1


@pytest.mark.parametrize("limit", [1, 2])
def test_many_at_once_all_get_their_turn_and_no_more_run_than_may(
    server: Server, limit: int
) -> None:
    server.deliver(A)
    many = [environment(f"feature/{number}") for number in range(6)]
    with ThreadPoolExecutor(len(many)) as pool:
        for run in [pool.submit(server.take, each, limit, Quiet()) for each in many]:
            run.result(SECONDS)
    assert len(server.up) == limit
    assert {each.name for each in many} <= server.up | set(server.stopped)
