"""A real Traefik on real networks with two backends, and what tests ask of it."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from junov.edge import (
    EdgeApi,
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


@contextmanager
def running_edge(request: pytest.FixtureRequest, folder: Path) -> Iterator[Rig]:
    """An edge, and two backends in a private network, while the block runs."""
    with sandbox(request) as box:
        webproxy = box.network("webproxy", first=True)
        private = box.network("private")
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
        until(lambda: _up(rig), "the edge and its backends answer")
        yield rig


def _up(rig: Rig) -> bool:
    try:
        rig.api.ping()
    except UnavailableError:
        return False
    ready = "import socket; socket.create_connection(('localhost', 8000), 1)"
    return all(
        rig.box.execute(rig.box.name(word), "python3", "-c", ready).ok for word in ("blue", "green")
    )


def without_routes(rig: Rig) -> None:
    """Remove the routes that a test has left, and wait until the edge has."""
    left = list(rig.routes.folder.glob("notes_*"))
    for path in left:
        path.unlink()
    for path in left:
        rig.api.wait_until_gone(path.stem)
