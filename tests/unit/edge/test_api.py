"""Traefik's API, where there is none, or something else answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from junov.edge import Answers, EdgeApi, Route
from junov.errors import UnavailableError
from junov.secret import Secret

PASSWORD = Secret("hunter2hunter2")
PROD = Route("notes_prod", "notes.example.com", ("http://web:8000",), "notes", "prod", 1)


@contextmanager
def answering(status: int, body: str, content_type: str = "text/plain") -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/ping" else status)
            self.send_header("Content-Type", content_type)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(timeout=10)


def test_no_answer_is_an_error_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    api = EdgeApi(url, "junov", PASSWORD)
    for attempt in (
        api.ping,
        lambda: api.wait_until_routed(PROD, 0.1),
        lambda: api.wait_until_gone("notes_prod", 0.1),
        lambda: api.answers(PROD),
    ):
        with pytest.raises(UnavailableError, match="does not answer") as error:
            attempt()
        assert "junov server up" in error.value.remedy
        assert PASSWORD.reveal() not in str(error.value)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, "401 Unauthorized", "refuses the password"),
        (403, "Forbidden", "doesn't answer this machine's address"),
        (404, "404 page not found", "its rules have not been loaded"),
        (502, "Bad Gateway", "answers"),
        (200, "<html>another program</html>", "isn't Traefik's API"),
        (200, "[]", "isn't Traefik's API"),
    ],
)
def test_another_answer_says_what_it_means(status: int, body: str, said: str) -> None:
    with answering(status, body) as url:
        api = EdgeApi(url, "junov", PASSWORD)
        with pytest.raises(UnavailableError, match=said):
            api.ping()
        with pytest.raises(UnavailableError, match=said):
            api.wait_until_routed(PROD, 1)
        with pytest.raises(UnavailableError, match=said if status != 404 else "doesn't count"):
            api.answers(PROD)


def test_traefiks_own_error_is_in_the_message() -> None:
    router = (
        '{"rule": "Host(`notes.example.com`)", "entryPoints": ["web"], "status": "disabled", '
        '"error": ["the service \\"notes_prod-r1@file\\" does not exist"]}'
    )
    with (
        answering(200, router, "application/json") as url,
        pytest.raises(UnavailableError, match='"notes_prod-r1@file" does not exist'),
    ):
        EdgeApi(url, "junov", PASSWORD).wait_until_routed(PROD, 0)


def test_an_edge_of_an_earlier_junov_counts_nothing_and_says_what_to_do() -> None:
    with (
        answering(404, "404 page not found\n") as url,
        pytest.raises(UnavailableError, match="an earlier junov has started it") as error,
    ):
        EdgeApi(url, "junov", PASSWORD).answers(PROD)
    assert "junov server up" in error.value.remedy


def test_a_release_that_nobody_asked_has_no_answers() -> None:
    said = "# TYPE traefik_config_reloads_total counter\ntraefik_config_reloads_total 8\n"
    with answering(200, said) as url:
        assert EdgeApi(url, "junov", PASSWORD).answers(PROD) == Answers(0, 0)
