"""A server of the tests' own: real engine, registry, Postgres and Traefik, gone afterwards.

Everything is named and labelled after the run, ports are free ones of loopback, and addresses come
from a pool that no other server uses, so a developer's own server on the machine is untouched.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from junov.config.home import Home
from junov.engine.api import Engine
from junov.engine.reaper import reaped, remove_labelled
from junov.environments.labels import PROJECT, SERVER
from junov.errors import JunovError
from junov.server.server import ensure_server_images, up
from junov.site import Site
from junov.steps import Steps
from tests.engine.quiet import Quiet

ROOT = Path(__file__).resolve().parents[2]
BASE_IMAGE = "python:3.11-slim-bookworm"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder runs the engine."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.engine)


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The real engine; where there is none the tests fail, they are not skipped."""
    engine = Engine()
    try:
        engine.version()
    except JunovError as error:
        pytest.fail(f"{error.message}; {error.remedy}", pytrace=False)
    return engine


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def site(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A whole server for the session, removed with everything on it at the end."""
    run = secrets.token_hex(3)
    home = tmp_path_factory.mktemp("home")
    (home / "server.yaml").write_text(
        f"name: test-{run}\n"
        "domain: localhost\n"
        f"edge: {{bind: 127.0.0.1, port: {free_port()}}}\n"
        f"registry: {{port: {free_port()}}}\n"
        f"networks: {{pool: 10.{220 + int(run[0], 16) // 2}.0.0/16}}\n"
    )
    site = Site(Home(home))
    steps = Steps(Quiet())
    with reaped(engine, {SERVER: site.server.name}, [home]):
        ensure_server_images(site, Quiet().report, also=[BASE_IMAGE])
        up(site, steps)
        yield site
    site.engine.remove_images(str(site.server.repository("")))


@pytest.fixture(scope="session")
def environ(site: Site) -> dict[str, str]:
    """The variables of a shell that works with the tests' server."""
    venv = ROOT / ".venv" / "bin"
    return {
        **os.environ,
        "JUNOV_HOME": str(site.home.path),
        "PATH": f"{venv}:{os.environ['PATH']}",
        "GIT_AUTHOR_NAME": "A Developer",
        "GIT_AUTHOR_EMAIL": "dev@example.com",
        "GIT_COMMITTER_NAME": "A Developer",
        "GIT_COMMITTER_EMAIL": "dev@example.com",
    }


class Shell:
    """A person's shell in a project's folder."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self.environ = environ

    def __call__(self, *argv: str, expect: int = 0) -> str:
        """Run a command; its output, stderr first, if it ends with the expected exit code."""
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        said = done.stderr + done.stdout
        assert done.returncode == expect, f"{argv} → {done.returncode}\n{said}"
        return done.stdout if expect == 0 and "--json" in argv else said

    def commit(self, message: str) -> str:
        """Commit everything; the commit's hash."""
        self("git", "add", "--all")
        self("git", "commit", "--quiet", "--allow-empty", "--message", message)
        return self("git", "rev-parse", "HEAD").strip()


def make_repository(source: Path, folder: Path, site: Site, environ: dict[str, str]) -> Shell:
    """A copy of a project as a git repository, under a project name of this run's own."""
    leavings = shutil.ignore_patterns("__pycache__", ".pytest_cache", ".ruff_cache")
    shutil.copytree(source, folder, dirs_exist_ok=True, ignore=leavings)
    file = folder / "junov.yaml"
    text = file.read_text()
    name = source.name
    run = f"{name}-{site.server.name.removeprefix('test-')}"
    text = text.replace(f"project: {name}", f"project: {run}")
    file.write_text(text.replace(f"{name}.localhost", f"{run}.localhost"))
    shell = Shell(folder, environ)
    shell("git", "init", "--quiet", "--initial-branch=main")
    shell.commit(f"{name}: the beginning")
    return shell


@pytest.fixture(scope="session")
def notes(site: Site, environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """The example, with prod and stage delivered."""
    folder = tmp_path_factory.mktemp("notes")
    shell = make_repository(ROOT / "examples" / "notes", folder, site, environ)
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
    shell = make_repository(ROOT / "tests" / "engine" / "tiny", folder, site, environ)
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
