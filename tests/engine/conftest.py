"""A server of the tests' own: real engine, registry, Postgres and Traefik, gone afterwards.

Everything is named and labelled after the run, ports are free ones of loopback, and addresses come
from a pool that no other server uses, so a developer's own server on the machine is untouched.
"""

from __future__ import annotations

import json
import re
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.throwaway import Shell as Shell
from bench.throwaway import environ_for, make_repository, throwaway_server
from junov.engine.api import Engine
from junov.engine.reaper import remove_labelled
from junov.environments.labels import PROJECT, SERVER
from junov.errors import JunovError
from junov.site import Site
from junov.steps import Steps
from tests.engine.quiet import Quiet
from tests.engine.stage import Stage, deliver_example

ROOT = Path(__file__).resolve().parents[2]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--soak`: the full form of what takes long, in the place of its short form."""
    parser.addoption("--soak", action="store_true", help="run what takes long in its full form")
    parser.addoption(
        "--soak-seed", type=int, default=secrets.randbelow(10**6), help="what chance goes by"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "soak: takes long; runs with --soak only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Everything in this folder runs the engine; what takes long is there when it is asked for."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.engine)
    if not config.getoption("--soak", default=False):
        long = [item for item in items if item.get_closest_marker("soak")]
        items[:] = [item for item in items if item not in long]
        config.hook.pytest_deselected(items=long)


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The real engine; where there is none the tests fail, they are not skipped."""
    engine = Engine()
    try:
        engine.version()
    except JunovError as error:
        pytest.fail(f"{error.message}; {error.remedy}", pytrace=False)
    return engine


@pytest.fixture(scope="session")
def site(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A whole server for the session, removed with everything on it at the end."""
    del engine  # without one, this is not worth a try
    folder = tmp_path_factory.mktemp("server")
    with throwaway_server(folder, "test", Steps(Quiet()), Quiet().report) as site:
        yield site


@pytest.fixture(scope="session")
def environ(site: Site) -> dict[str, str]:
    """The variables of a shell that works with the tests' server."""
    return environ_for(site)


def run_of(site: Site) -> str:
    """What makes names this run's own."""
    return site.server.name.removeprefix("test-")


def environment(shell: Shell, name: str) -> dict[str, object]:
    """What junov says of an environment."""
    found: dict[str, object] = json.loads(shell("junov", "env", "show", name, "--json"))
    return found


def releases(shell: Shell, name: str) -> list[dict[str, object]]:
    """What junov says of an environment's releases, the newest first."""
    found: list[dict[str, object]] = json.loads(shell("junov", "releases", name, "--json"))
    return found


def set_version(shell: Shell, version: str) -> str:
    """Commit another version of the tiny project; the commit's hash."""
    app = shell.folder / "app.py"
    app.write_text(re.sub(r'VERSION = ".*?"', f'VERSION = "{version}"', app.read_text()))
    return shell.commit(f"Version {version}")


@pytest.fixture(scope="session")
def notes(site: Site, environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """The example, with prod and stage delivered."""
    folder = tmp_path_factory.mktemp("notes")
    shell = make_repository(ROOT / "examples" / "notes", folder, run_of(site), environ)
    shell("git", "branch", "dev")
    shell("junov", "run", "main")
    shell("junov", "run", "dev")
    return shell


@pytest.fixture
def tiny(
    site: Site, environ: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Shell]:
    """A small project without a database, of this test alone; nothing of it is delivered yet."""
    folder = tmp_path / "tiny"
    shell = make_repository(ROOT / "tests" / "engine" / "tiny", folder, run_of(site), environ)
    # Tests of one session may run side by side on one server.
    own = f"tiny-{secrets.token_hex(3)}"
    file = folder / "junov.yaml"
    before = re.search(r"project: (\S+)", file.read_text())
    assert before
    file.write_text(file.read_text().replace(before[1], own))
    shell.commit(f"For {request.node.name}")
    yield shell
    remove_labelled(site.engine, {SERVER: site.server.name, PROJECT: own})
    for record in site.journal.environments(own):
        site.routes.remove(record.identity.route)
        site.journal.forget(record)


class Web:
    """What a visitor of the tests' server sees."""

    def __init__(self, site: Site) -> None:
        self._url = site.edge_url()

    def __call__(
        self, url: str, path: str = "/", data: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """The status and the JSON that an environment's URL answers with, through the edge."""
        host = url.partition("://")[2]
        body = json.dumps(data).encode() if data else None
        headers = {"Host": host, "Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            error.close()
            return error.code, {}


@pytest.fixture(scope="session")
def web(site: Site) -> Web:
    """A visitor."""
    return Web(site)


@pytest.fixture(scope="session")
def delivered(
    site: Site, environ: dict[str, str], web: Web, tmp_path_factory: pytest.TempPathFactory
) -> Stage:
    """The example with prod and stage, for tests of what happens to their databases."""
    folder = tmp_path_factory.mktemp("delivered") / "notes"
    return deliver_example(site, web, folder, f"{run_of(site)}-ex", environ)


@pytest.fixture
def stage(delivered: Stage) -> Iterator[Stage]:
    """The same; whatever a test did, stage has one healthy release on its live database."""
    yield delivered
    delivered("env", "repair", "stage")
    delivered.assert_is_settled()
