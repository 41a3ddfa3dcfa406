"""Releases that are broken in one way or another: whatever it is, the one before goes on serving."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from bench.throwaway import make_repository
from junov.engine.reaper import remove_labelled
from junov.environments.labels import PROJECT, SERVER
from junov.site import Site
from tests.engine.conftest import ROOT
from tests.engine.faulty import Served, simplify

ENDLESS = "import threading; threading.Event().wait()"


@pytest.fixture(scope="module")
def once(
    site: Site, environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """One environment for all of these tests."""
    folder = tmp_path_factory.mktemp("faulty")
    tiny = ROOT / "tests" / "engine" / "tiny"
    shell = make_repository(tiny, folder, secrets.token_hex(3), environ)
    simplify(folder)
    shell.commit("A good release")
    served = Served(site, shell)
    yield served
    project = served.identity.project
    remove_labelled(site.engine, {SERVER: site.server.name, PROJECT: project})
    site.routes.remove(served.identity.route)
    site.journal.forget(site.journal.environment(project, "prod"))


@pytest.fixture
def served(once: Served) -> Served:
    """That environment as it was in the beginning, whatever the test before has left."""
    once.shell("git", "reset", "--hard", "--quiet", once.good)
    return once


def test_a_migration_that_fails(served: Served) -> None:
    served.edit("compose.yaml", "print('migrated')", "exit('cannot migrate')")
    with served.unharmed():
        said = served.fails("junov", "run")
    assert "the migration failed: migrate ended with exit code 1" in said
    assert "what ran before goes on serving" in said
    assert "cannot migrate" in said
    served.failed_in("migrate", said)
    served.recovers()


def test_a_migration_that_hangs(served: Served) -> None:
    served.edit("junov.yaml", "timeout: 20s", "timeout: 2s")
    served.edit("compose.yaml", "print('migrated')", ENDLESS)
    with served.unharmed():
        said = served.fails("junov", "run")
    assert "the migration had not ended after 2s and was ended" in said
    assert "a larger `migrate.timeout`" in said
    served.failed_in("migrate", said)
    served.recovers()


def test_a_health_path_that_never_is_well(served: Served) -> None:
    served.edit("junov.yaml", "web: {timeout: 60s", "web: {timeout: 2s")
    served.edit("app.py", "send_response(200)", "send_response(500)")
    with served.unharmed():
        said = served.fails("junov", "run")
    assert "was not ready after 2 s" in said
    assert "/health answered 500" in said
    served.failed_in("web", said)
    served.recovers()


def test_a_release_that_listens_nowhere(served: Served) -> None:
    served.edit("junov.yaml", "web: {timeout: 60s", "web: {timeout: 2s")
    served.edit("app.py", "    ThreadingHTTPServer", "    threading.Event().wait()\n    ThreadingHTTPServer")
    with served.unharmed():
        said = served.fails("junov", "run")
    print(said)
    served.failed_in("web", said)
    served.recovers()


def test_a_wrong_port(served: Served) -> None:
    served.edit("junov.yaml", "web: {timeout: 60s", "web: {timeout: 2s, port: 8001")
    with served.unharmed():
        said = served.fails("junov", "run")
    print(said)
    served.failed_in("web", said)
    served.recovers()
