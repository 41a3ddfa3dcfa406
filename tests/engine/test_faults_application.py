"""Releases that are broken in one way or another: the one before goes on serving."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator

import pytest

from bench.clients import Target
from bench.throwaway import Shell, make_repository
from junov.config.project import read_project
from junov.engine.reaper import remove_labelled
from junov.environments import identify
from junov.environments.labels import PROJECT, SERVER
from junov.site import Site
from tests.engine.breakable import occupied, role_of
from tests.engine.conftest import ROOT, environment
from tests.engine.faulty import Served, simplify
from tests.engine.injected import at
from tests.engine.jumping import jumping
from tests.engine.visitor import visited
from tests.waiting import until

ENDLESS = "import threading; threading.Event().wait()"
SHORTLY = 15
"""So many answers after it began to serve, a release breaks by itself."""


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
    """That environment, whatever the test before has left of it."""
    return once.begin()


def break_soon(served: Served, how: str, *, answers: int = SHORTLY) -> None:
    """Commit a web that does something once it has answered so many visitors."""
    served.edit(
        "app.py",
        "        names = ",
        "        Handler.asked = getattr(Handler, 'asked', 0) + (self.path == '/')\n"
        f"        if Handler.asked > {answers}: {how}\n"
        "        names = ",
    )


def allow_memory(served: Served, megabytes: int) -> None:
    """Commit a web that may have so much memory and no more."""
    grace = "    stop_grace_period: 2s"
    served.edit("compose.yaml", grace, f"    mem_limit: {megabytes}m\n{grace}")


def hoard(megabytes: int) -> str:
    """A statement that takes so much memory."""
    return f"HOARD = [b'x' * 2**20 for _ in range({megabytes})]"


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
    assert "a larger `migrate.timeout` in junov.yaml; what ran before goes on serving" in said
    served.failed_in("migrate", said)
    served.recovers()


def test_a_health_path_that_is_never_well(served: Served) -> None:
    served.edit("junov.yaml", "web: {timeout: 60s", "web: {timeout: 2s")
    served.edit("app.py", "send_response(200)", "send_response(500)")
    with served.unharmed():
        said = served.fails("junov", "run")
    assert "was not ready after 2 s" in said
    assert "/health answered 500" in said
    assert "set `web.health` in junov.yaml" in said
    served.failed_in("web", said)
    served.recovers()


@pytest.mark.parametrize(
    ("file", "old", "new", "message", "remedy"),
    [
        pytest.param(
            "app.py",
            "    ThreadingHTTPServer",
            "    threading.Event().wait()\n    ThreadingHTTPServer",
            "nothing in it listens on port 8000",
            "a larger `web.timeout`",
            id="nowhere",
            marks=pytest.mark.soak,
        ),
        pytest.param(
            "app.py",
            '(("", PORT)',
            '(("127.0.0.1", PORT)',
            "it listens on port 8000 of its own loopback only",
            "have it listen on 0.0.0.0",
            id="on loopback",
            marks=pytest.mark.soak,
        ),
        pytest.param(
            "junov.yaml",
            "web: {",
            "web: {port: 8001, ",
            "nothing in it listens on port 8001, but on 8000",
            "set `web.port` in junov.yaml",
            id="on another port",
        ),
    ],
)
def test_a_release_that_listens(
    served: Served, file: str, old: str, new: str, message: str, remedy: str
) -> None:
    served.edit("junov.yaml", "timeout: 60s", "timeout: 2s")
    served.edit(file, old, new)
    with served.unharmed():
        said = served.fails("junov", "run")
    assert f"was not ready after 2 s: {message}" in said
    assert remedy in said
    served.failed_in("web", said)
    served.recovers()


def test_more_memory_than_allowed_at_the_start(served: Served) -> None:
    allow_memory(served, 48)
    served.edit("app.py", "    ThreadingHTTPServer", f"    {hoard(200)}\n    ThreadingHTTPServer")
    with served.unharmed():
        said = served.fails("junov", "run")
    assert re.search(r"web-r\d+-1 was killed(, perhaps)? for taking more memory than it may", said)
    assert "give its service more memory in the compose file" in said
    served.failed_in("web", said)
    served.recovers()


@pytest.mark.soak
def test_more_memory_than_allowed_while_it_is_observed(served: Served) -> None:
    allow_memory(served, 48)
    served.edit("junov.yaml", "observe: 0s", "observe: 10s")
    break_soon(served, hoard(200))
    with served.taken_back():
        said = served.fails("junov", "run")
    assert "served, and failed while it was observed" in said
    assert re.search("was killed(, perhaps)? for taking more memory than it may", said)
    served.failed_in("observe", said)
    served.recovers()


def test_a_crash_while_it_is_observed(served: Served) -> None:
    served.edit("junov.yaml", "observe: 0s", "observe: 10s")
    break_soon(served, "os._exit(3)")
    with served.taken_back():
        said = served.fails("junov", "run")
    assert re.search(r"release \d+ served, and failed while it was observed: \S+web-r\d+-1 ", said)
    assert re.search(r"• Go back to release (\d+)\n  ✓ \S+ s  release \1 serves\n", said)
    served.failed_in("observe", said)
    served.recovers()


def test_errors_for_visitors_while_its_health_is_well(served: Served) -> None:
    served.edit("junov.yaml", "observe: 0s", "observe: 10s")
    served.edit(
        "app.py", "send_response(200)", "send_response(200 if self.path == '/health' else 500)"
    )
    with served.taken_back():
        said = served.fails("junov", "run")
    assert re.search(r"\d+ of \d+ answers were 5xx, through the edge", said)
    assert re.search(r"• Go back to release (\d+)\n  ✓ \S+ s  release \1 serves\n", said)
    served.failed_in("observe", said)
    served.recovers()


def test_a_release_that_answers_nobody_any_more(served: Served) -> None:
    served.edit("junov.yaml", "observe: 0s", "observe: 4s, drain: 1s")
    served.edit(
        "app.py", "class Handler", "import threading, time\nBORN = time.time()\n\n\nclass Handler"
    )
    served.edit(
        "app.py",
        "        names = ",
        "        if time.time() - BORN > 3: threading.Event().wait()\n        names = ",
    )
    before = served.state()
    said = served.fails("junov", "run")
    assert re.search(r"served, and failed while it was observed: \S+ stopped answering: ", said)
    assert "does not answer (ReadTimeout)" in said
    assert served.state() == before
    served.failed_in("observe", said)
    served.recovers()


def test_the_way_back_fails_as_well(served: Served) -> None:
    served.edit("junov.yaml", "migrate:", 'hooks: {after: ["false"]}\nmigrate:')
    before = served.state()
    broken = served.site.routes.folder / "zzz_zzz.yaml"
    with served.visited() as visitor:
        said = served.fails(*at("before:after", "sh", "-c", f"echo broken > {broken}"), "run")
        assert "the way back failed as well: the route file" in said
        assert "remove the file" in said
        broken.unlink()
        repaired = served.shell("junov", "env", "repair", "prod")
    assert visitor.refused == []
    assert "in its step undo" in repaired
    assert served.state() == before
    served.recovers()


def test_a_failed_release_leaves_a_stopped_environment_stopped(served: Served) -> None:
    before = served.state()
    served.shell("junov", "env", "stop", "prod")
    served.edit("app.py", 'VERSION = "1"', 'raise SystemExit("sick")')
    said = served.fails("junov", "run")
    assert "doesn't run, as before" in said
    shown = environment(served.shell, "prod")
    assert shown["status"] == "stopped"
    served.shell("junov", "env", "start", "prod")
    assert served.state() == before
    served.recovers()


@pytest.mark.soak
def test_a_few_errors_do_not_end_a_release(served: Served) -> None:
    served.edit("junov.yaml", "observe: 0s", "observe: 2s")
    break_soon(served, "pass")
    served.edit("app.py", "(200)", "(500 if self.path == '/' and Handler.asked < 4 else 200)")
    with served.visited() as visitor:
        said = served.shell("junov", "run")
    assert [each.status for each in visitor.refused] == [500, 500, 500]
    assert re.search(r"2 s, \d+ answers, 3 of them 5xx", said)
    served.serves_alone()


@pytest.mark.soak
def test_the_old_one_dies_while_the_new_one_is_observed(served: Served) -> None:
    served.edit("junov.yaml", "observe: 0s", "observe: 1s")
    old = served.web_container()
    with served.visited() as visitor:
        served.shell(*at("before:observe", "docker", "kill", old), "run")
    assert visitor.refused == []
    served.serves_alone()


@pytest.mark.soak
def test_a_release_that_fails_stays_where_the_old_one_is_dead(served: Served) -> None:
    served.edit("junov.yaml", "observe: 0s", "observe: 10s")
    break_soon(served, "os._exit(3)")
    with served.visited() as visitor:
        said = served.fails(*at("before:observe", "docker", "kill", served.web_container()), "run")
        last = len(visitor.seen)
        until(lambda: {each.status for each in visitor.seen[last:]} == {200}, "it serves again")
    assert "the release before doesn't run any more; the new one was left where it is" in said
    release, _ = served.last_release()
    assert release.outcome == "succeeded", "it is what serves, however it came to that"
    assert f"error: {release.error}\n" in said
    served.shell("git", "reset", "--hard", "--quiet", served.good)
    served.shell("junov", "run")
    served.serves_alone()


@pytest.mark.parametrize(
    ("step", "command", "message"),
    [
        pytest.param(
            "before",
            "exit(7)",
            "ended with exit code 7",
            id="before fails",
            marks=pytest.mark.soak,
        ),
        pytest.param("after", ENDLESS, "had not ended after 2s and was ended", id="after hangs"),
        pytest.param(
            "before",
            ENDLESS,
            "had not ended after 2s and was ended",
            id="before hangs",
            marks=pytest.mark.soak,
        ),
        pytest.param(
            "after", "exit(7)", "ended with exit code 7", id="after fails", marks=pytest.mark.soak
        ),
    ],
)
def test_a_hook(served: Served, step: str, command: str, message: str) -> None:
    hooks = f"""hooks: {{{step}: ["python -c '{command}'"], timeout: 2s}}"""
    served.edit("junov.yaml", "migrate:", f"{hooks}\nmigrate:")
    before = served.state()
    with served.visited() as visitor:
        said = served.fails("junov", "run")
        assert served.state() == before
    assert visitor.refused == []
    assert f"the hook `python -c '{command}'` {message}" in said
    assert "orphan" not in said, "Compose advises to remove what serves"
    served.failed_in(step, said)
    served.recovers()


@pytest.mark.parametrize(
    "seconds", ["+3600", pytest.param("-3600", marks=pytest.mark.soak, id="-3600")]
)
def test_a_clock_that_is_set_in_the_middle(served: Served, seconds: str) -> None:
    served.edit("app.py", 'VERSION = "1"', f'VERSION = "{seconds}"')
    with served.visited() as visitor:
        served.shell(*jumping("before:web", seconds), "run")
    assert visitor.refused == []
    served.serves_alone()
    release, steps = served.last_release()
    assert release.ended_at
    assert release.seconds
    assert abs((release.ended_at - release.started_at).total_seconds()) > 3000, "the clock jumped"
    assert 0 < release.seconds < 300
    assert all(each.seconds is not None and 0 <= each.seconds < 300 for each in steps)
    listed = served.shell("junov", "releases", "prod")
    assert f" {release.seconds:.1f} s " in listed
    served.recovers()


@pytest.mark.soak
def test_its_role_has_no_connection_to_postgres_left(notes: Shell, site: Site) -> None:
    stage = identify(read_project(notes.folder).config.project, "stage")
    route = site.routes.read(stage.route)
    assert route
    with visited(Target(site.edge_url(), route.host), "/health") as visitor:
        with occupied(role_of(site, stage)):
            said = notes("junov", "deploy", "dev", expect=1)
        assert site.routes.read(stage.route) == route
        notes("junov", "deploy", "dev")
    assert visitor.refused == []
    assert f'too many connections for role "{stage.role}"' in said
    assert "the migration failed: alembic ended with exit code 1" in said
    assert "what ran before goes on serving" in said
