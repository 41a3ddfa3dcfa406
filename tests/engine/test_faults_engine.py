"""The engine is restarted in the middle of a deploy: one of the test's own, not the machine's."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.throwaway import BASE_IMAGE
from junov.engine.api import Engine
from junov.engine.reaper import reaped
from junov.process import check
from junov.server.machine import DAEMON_SETTINGS
from junov.server.stack import images
from junov.site import Site
from tests.engine.own_engine import in_namespaces


@pytest.fixture
def folder(engine: Engine) -> Iterator[Path]:
    """A folder with a short name, for there are sockets in it."""
    made = Path(tempfile.mkdtemp(prefix="own-", dir="/tmp"))
    with reaped(engine, {"dev.junov.test": made.name}, [made]):
        yield made
    shutil.rmtree(made)


def test_the_engine_is_restarted_while_a_release_is_delivered(folder: Path, site: Site) -> None:
    archive = folder / "images.tar"
    wanted = [*images(site.server).values(), BASE_IMAGE]
    check(["docker", "save", "--output", str(archive), *wanted], doing="save images")
    settings = [f"--{name}={str(value).lower()}" for name, value in DAEMON_SETTINGS.items()]
    done = in_namespaces("tests.engine.restarted", str(folder), str(archive), *settings)
    assert done.ok, done.stdout + done.stderr
