"""Parts of the server that fail: what serves goes on serving, and the next deploy is clean."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator

import pytest

from bench.clients import Target
from bench.throwaway import environ_for, make_repository, throwaway_server
from junov.engine.api import Engine
from junov.images import Registry, Repository, parse_repository
from junov.steps import Steps
from tests.engine.breakable import (
    add_layer,
    closed,
    filling,
    occupied,
    small_disk,
    stopping,
    superuser,
)
from tests.engine.conftest import ROOT
from tests.engine.faulty import Served, simplify
from tests.engine.injected import at
from tests.engine.quiet import Quiet


@pytest.fixture(scope="module")
def once(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One environment for all of these tests, on a server of their own."""
    folder = tmp_path_factory.mktemp("faulty")
    with (
        small_disk(engine) as disk,
        throwaway_server(disk, "faulty", Steps(Quiet()), Quiet().report) as site,
    ):
        tiny = ROOT / "tests" / "engine" / "tiny"
        shell = make_repository(tiny, folder, secrets.token_hex(3), environ_for(site))
        simplify(folder)
        with (folder / "junov.yaml").open("a") as file:
            file.write("database: {service: db}\n")
        with (folder / "compose.yaml").open("a") as file:
            file.write("  db: {image: postgres:15-bookworm}\n")
        shell.commit("A good release")
        served = Served(site, shell)
        served.shell("junov", "deploy")  # so that there is one to go back to
        yield served


@pytest.fixture
def served(once: Served) -> Served:
    """That environment, whatever the test before has left of it."""
    return once.begin()


def past_the_edge(served: Served) -> Target:
    """The web container itself."""
    container = served.site.engine.container(served.web_container())
    assert container
    (address,) = container.addresses.values()
    return Target(f"http://{address}:8000", "localhost")


def test_the_registry_is_down(served: Served) -> None:
    before = served.last_release()[0].number
    with stopping(served.site, served.shell, "registry") as stop:
        served.shell(*stop)
        with served.unharmed():
            said = served.fails("junov", "deploy")
        assert "the registry 127.0.0.1:" in said
        assert "does not answer: " in said
        assert "start it with: junov server up" in said
        assert served.last_release()[0].number == before, "nothing was begun"
        # What the engine has needs no registry.
        served.recovers("junov", "rollback", "prod", "--yes")
    served.recovers("junov", "deploy")


@pytest.mark.soak
def test_the_registry_goes_down_before_the_pull(served: Served) -> None:
    served.edit("app.py", 'VERSION = "1"', 'VERSION = "2"')
    served.shell("junov", "build")
    served.shell("junov", "promote")
    served.site.engine.remove_images(str(served.site.server.repository("")))
    with stopping(served.site, served.shell, "registry") as stop, served.unharmed():
        said = served.fails(*at("before:pull", *stop), "deploy")
    assert "could not pull 127.0.0.1:" in said
    assert "see that the registry 127.0.0.1:" in said
    served.recovers()


def test_postgres_is_down(served: Served) -> None:
    with stopping(served.site, served.shell, "postgres") as stop, served.unharmed():
        served.shell(*stop)
        said = served.fails("junov", "deploy")
    assert "the server's postgres does not run" in said
    assert "start it with: junov server up" in said
    served.failed_in("database", said)
    served.recovers("junov", "deploy")


@pytest.mark.soak
def test_postgres_refuses(served: Served) -> None:
    with closed(served.site), served.unharmed():
        said = served.fails("junov", "deploy")
    assert re.search(r"Postgres at \S+ cannot be used: pg_hba.conf rejects connection", said)
    assert "see what is wrong with: junov server doctor" in said
    served.failed_in("database", said)
    served.recovers("junov", "deploy")


@pytest.mark.soak
def test_postgres_has_no_connection_left(served: Served) -> None:
    with occupied(superuser(served.site)), served.unharmed():
        said = served.fails("junov", "deploy")
    assert re.search(r"Postgres at \S+ cannot be used: sorry, too many clients already", said)
    assert "raise `postgres.connections` in server.yaml" in said
    served.failed_in("database", said)
    served.recovers("junov", "deploy")


def test_the_edge_is_down(served: Served) -> None:
    before = served.last_release()[0].number
    around = past_the_edge(served)
    with stopping(served.site, served.shell, "edge") as stop, served.unharmed(around):
        served.shell(*stop)
        said = served.fails("junov", "deploy")
    assert "the server's edge does not run" in said
    assert "start it with: junov server up" in said
    assert served.last_release()[0].number == before, "nothing was begun"
    served.recovers("junov", "deploy")


@pytest.mark.parametrize(
    ("point", "step", "message"),
    [
        pytest.param(
            "before:switch", "switch", "error: the edge at http://127.0.0.1:", id="switch"
        ),
        pytest.param(
            "before:verify",
            "verify",
            "does not answer through the edge",
            id="verify",
            marks=pytest.mark.soak,
        ),
    ],
)
def test_the_edge_goes_down(served: Served, point: str, step: str, message: str) -> None:
    around = past_the_edge(served)
    with stopping(served.site, served.shell, "edge") as stop, served.unharmed(around):
        said = served.fails(*at(point, *stop), "deploy")
    assert message in said
    assert "junov server doctor" in said
    served.failed_in(step, said)
    served.recovers("junov", "deploy")


def test_the_disk_is_full(served: Served) -> None:
    before = served.last_release()[0].number
    with filling(served.site.home.path) as fill, served.unharmed():
        served.shell(*fill)
        said = served.fails("junov", "deploy")
    assert "journal.db can't be written: " in said
    assert "free some disk" in said
    assert served.last_release()[0].number == before, "nothing was begun"
    served.recovers("junov", "deploy")


@pytest.mark.parametrize(
    ("point", "message"),
    [
        pytest.param(
            "before:network",
            "journal.db can't be written: ",
            id="network",
            marks=pytest.mark.soak,
        ),
        pytest.param(
            "before:switch", "routes can't be written: No space left on device", id="switch"
        ),
    ],
)
def test_the_disk_is_full_before_the_switch(served: Served, point: str, message: str) -> None:
    with filling(served.site.home.path) as fill, served.unharmed():
        said = served.fails(*at(point, *fill), "deploy")
    assert message in said
    assert "free some disk" in said
    number = served.last_release()[0].number
    served.recovers("junov", "deploy")
    assert served.release(number).outcome == "superseded", "that it failed could not be written"


@pytest.mark.soak
@pytest.mark.parametrize("point", ["after:switch", "before:observe", "before:retire"])
def test_the_disk_is_full_after_the_switch(served: Served, point: str) -> None:
    with filling(served.site.home.path) as fill, served.visited() as visitor:
        said = served.fails(*at(point, *fill), "deploy")
    assert visitor.refused == []
    assert "journal.db can't be written: " in said
    assert "free some disk" in said
    number = served.last_release()[0].number
    if point != "before:retire":
        # A route can't be written either, so the way back is none; nobody notices that.
        assert f"release {number} serves, and the next deploy" in said
    served.recovers("junov", "deploy")
    assert served.release(number).outcome == "succeeded", "the next run has finished it"


@pytest.fixture
def promoted(served: Served) -> str:
    """The digest of an image that is promoted, and that the engine has forgotten."""
    served.edit("app.py", 'VERSION = "1"', f'VERSION = "{secrets.token_hex(4)}"')
    served.shell("junov", "build")
    served.shell("junov", "promote")
    served.site.engine.remove_images(str(served.site.server.repository("")))
    with Registry() as registry:
        digest = registry.digest(repository_of(served), "main")
    assert digest
    return digest


def repository_of(served: Served) -> Repository:
    """Where its images are."""
    return parse_repository(str(served.site.server.repository(served.identity.project)))


def losing(served: Served, path: str) -> tuple[str, ...]:
    """The command that has the registry lose something that it has stored."""
    registry = served.site.part("registry").name
    return ("docker", "exec", registry, "rm", "-r", f"/var/lib/registry/docker/registry/v2/{path}")


def blob(digest: str) -> str:
    """Where a registry stores it."""
    letters = digest.removeprefix("sha256:")
    return f"blobs/sha256/{letters[:2]}/{letters}"


def test_the_manifest_goes_while_it_is_deployed(served: Served, promoted: str) -> None:
    revisions = f"repositories/{served.identity.project}/_manifests/revisions/sha256"
    lose = losing(served, f"{revisions}/{promoted.removeprefix('sha256:')}")
    with served.unharmed():
        said = served.fails(*at("before:pull", *lose), "deploy")
    assert re.search(rf"could not pull \S+@{promoted}", said)
    assert "see whether the registry 127.0.0.1:" in said
    assert "manifest unknown" in said
    served.recovers()


@pytest.mark.soak
@pytest.mark.usefixtures("promoted")
def test_the_tag_is_gone(served: Served) -> None:
    project = served.identity.project
    served.shell(*losing(served, f"repositories/{project}/_manifests/tags/main"))
    with served.unharmed():
        said = served.fails("junov", "deploy")
    assert re.search(rf"nothing has been promoted for prod: there is no \S+/{project}:main", said)
    assert "junov run main" in said
    served.recovers()


@pytest.mark.soak
@pytest.mark.usefixtures("promoted")
def test_a_layer_is_gone(served: Served) -> None:
    with Registry() as registry:
        layer = add_layer(registry, repository_of(served), "main")
    served.shell(*losing(served, blob(layer)))
    # Until then it remembers that it has it, and the engine asks again and again.
    with stopping(served.site, served.shell, "registry") as stop:
        served.shell(*stop)
    with served.unharmed():
        said = served.fails("junov", "deploy")
    assert "could not pull 127.0.0.1:" in said
    assert "see whether the registry 127.0.0.1:" in said
    assert "unknown blob" in said
    served.recovers()


@pytest.mark.soak
def test_what_an_image_says_of_itself_is_gone(served: Served, promoted: str) -> None:
    with Registry() as registry:
        manifest = registry.manifest(repository_of(served), promoted)
    assert manifest
    served.shell(*losing(served, blob(manifest.data["config"]["digest"])))
    with served.unharmed():
        said = served.fails("junov", "deploy")
    assert "where it has lost a part of an image, build and push that again" in said
    served.recovers()
