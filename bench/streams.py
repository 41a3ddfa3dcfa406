"""Visitors that stay: a stream of server-sent events and a WebSocket, and how each came to its end.

Where one ends, the next is opened, so that every change of the application is seen by both.
"""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import select
import struct
import time
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO, Literal

from bench.clients import Answer, Client, Target

SILENCE_SECONDS = 5.0  # the application ticks five times a second
TALK_SECONDS = 0.2
REFUSED_PAUSE_SECONDS = 0.1

TEXT, CLOSE = 0x1, 0x8
GOING_AWAY = 1001

End = Literal["told", "cut", "refused", "open"]
"""How a stream ended: `told` by the application that it ends (the event `bye`, a close frame 1001),
`cut` off without that, `refused` when it was to be opened; `open` to the end of the load."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream, from its first to its last byte.

    Args:
        kind: `events` or `websocket`.
        container: who was at its other end; empty where it was refused.
        opened, closed: when, by `time.monotonic`.
        end: how it ended.
        error: why, where it was cut or refused.
    """

    kind: str
    container: str
    opened: float
    closed: float
    end: End
    error: str = ""


def closed_early(streams: Iterable[Stream], slow: Iterable[Answer]) -> list[Stream]:
    """Streams that were closed while their container still had requests to answer.

    Streams are to be closed last: a visitor who stays can come back at any time, and a request
    that is cut off is lost.

    Args:
        streams: as they ended; those that were open to the end of the load don't count.
        slow: the requests.
    """
    answers = list(slow)
    return [
        stream
        for stream in streams
        if stream.end in ("told", "cut")
        and any(
            answer.container == stream.container and answer.began < stream.closed < answer.ended
            for answer in answers
        )
    ]


class Watcher(Client):
    """Opens streams of one kind, one after the other, and keeps how each ended.

    Args:
        target: where to.
    """

    kind: str

    def __init__(self, target: Target) -> None:
        super().__init__()
        self.target = target
        self._streams: list[Stream] = []

    @property
    def streams(self) -> tuple[Stream, ...]:
        """All of them, in order."""
        return tuple(self._streams)

    def visit(self) -> None:
        """See `Client.visit`."""
        while not self.stopping.is_set():
            stream = self._watch_one()
            self._streams.append(stream)
            self.underway.set()
            if stream.end == "refused":
                self.stopping.wait(REFUSED_PAUSE_SECONDS)

    def messages(self) -> Generator[str, None, None]:
        """Open a stream, and give what the application says; the first says who it is.

        Raises:
            _EndedError: it was refused, or is over.
        """
        raise NotImplementedError

    def _watch_one(self) -> Stream:
        opened, container = time.monotonic(), ""
        end: End = "open"
        error = ""
        try:
            with closing(self.messages()) as messages:
                for said in messages:
                    container = container or str(json.loads(said)["container"])
                    self.underway.set()
                    if self.stopping.is_set():
                        break
        except _EndedError as ended:
            end, error = ended.end, ended.error
        except (OSError, http.client.HTTPException) as failure:
            end = "cut" if container else "refused"
            error = f"{type(failure).__name__}: {failure}".rstrip(": ")
        return Stream(self.kind, container, opened, time.monotonic(), end, error)


class Events(Watcher):
    """Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

    kind = "events"

    def messages(self) -> Generator[str, None, None]:
        """See `Watcher.messages`."""
        with closing(self.target.connect(SILENCE_SECONDS)) as connection:
            headers = {"Host": self.target.host, "Accept": "text/event-stream"}
            connection.request("GET", "/events", headers=headers)
            answer = connection.getresponse()
            if answer.status != HTTPStatus.OK:
                raise _EndedError("refused", f"status {answer.status}")
            event = ""
            while line := answer.readline():
                field, _, value = line.decode().rstrip("\n").partition(": ")
                if field == "event":
                    event = value
                elif field == "data" and event == "bye":
                    raise _EndedError("told")
                elif field == "data":
                    yield value
            raise _EndedError("cut", "it ended without the event bye")


class WebSocket(Watcher):
    """A WebSocket (RFC 6455) that says something five times a second and is given it back."""

    kind = "websocket"

    def messages(self) -> Generator[str, None, None]:
        """See `Watcher.messages`."""
        with closing(self.target.connect(SILENCE_SECONDS)) as connection:
            headers = {
                "Host": self.target.host,
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
            }
            connection.request("GET", "/ws", headers=headers)
            answer = connection.getresponse()
            if answer.status != HTTPStatus.SWITCHING_PROTOCOLS:
                raise _EndedError("refused", f"status {answer.status}")
            socket = connection.sock
            while True:
                # The buffer of the answer may hold the first frame already.
                opcode, payload = read_frame(answer.fp)
                if opcode == CLOSE:
                    socket.sendall(masked_frame(CLOSE, payload))
                    raise _closed(payload)
                yield payload.decode()
                if not select.select([socket], [], [], TALK_SECONDS)[0]:
                    socket.sendall(masked_frame(TEXT, payload))


def masked_frame(opcode: int, payload: bytes) -> bytes:
    """A client's frame, in one part: RFC 6455, 5.2."""
    if len(payload) < 126:
        length = bytes([0x80 | len(payload)])
    else:
        length = struct.pack("!BH", 0x80 | 126, len(payload))
    mask = secrets.token_bytes(4)
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes([0x80 | opcode]) + length + mask + masked


def read_frame(file: BinaryIO) -> tuple[int, bytes]:
    """A server's frame, in one part and below 64 KiB: its opcode and what it holds.

    Raises:
        _EndedError: the connection was ended instead.
    """
    head = _exactly(file, 2)
    length = head[1]
    if length == 126:
        (length,) = struct.unpack("!H", _exactly(file, 2))
    return head[0] & 0x0F, _exactly(file, length)


class _EndedError(Exception):
    """A stream is over."""

    def __init__(self, end: End, error: str = "") -> None:
        super().__init__(error)
        self.end = end
        self.error = error


def _closed(payload: bytes) -> _EndedError:
    code = struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else 0
    if code == GOING_AWAY:
        return _EndedError("told")
    return _EndedError("cut", f"a close frame with the code {code}")


def _exactly(file: BinaryIO, count: int) -> bytes:
    read = file.read(count)
    if len(read) < count:
        raise _EndedError("cut", "it ended without a close frame")
    return read
