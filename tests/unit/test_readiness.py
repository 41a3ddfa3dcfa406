"""When a container counts as ready, and what is said when it never is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

import pytest

from junov.delivery.rollout.readiness import Ends, wait_ready
from junov.engine.api import Engine
from junov.engine.inspection import Container, Ended, Healthcheck
from junov.errors import StageError
from junov.secret import Secret, redact

WEB = Container(
    id="abc",
    name="notes_prod-web-r2-1",
    image="notes",
    state="running",
    health="",
    labels={},
    addresses={"notes_prod": "127.0.0.1"},
    ports={},
    ended_well=False,
)


class Told:
    """An engine that tells of one container, in one state after the other; the last one stays.

    Its healthcheck ends with one exit code after the other, likewise.
    """

    def __init__(
        self,
        *states: Container | None,
        ended: Ended | None = None,
        checks: tuple[int, ...] = (),
    ) -> None:
        self._states = list(states)
        self._ended = ended or Ended(0, 0)
        self._checks = list(checks)

    def container(self, name: str) -> Container | None:
        assert name == WEB.id
        return self._states.pop(0) if len(self._states) > 1 else self._states[0]

    def ended(self, name: str) -> Ended:
        del name
        return self._ended

    def healthcheck(self, name: str) -> Healthcheck | None:
        assert name == WEB.id
        return Healthcheck(("is-it-well",), 7) if self._checks else None

    def execute(self, name: str, argv: tuple[str, ...], *, timeout: float) -> tuple[int, str]:
        assert (name, argv, timeout) == (WEB.id, ("is-it-well",), 7)
        code = self._checks.pop(0) if len(self._checks) > 1 else self._checks[0]
        return code, "looking\nnot yet\n"

    def last_log_lines(self, name: str) -> str:
        del name
        return "the password is hunter2"


def wait(engine: Told, *, health: str | None = None, ends: Ends = "never") -> None:
    wait_ready(
        cast("Engine", engine),
        WEB,
        health=(lambda _: health) if health is not None else None,
        timeout=1,
        redact=lambda text: redact(text, [Secret("hunter2")]),
        ends=ends,
    )


@pytest.fixture
def served() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503 if self.path == "/down" else 200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_answer_and_dockers_agreement_are_both_asked_for(served: str) -> None:
    wait(Told(replace(WEB, health="starting"), checks=(1, 0)), health=served)
    with pytest.raises(StageError, match="healthcheck ends with exit code 1: not yet"):
        wait(Told(replace(WEB, health="starting"), checks=(1,)), health=served)


def test_what_docker_says_by_itself_is_taken(served: str) -> None:
    wait(Told(replace(WEB, health="healthy"), checks=(1,)), health=served)


def test_an_answer_alone_is_enough_without_a_healthcheck(served: str) -> None:
    wait(Told(WEB), health=served)


@pytest.mark.parametrize(
    ("states", "health", "ended", "said"),
    [
        ([replace(WEB, state="paused")], "", None, "it is paused"),
        ([WEB], "/down", None, "answered 503"),
        ([WEB], None, None, "it has no address"),
        ([replace(WEB, state="exited")], "", Ended(3, 0), "ended with exit code 3"),
        ([WEB], "", Ended(1, 3), "ended with exit code 1, again and again"),
        ([WEB], "", Ended(None, 3), "ended, and was started again by the engine, again and again"),
        ([WEB], "", Ended(137, 3, True), "was killed for taking more memory than it may"),
        ([WEB], "", Ended(137, 3), "was killed, perhaps for taking more memory than it may"),
        ([None], "", None, "was removed by somebody"),
    ],
)
def test_what_keeps_it_from_being_ready_is_said(
    served: str,
    states: list[Container | None],
    health: str | None,
    ended: Ended | None,
    said: str,
) -> None:
    with pytest.raises(StageError) as caught:
        wait(Told(*states, ended=ended), health="" if health is None else served + health)
    assert said in caught.value.message
    assert WEB.name in caught.value.message
    assert "hunter2" not in caught.value.detail, "its log comes without its secrets"


def test_what_is_there_to_end_is_ready_when_it_has_ended_well() -> None:
    wait(Told(WEB, replace(WEB, state="exited")), ends="always")
    wait(Told(WEB), ends="maybe")
    wait(Told(replace(WEB, state="exited")), ends="maybe")
    with pytest.raises(StageError, match="exit code 1"):
        wait(Told(replace(WEB, state="exited"), ended=Ended(1, 0)), ends="always")
