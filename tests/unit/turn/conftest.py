"""A server's state, and processes that take turns there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from junov.config.home import Home
from junov.git import Commitish
from junov.site import Site
from tests.unit.turn.runs import PROD, Run, Start


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(Home(tmp_path))
    site.journal.register(PROD)
    yield site
    site.journal.close()


@pytest.fixture
def start(site: Site) -> Iterator[Start]:
    runs: list[Run] = []

    def begin(about: Commitish | None) -> Run:
        purpose = f"deploy of {about.commit[:8]}" if about else "rollback to 3"
        runs.append(Run(site.home.path, purpose, about))
        return runs[-1]

    yield begin
    for run in runs:
        if run.process.returncode is None:
            run.kill()
