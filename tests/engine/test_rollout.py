"""What a rollout promises when nothing breaks."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.load import under_load
from bench.subject import ORDERS, Rig, Subject
from junov.environments import identify
from junov.environments.labels import environment_labels
from junov.secret import REDACTED
from junov.site import Site
from tests.engine.conftest import Shell, Web, environment
from tests.engine.faulty import Served, simplify

DRAINS = "drain: 4s"
"""Longer than a slow request takes, shorter than a stream lasts."""


@pytest.fixture
def served(site: Site, tiny: Shell) -> Served:
    """The small project with its first release delivered: web, twice, and a worker."""
    simplify(tiny.folder)
    file = tiny.folder / "junov.yaml"
    file.write_text(file.read_text().replace("web: {", "web: {replicas: 2, "))
    tiny.commit("Without lint and tests, and two of web")
    return Served(site, tiny)


def assert_is_all_there_is(served: Served, web: Web, release: int, *names: str) -> None:
    """A release answers, and its environment has these containers and no others.

    Args:
        served: the environment.
        web: a visitor.
        release: the release's number.
        names: the containers', without the name of the stack that they begin with.
    """
    site, identity = served.site, served.identity
    containers = site.engine.containers(environment_labels(site.server.name, identity))
    assert sorted(each.name for each in containers) == sorted(
        f"{identity.stack}-{name}" for name in names
    )
    assert {each.state for each in containers} == {"running"}
    route = site.routes.read(identity.route)
    assert route
    assert route.release == release
    of_web = [each for each in containers if each.service.endswith(f"-r{release}")]
    assert sorted(server.split(":")[1] for server in route.servers) == sorted(
        f"//{each.id[:12]}" for each in of_web
    )
    site.edge_api.wait_until_routed(route, timeout=0)
    status, said = web(site.server.url(route.host))
    assert (status, said["JUNOV_RELEASE"]) == (200, str(release))


def ids(served: Served) -> dict[str, str]:
    """Service → the id of its container."""
    site = served.site
    labels = environment_labels(site.server.name, served.identity)
    return {each.service: each.id for each in site.engine.containers(labels)}


def supporting(served: Served, name: str, *settings: str) -> str:
    """A service with an image of its own, such as a cache, for the compose file."""
    # Any image that is pinned to a digest will do.
    image = environment(served.shell, "prod")["image"]
    command = "command: [python, -u, app.py, work]"
    rest = ", ".join((f"image: '{image}'", command, "stop_grace_period: 2s", *settings))
    return f"  {name}: {{{rest}}}\n"


def test_services_come_and_go_and_change_their_names(served: Served, web: Web) -> None:
    assert_is_all_there_is(served, web, 1, "web-r1-1", "web-r1-2", "worker-1")

    cache, mail = supporting(served, "cache"), supporting(served, "mail")
    queue = supporting(served, "queue", "environment: {SIZE: 10}")
    served.edit("compose.yaml", "  worker:\n", f"{cache}{mail}{queue}  jobs:\n")
    served.shell("junov", "run")
    names = "web-r2-1", "web-r2-2", "jobs-1", "cache-1", "mail-1", "queue-1"
    assert_is_all_there_is(served, web, 2, *names)
    before = ids(served)

    served.edit("compose.yaml", "SIZE: 10", "SIZE: 20")
    served.edit("compose.yaml", mail, "")
    compose = served.shell.folder / "compose.yaml"
    compose.write_text(compose.read_text().partition("  jobs:")[0])
    served.shell.commit("Without jobs")
    served.shell("junov", "run")
    assert_is_all_there_is(served, web, 3, "web-r3-1", "web-r3-2", "cache-1", "queue-1")
    after = ids(served)
    assert after["cache"] == before["cache"], "it hasn't changed, so nobody touches it"
    assert after["queue"] != before["queue"]
    size = ("junov", "env", "exec", "prod", "--service", "queue", "--", "printenv", "SIZE")
    assert served.shell(*size).strip() == "20"


def test_web_changes_its_name_its_port_and_how_many_there_are(served: Served, web: Web) -> None:
    assert_is_all_there_is(served, web, 1, "web-r1-1", "web-r1-2", "worker-1")

    served.edit(
        "junov.yaml", "web: {replicas: 2, ", "web: {service: api, port: 9000, replicas: 3, "
    )
    served.edit("compose.yaml", "  web:\n", "  api:\n")
    served.edit("compose.yaml", "{COLOUR:", "{PORT: 9000, COLOUR:")
    served.edit("compose.yaml", "[web]", "[api]")
    served.shell("junov", "run")
    assert_is_all_there_is(served, web, 2, "api-r2-1", "api-r2-2", "api-r2-3", "worker-1")
    url = str(environment(served.shell, "prod")["url"])
    assert len({web(url)[1]["container"] for _ in range(9)}) == 3, "each of them gets requests"
    ask = "import urllib.request as u; print(u.urlopen('http://api:9000').read().decode())"
    inside = served.shell(
        "junov", "env", "exec", "prod", "--service", "worker", "--", "python", "-c", ask
    )
    assert json.loads(inside)["JUNOV_RELEASE"] == "2", "the other services reach it by its new name"

    served.edit("junov.yaml", "{branch: main,", "{branch: main, replicas: 1,")
    served.shell("junov", "run")
    assert_is_all_there_is(served, web, 3, "api-r3-1", "worker-1")


def test_a_host_is_changed_and_one_that_another_environment_has_is_not(
    served: Served, web: Web
) -> None:
    shell = served.shell
    shell("git", "branch", "dev")
    shell("junov", "run", "dev")
    before = environment(shell, "prod")
    stage = environment(shell, "stage")
    project = served.identity.project

    # As if the two were to change places: stage still has the host that prod wants now.
    served.edit("junov.yaml", f"host: stage.{project}", "host: other-stage")
    served.edit("junov.yaml", f"host: {project}.localhost", f"host: stage.{project}.localhost")
    state = served.state()
    said = served.fails("junov", "run")
    assert f"the host {stage['host']} belongs to environment stage" in said
    assert served.state() == state
    assert environment(shell, "prod") == before
    assert environment(shell, "stage") == stage

    served.edit("junov.yaml", f"host: stage.{project}.localhost", "host: new.localhost")
    shell("junov", "run")
    assert environment(shell, "prod")["host"] == "new.localhost"
    assert_is_all_there_is(served, web, 2, "web-r2-1", "web-r2-2", "worker-1")
    assert web(str(before["url"]))[0] == 404

    # A release that fails may ask for whatever it likes: what is shown is where requests lead.
    served.edit("junov.yaml", "host: new.localhost", "host: newer.localhost")
    served.edit("compose.yaml", "print('migrated')", "exit('no')")
    served.fails("junov", "run")
    assert environment(shell, "prod")["host"] == "new.localhost"


def test_docker_s_own_healthcheck_is_not_waited_for_and_has_its_say(
    served: Served, web: Web
) -> None:
    served.edit("junov.yaml", "timeout: 60s", "timeout: 10s")
    served.edit(
        "compose.yaml",
        "    stop_grace",
        "    healthcheck:\n"
        "      {test: [CMD, python, -c, 'exit(0)'], interval: 1h, timeout: 1s}\n    stop_grace",
    )
    served.shell("junov", "run")
    assert_is_all_there_is(served, web, 2, "web-r2-1", "web-r2-2", "worker-1")
    assert environment(served.shell, "prod")["services"] == {
        "web": "starting",  # for Docker, which will ask in an hour
        "worker": "running",
    }

    served.edit("junov.yaml", "timeout: 10s", "timeout: 5s")
    sick = 'import os; exit("unwell " + os.environ["API_KEY"])'
    served.edit("compose.yaml", "exit(0)", sick)
    served.edit("compose.yaml", "  worker:\n", f"{supporting(served, 'cache')}  worker:\n")
    with served.unharmed():
        said = served.fails("junov", "run")
    assert (
        f"was not ready after 5 s: its healthcheck ends with exit code 1: unwell {REDACTED}" in said
    )

    served.edit("compose.yaml", sick, "import threading; threading.Event().wait()")
    with served.unharmed():
        said = served.fails("junov", "run")
    assert "its healthcheck: `python -c " in said
    assert "had not ended after 1 s" in said


@pytest.fixture
def orders(site: Site, environ: dict[str, str], tmp_path: Path) -> Iterator[Subject]:
    """The application that is made for load; its first commit drains, its second doesn't."""
    source = shutil.copytree(ORDERS.source, tmp_path / "source" / "orders")
    file = source / "junov.yaml"
    web = f"web: {{timeout: 60s, observe: 1s, {DRAINS}}}"
    file.write_text(re.sub("^web: .*$", web, file.read_text(), flags=re.MULTILINE))
    application = replace(ORDERS, source=source, file=file.name, change=(DRAINS, "drain: 0s"))
    subject = Subject(Rig(site, tmp_path, environ, print), application)
    subject.promote(0)
    subject.deploy()
    subject.promote(1)
    yield subject
    subject.shell("junov", "env", "stop", "prod")


@pytest.mark.parametrize(
    "changes", [2, pytest.param(10, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
)
def test_nobody_loses_anything_while_releases_change(
    orders: Subject, site: Site, changes: int
) -> None:
    prod = orders.shown()

    def drained() -> str:
        """What came of the drain of the last release."""
        last = site.journal.last_release(identify(prod["project"], prod["name"]))
        assert last
        return next(step.detail for step in site.journal.steps(last) if step.name == "drain")

    with under_load(site.edge_url(), prod["host"]) as load:
        for _ in range(changes):
            orders.deploy()
            assert re.fullmatch(r"(\d+) of \1 connections were still open after 0 s", drained())
            orders.rollback()
            # The streams, which stay until the time is up.
            assert re.match(r"2 of \d+ connections were still open", drained())
    report = load.report
    assert report.lost == 0, report.to_json()
    assert report.wrk.requests
    assert report.orders.answered == report.orders.sent > 0

    # Whoever had asked the old release was answered by it, and whoever asked after that by the new.
    asked = (each.container for each in sorted(report.slow, key=lambda answer: answer.began))
    containers = [container for container, _ in itertools.groupby(asked)]
    assert len(set(containers)) == len(containers) == 1 + 2 * changes

    # Each stream is told that it ends; last of all, unless there is no drain.
    for kind in ("events", "websocket"):
        streams = [stream for stream in report.streams if stream.kind == kind]
        assert [stream.container for stream in streams] == containers
        assert [stream.end for stream in streams] == [*["told"] * 2 * changes, "open"]
    drained_ones = containers[1::2]
    assert not [each for each in report.streams_closed_early if each.container in drained_ones]
