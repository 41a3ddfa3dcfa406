"""Routes, with a real Traefik on real networks."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from junov.edge import (
    HostTakenError,
    Route,
    Routes,
)
from junov.errors import UnavailableError
from tests.engine.edge_rig import Rig, running_edge, without_routes
from tests.waiting import until

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running_edge(request, tmp_path_factory.mktemp("edge")) as rig:
        yield rig


@pytest.fixture(autouse=True)
def _no_routes_left(rig: Rig) -> Iterator[None]:
    yield
    without_routes(rig)


def test_a_written_route_is_served_and_a_removed_one_is_not(rig: Rig) -> None:
    prod = rig.route("prod", "blue")
    assert rig.get(prod.host)[0] == 404

    rig.routes.write(prod)
    took = rig.api.wait_until_routed(prod, timeout=10)

    assert rig.get(prod.host) == (200, "blue")
    assert rig.get("other.example.test")[0] == 404
    assert took < 2

    assert rig.routes.remove(prod.name)
    rig.api.wait_until_gone(prod.name)
    assert rig.get(prod.host)[0] == 404


def test_an_environment_that_is_called_as_anothers_release_is_not_taken_for_it(rig: Rig) -> None:
    prod, odd = rig.route("prod", "blue"), rig.route("prod-r1", "green")
    for route in (prod, odd):
        rig.routes.write(route)
        rig.api.wait_until_routed(route, timeout=10)
    assert (rig.get(prod.host)[1], rig.get(odd.host)[1]) == ("blue", "green")

    rig.routes.remove(prod.name)
    rig.api.wait_until_gone(prod.name)
    assert rig.get(odd.host) == (200, "green")
    with pytest.raises(UnavailableError, match="router notes_prod-r1 and the service"):
        rig.api.wait_until_gone(odd.name, timeout=0.2)
    rig.routes.write(prod)
    rig.api.wait_until_routed(prod, timeout=10)
    rig.routes.remove(odd.name)
    rig.api.wait_until_gone(odd.name)
    assert rig.get(prod.host) == (200, "blue")


def test_the_api_shows_a_switch_once_requests_take_it(rig: Rig) -> None:
    before = rig.route("prod", "blue")
    rig.routes.write(before)
    rig.api.wait_until_routed(before, timeout=10)
    done = threading.Event()
    failures: list[str] = []
    answers: list[str] = []

    def load() -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", rig.web, timeout=10)) as client:
            while not done.is_set():
                client.request("GET", "/", headers={"Host": before.host})
                answer = client.getresponse()
                body = answer.read().decode()
                (answers if answer.status == 200 else failures).append(body)

    clients = [threading.Thread(target=load) for _ in range(16)]
    for client in clients:
        client.start()
    try:
        for number, word in enumerate(["green", "blue"] * 6, start=2):
            after = rig.route("prod", word, release=number)  # with a service of its own
            rig.routes.write(after)
            rig.api.wait_until_routed(after, timeout=10)
            assert {rig.get(after.host)[1] for _ in range(20)} == {word}
    finally:
        done.set()
        for client in clients:
            client.join(timeout=30)
    assert failures == []
    assert len(answers) > 100
    assert set(answers) == {"blue", "green"}


def test_waiting_ends_with_what_traefik_shows(rig: Rig) -> None:
    blue, green = rig.route("prod", "blue"), rig.route("prod", "green", release=2)
    with pytest.raises(UnavailableError, match=r"after 0\.2 s: it has not read the route"):
        rig.api.wait_until_routed(blue, timeout=0.2)
    rig.routes.write(blue)
    rig.api.wait_until_routed(blue, timeout=10)
    with pytest.raises(UnavailableError, match="its router still leads to notes_prod-r1"):
        rig.api.wait_until_routed(green, timeout=0.2)
    other = replace(green, release=1)
    with pytest.raises(UnavailableError, match=r"it still has the servers http://\w+_blue:8000"):
        rig.api.wait_until_routed(other, timeout=0.2)
    elsewhere = replace(blue, host="elsewhere.example.test")
    with pytest.raises(UnavailableError, match=r"its rule is Host\(`prod\.example\.test`\)"):
        rig.api.wait_until_routed(elsewhere, timeout=0.2)
    with pytest.raises(UnavailableError, match="router notes_prod and the service notes_prod-r1"):
        rig.api.wait_until_gone(blue.name, timeout=0.2)


def test_what_traefik_says_is_wrong_is_in_the_error(rig: Rig) -> None:
    prod = rig.route("prod", "blue")
    rig.routes.write(prod)
    path = rig.routes.folder / f"{prod.name}.yaml"
    path.write_text(path.read_text().replace("service: notes_prod-r1", "service: nowhere"))
    until(lambda: "nowhere" in said(rig, prod), "Traefik complains about the service", seconds=10)


def said(rig: Rig, route: Route) -> str:
    try:
        rig.api.wait_until_routed(route, timeout=0)
    except UnavailableError as error:
        return error.message
    return ""


def test_a_broken_file_is_named_and_what_was_routed_stays(rig: Rig) -> None:
    prod, stage = rig.route("prod", "blue"), rig.route("stage", "green")
    rig.routes.write(prod)
    rig.api.wait_until_routed(prod, timeout=10)
    broken = rig.routes.folder / "notes_broken.yaml"
    broken.write_text("http: [\n")

    with pytest.raises(Exception, match=str(broken)):
        rig.routes.write(stage)
    # Why junov refuses: Traefik would take no change at all.
    clean = Routes(rig.routes.folder.parent / "elsewhere")
    clean.write(stage)
    (clean.folder / "notes_stage.yaml").rename(rig.routes.folder / "notes_stage.yaml")
    with pytest.raises(UnavailableError, match="a broken file among the routes"):
        rig.api.wait_until_routed(stage, timeout=1)
    assert rig.get(prod.host) == (200, "blue")

    broken.unlink()
    rig.api.wait_until_routed(stage, timeout=10)


def test_a_branch_with_template_code_in_its_name_is_only_a_name(rig: Rig) -> None:
    odd = replace(rig.route("odd", "blue"), environment='feature/{{fail"x"}}{{env"HOME"}}\u2028#')
    rig.routes.write(odd)
    rig.api.wait_until_routed(odd, timeout=10)
    assert rig.get(odd.host) == (200, "blue")
    assert rig.routes.read(odd.name) == odd


def test_a_host_belongs_to_the_first_that_took_it(rig: Rig) -> None:
    first = rig.route("prod", "blue")
    rig.routes.write(first)
    rig.api.wait_until_routed(first, timeout=10)
    thief = replace(rig.route("stage", "green"), host=first.host, project="shop")
    with pytest.raises(HostTakenError, match="belongs to environment prod of project notes"):
        rig.routes.write(thief)
    assert rig.get(first.host) == (200, "blue")
