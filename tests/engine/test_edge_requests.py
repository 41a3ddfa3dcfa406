"""What becomes of requests while containers come and go, with a real Traefik."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from junov.edge import Answers
from junov.process import run
from tests.engine.edge_rig import BACKEND, PYTHON, Rig, running_edge, without_routes
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


def test_a_route_with_two_servers_uses_both(rig: Rig) -> None:
    both = rig.route("prod", "blue", "green")
    rig.routes.write(both)
    rig.api.wait_until_routed(both, timeout=10)
    assert {rig.get(both.host)[1] for _ in range(8)} == {"blue", "green"}


def test_the_answers_of_each_release_are_counted_apart(rig: Rig) -> None:
    # Numbers of this test's own: the edge remembers what it counted for others.
    first, second = rig.route("prod", "blue", release=41), rig.route("prod", "green", release=42)
    rig.routes.write(first)
    rig.api.wait_until_routed(first, timeout=10)
    assert rig.api.answers(first) == Answers(0, 0)
    for path in ("/", "/", "/broken", "/"):
        rig.get(first.host, path)
    assert rig.api.answers(first) == Answers(total=4, failed=1)
    assert rig.api.answers(second) == Answers(0, 0)

    rig.routes.write(second)
    rig.api.wait_until_routed(second, timeout=10)
    rig.get(second.host)
    assert rig.api.answers(second) == Answers(total=1, failed=0)


def test_what_the_edge_says_for_a_container_that_died_is_a_failed_answer(rig: Rig) -> None:
    options = ["--network", rig.box.network_name("private")]
    dying = rig.box.start("red", PYTHON, "python3", "-c", f"NAME='red'\n{BACKEND}", options=options)
    prod = rig.route("prod", "red", release=43)
    rig.routes.write(prod)
    rig.api.wait_until_routed(prod, timeout=10)
    until(lambda: rig.get(prod.host)[0] == 200, "the container answers")
    before = rig.api.answers(prod)

    assert run(["docker", "kill", dying]).ok
    assert rig.get(prod.host)[0] == 502
    after = rig.api.answers(prod)
    assert (after.total, after.failed) == (before.total + 1, before.failed + 1)


def test_a_request_that_no_container_took_is_sent_again(rig: Rig) -> None:
    prod = rig.route("prod", "green", release=44)
    rig.routes.write(prod)
    rig.api.wait_until_routed(prod, timeout=10)
    green = rig.box.name("green")
    assert run(["docker", "kill", green]).ok
    with rig.asking("GET", prod.host) as page, rig.asking("POST", prod.host) as order:
        assert run(["docker", "start", green]).ok
        assert (page(), order()) == ((200, "green"), (200, "green"))
    assert rig.get(prod.host, "/taken") == (200, "1")
    assert rig.api.answers(prod) == Answers(total=3, failed=0), "as visitors got them"


def test_an_order_that_a_container_took_is_never_sent_again(rig: Rig) -> None:
    prod = rig.route("prod", "blue", release=45)
    rig.routes.write(prod)
    rig.api.wait_until_routed(prod, timeout=10)
    before = int(rig.get(prod.host, "/taken")[1])
    assert rig.ask("POST", prod.host, "/drop")[0] == 502
    assert rig.get(prod.host, "/taken") == (200, str(before + 1))


def test_a_container_has_an_upload_from_its_first_bytes_on(rig: Rig) -> None:
    prod = rig.route("prod", "blue", release=46)
    rig.routes.write(prod)
    rig.api.wait_until_routed(prod, timeout=10)
    before = int(rig.get(prod.host, "/taken")[1])
    with closing(socket.create_connection(("127.0.0.1", rig.web), timeout=10)) as upload:
        head = f"POST / HTTP/1.1\r\nHost: {prod.host}\r\nContent-Length: 7\r\n\r\n"
        upload.sendall(f"{head}ord".encode())
        has_begun = (200, str(before + 1))
        until(lambda: rig.get(prod.host, "/taken") == has_begun, "the container has begun with it")
        upload.sendall(b"ered")
        assert b" 200 " in upload.recv(1000)


def test_an_idle_connection_to_a_container_ends_and_one_in_use_stays(rig: Rig) -> None:
    prod = rig.route("prod", "blue")
    rig.routes.write(prod)
    rig.api.wait_until_routed(prod, timeout=10)
    until(lambda: rig.connections("blue") == 0, "nothing is under way yet")

    with closing(socket.create_connection(("127.0.0.1", rig.web), timeout=10)) as chat:
        upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAA"
        chat.sendall(f"GET /socket HTTP/1.1\r\nHost: {prod.host}\r\n{upgrade}\r\n\r\n".encode())
        assert b" 101 " in chat.recv(1000)
        with closing(http.client.HTTPConnection("127.0.0.1", rig.web, timeout=10)) as events:
            events.request("GET", "/events", headers={"Host": prod.host})
            stream = events.getresponse()
            assert stream.readline() == b"data: hello\n"
            assert rig.connections("blue") == 2

            rig.get(prod.host)
            until(lambda: rig.connections("blue") == 2, "the one without a request has gone")

            chat.sendall(b"still there?")
            assert chat.recv(1000) == b"still there?"
            assert rig.get(prod.host, "/tell") == (200, "blue")
            assert stream.read() == b"\ndata: told\n\n"
        until(lambda: rig.connections("blue") == 1, "the stream's has gone")
    until(lambda: rig.connections("blue") == 0, "the WebSocket's has gone")
