"""What a command in a container printed, however the engine's answer is cut into packets."""

from __future__ import annotations

import json
import socketserver
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junov.engine.api import Engine
from junov.engine.execution import joined
from junov.errors import CommandError


def frame(stream: int, text: bytes) -> bytes:
    return struct.pack(">BxxxI", stream, len(text)) + text


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=50)), max_size=10))
def test_what_stands_in_frames_is_joined(parts: list[tuple[int, bytes]]) -> None:
    assert joined(b"".join(frame(*part) for part in parts)) == b"".join(text for _, text in parts)


class _Double(BaseHTTPRequestHandler):
    """A double of the engine's API, whose answers come in one packet with their heads."""

    protocol_version = "HTTP/1.1"
    frames = frame(1, b"printed ") + frame(2, b"at once\n")

    def do_GET(self) -> None:
        self._answer({"ApiVersion": "1.41", "ExitCode": 7})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/start"):
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"
            self.wfile.write(head + self.frames)
            self.close_connection = True
        elif "gone" in self.path:
            self._answer({"message": "No such container: gone"}, 404)
        else:
            self._answer({"Id": "e1"}, 201)

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def address_string(self) -> str:
        return "here"

    def _answer(self, data: Any, status: int = 200) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False  # the client keeps its connections


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    path = str(tmp_path / "docker.sock")
    with _Server(path, _Double) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        yield Engine()
        server.shutdown()


def test_what_comes_with_the_head_of_the_answer_is_not_lost(engine: Engine) -> None:
    assert engine.execute("web", ["true"]) == (7, "printed at once\n")


def test_a_container_that_has_gone_is_told(engine: Engine) -> None:
    with pytest.raises(CommandError, match="no such container"):
        engine.execute("gone", ["true"])
