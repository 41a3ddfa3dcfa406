"""Which containers a stop ends, and what it writes down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from junov.config.home import Home
from junov.delivery.lifecycle import stop_in_turn
from junov.engine.inspection import Container
from junov.site import Site
from junov.steps import Steps
from tests.engine.quiet import Quiet
from tests.unit.journal.conftest import deliver, environment

FEATURE = environment("feature/a")


class Engine:
    """An engine with a container in each of some states.

    Args:
        states: the states.
    """

    def __init__(self, *states: str) -> None:
        self.states = list(states)
        self.stopped: list[str] = []

    def containers(self, labels: dict[str, str]) -> list[Container]:
        assert labels["dev.junov.environment"] == FEATURE.name
        return [
            Container(
                id=state, name=f"{state}-1", image="", state=state, health="", labels=labels,
                addresses={}, ports={}, ended_well=False,
            )
            for state in self.states
        ]  # fmt: skip

    def stop_container(self, container_id: str) -> None:
        self.stopped.append(container_id)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "server.yaml").write_text("domain: localhost\n")
    site = Site(Home(tmp_path))
    with site.journal as journal:
        journal.register(FEATURE)
        deliver(journal, FEATURE, "c1")
        yield site


def stopped(site: Site, engine: Any, why: str = "") -> list[str]:
    site.engine = engine
    return stop_in_turn(site, FEATURE, Steps(Quiet()), why=why)


def test_what_keeps_ending_is_stopped_as_well(site: Site) -> None:
    engine = Engine("running", "restarting", "exited", "created", "paused")
    names = stopped(site, engine, "it has expired")
    assert sorted(engine.stopped) == ["paused", "restarting", "running"]
    assert names == ["running-1", "restarting-1", "paused-1"]
    (event,) = site.journal.events(FEATURE)
    assert (event.what, event.detail) == ("stopped", "it has expired")
    assert site.journal.environment("notes", FEATURE.name).status == "stopped"


def test_what_is_stopped_already_is_no_news(site: Site) -> None:
    stopped(site, Engine("running"))
    since = site.journal.environment("notes", FEATURE.name).stopped_at
    assert stopped(site, Engine("exited")) == []
    assert len(site.journal.events(FEATURE)) == 1
    assert site.journal.environment("notes", FEATURE.name).stopped_at == since


def test_without_the_journals_record_its_containers_are_stopped_all_the_same(site: Site) -> None:
    site.journal.forget(FEATURE)
    assert stopped(site, Engine("running")) == ["running-1"]
    assert [event.what for event in site.journal.events(FEATURE)] == ["stopped"]
    assert site.journal.environments() == []
