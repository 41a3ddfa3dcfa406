"""Routes, and who may ask for them, with a real Traefik on real networks."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from junov.edge import (
    Answers,
    EdgeApi,
    HostTakenError,
    Route,
    Routes,
    dynamic_config,
    static_config,
)
from junov.engine.sockets import TABLES, open_connections
from junov.errors import UnavailableError
from junov.process import run
from junov.secret import Secret, derive
from tests.engine.sandbox import Sandbox, sandbox
from tests.waiting import until

pytestmark = pytest.mark.engine

USER = "junov"
PASSWORD = derive(Secret("the key of this test"), "edge")
PYTHON = "python:3.11-slim-bookworm"
BACKEND = """
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
told = threading.Event()
taken = []
class Server(ThreadingHTTPServer):
    request_queue_size = 128
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def do_GET(self):
        if self.path == "/socket":
            return self.echo()
        if self.path == "/events":
            return self.stream()
        if self.path == "/tell":
            told.set()
        said = {"/from": self.headers, "/taken": len(taken)}.get(self.path, NAME)
        self.answer(str(said))
    def do_POST(self):
        taken.append(self.path)
        if self.path == "/drop":
            self.close_connection = True
            return
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(NAME)
    def answer(self, said):
        body = said.encode()
        self.send_response(500 if self.path == "/broken" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def echo(self):
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.end_headers()
        self.close_connection = True
        while said := self.connection.recv(100):
            self.wfile.write(said)
    def stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"data: hello\\n\\n")
        told.wait()
        self.wfile.write(b"data: told\\n\\n")
    def log_message(self, *args): pass
Server(("", 8000), Handler).serve_forever()
"""
ASK = """
import sys, urllib.request, urllib.error
request = urllib.request.Request(sys.argv[1], headers={"Authorization": sys.argv[2],
    "X-Forwarded-For": "127.0.0.1", "X-Real-Ip": "127.0.0.1"})
try:
    print(urllib.request.urlopen(request, timeout=5).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


@dataclass(frozen=True)
class Rig:
    box: Sandbox
    web: int
    api: EdgeApi
    api_port: int
    routes: Routes

    def route(self, word: str, *servers: str, release: int = 1) -> Route:
        return Route(
            name=f"notes_{word}",
            host=f"{word}.example.test",
            servers=tuple(f"http://{self.box.name(server)}:8000" for server in servers),
            project="notes",
            environment=word,
            release=release,
        )

    def get(self, host: str, path: str = "/", **headers: str) -> tuple[int, str]:
        return self.ask("GET", host, path, **headers)

    def ask(self, method: str, host: str, path: str = "/", **headers: str) -> tuple[int, str]:
        with self.asking(method, host, path, **headers) as answer:
            return answer()

    @contextmanager
    def asking(
        self, method: str, host: str, path: str = "/", **headers: str
    ) -> Iterator[Callable[[], tuple[int, str]]]:
        """A request that has been sent, and gives its answer when it is called."""
        body = b"ordered" if method == "POST" else None
        with closing(http.client.HTTPConnection("127.0.0.1", self.web, timeout=10)) as client:
            client.request(method, path, body, headers={"Host": host, **headers})

            def answer() -> tuple[int, str]:
                got = client.getresponse()
                return got.status, got.read().decode()

            yield answer

    def connections(self, server: str) -> int:
        """How many connections the edge has to a container."""
        names = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        shown = run(["docker", "inspect", "--format", names, self.box.name(server)])
        table = self.box.execute(self.box.name("edge"), *TABLES).stdout
        return open_connections(table, [(shown.stdout.strip(), 8000)])


@pytest.fixture(scope="module")
def rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with sandbox(request) as box:
        webproxy = box.network("webproxy", first=True)
        private = box.network("private")
        folder = tmp_path_factory.mktemp("edge")
        routes = Routes(folder / "routes")
        (folder / "traefik.yaml").write_text(static_config())
        rules = dynamic_config(allowed=[str(webproxy[1])], user=USER, password=PASSWORD)
        routes.write_dynamic_config(rules)
        edge = box.start(
            "edge",
            "traefik:v3.7",
            options=[
                *("--network", box.network_name("webproxy", first=True)),
                *("-p", "127.0.0.1::80", "-p", "127.0.0.1::8081"),
                *("-v", f"{folder}/traefik.yaml:/etc/traefik/traefik.yaml:ro"),
                *("-v", f"{folder}/routes:/etc/traefik/routes:ro"),
            ],
        )
        box.connect(box.network_name("private"), edge)
        assert private != webproxy
        for word in ("blue", "green"):
            options = ["--network", box.network_name("private")]
            box.start(word, PYTHON, "python3", "-c", f"NAME={word!r}\n{BACKEND}", options=options)
        port = box.published(edge, 8081)
        api = EdgeApi(f"http://127.0.0.1:{port}", USER, PASSWORD)
        rig = Rig(box, box.published(edge, 80), api, port, routes)
        until(lambda: up(rig), "the edge and its backends answer")
        yield rig


def up(rig: Rig) -> bool:
    try:
        rig.api.ping()
    except UnavailableError:
        return False
    ready = "import socket; socket.create_connection(('localhost', 8000), 1)"
    return all(
        rig.box.execute(rig.box.name(word), "python3", "-c", ready).ok for word in ("blue", "green")
    )


@pytest.fixture(autouse=True)
def _no_routes_left(rig: Rig) -> Iterator[None]:
    yield
    left = list(rig.routes.folder.glob("notes_*"))
    for path in left:
        path.unlink()
    for path in left:
        rig.api.wait_until_gone(path.stem)


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


def test_the_api_answers_this_machine_and_no_environment(rig: Rig) -> None:
    rig.api.ping()
    prod = rig.route("prod", "blue")
    rig.routes.write(prod)
    rig.api.wait_until_routed(prod, timeout=10)

    right = "Basic " + base64.b64encode(f"{USER}:{PASSWORD.reveal()}".encode()).decode()
    edge = rig.box.name("edge")
    for path in ("/api/http/routers", "/api/rawdata", "/api/version", "/metrics", "/dashboard/"):
        from_inside = rig.box.execute(
            rig.box.name("blue"), "python3", "-c", ASK, f"http://{edge}:8081{path}", right
        )
        # With the right password and a lie about where it comes from.
        assert from_inside.stdout.strip() == ("404" if path == "/dashboard/" else "403")
    # The same question through the public entry point leads nowhere.
    for path in ("/api/rawdata", "/metrics"):
        assert rig.get("localhost", path, Authorization=right)[0] == 404
        assert rig.get(prod.host, path, Authorization=right) == (200, "blue")


@pytest.mark.parametrize(
    ("user", "password"), [(USER, Secret("wrong")), ("root", PASSWORD), ("", Secret(""))]
)
def test_the_api_asks_this_machine_for_the_password(rig: Rig, user: str, password: Secret) -> None:
    stranger = EdgeApi(f"http://127.0.0.1:{rig.api_port}", user, password)
    with pytest.raises(UnavailableError, match="refuses the password"):
        stranger.ping()
    with pytest.raises(UnavailableError, match="refuses the password"):
        stranger.answers(rig.route("prod", "blue"))


def test_joining_an_environments_network_leaves_the_published_ports_alone(rig: Rig) -> None:
    rig.box.network("another")
    edge = rig.box.name("edge")
    with closing(http.client.HTTPConnection("127.0.0.1", rig.web, timeout=10)) as open_before:
        open_before.request("GET", "/", headers={"Host": "nobody.example.test"})
        open_before.getresponse().read()
        socket = open_before.sock

        rig.box.connect(rig.box.network_name("another"), edge)

        open_before.request("GET", "/", headers={"Host": "nobody.example.test"})
        assert open_before.getresponse().status == 404
        assert open_before.sock is socket
    assert rig.box.published(edge, 8081) == rig.api_port
    rig.api.ping()


def test_what_strangers_say_about_themselves_is_replaced(rig: Rig) -> None:
    prod = rig.route("prod", "blue")
    rig.routes.write(prod)
    rig.api.wait_until_routed(prod, timeout=10)
    for header in ("X-Forwarded-For", "X_Forwarded_For", "X.Forwarded.For"):
        status, body = rig.get(prod.host, "/from", **{header: "203.0.113.7"})
        assert status == 200
        assert "Host: prod.example.test" in body
        assert "203.0.113.7" not in body


def test_a_healthcheck_inside_the_container_works(rig: Rig) -> None:
    answer = rig.box.execute(rig.box.name("edge"), "traefik", "healthcheck", "--ping")
    assert answer.ok


def test_the_access_log_names_the_service_and_no_secret(rig: Rig) -> None:
    prod = rig.route("prod", "blue")
    rig.routes.write(prod)
    rig.api.wait_until_routed(prod, timeout=10)
    rig.get(
        prod.host,
        "/looked-for?token=s3cr3t-query",
        Authorization="Bearer s3cr3t-bearer",
        Cookie="session=s3cr3t-cookie",
    )

    def line() -> dict[str, object]:
        shown = run(["docker", "logs", rig.box.name("edge")])
        assert "s3cr3t" not in shown.stdout + shown.stderr
        lines = [text for text in shown.stdout.splitlines() if "/looked-for" in text]
        return dict(json.loads(lines[-1])) if lines else {}

    until(lambda: bool(line()), "the request is in the log", seconds=10)
    logged = line()
    assert logged["ServiceName"] == "notes_prod-r1@file"
    assert logged["DownstreamStatus"] == 200
    assert isinstance(logged["Duration"], int)
    assert str(logged["RequestPath"]).startswith("/looked-for")
    assert PASSWORD.reveal() not in Path(rig.routes.folder / "junov-api.yaml").read_text()
