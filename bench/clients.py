"""Visitors with one request each: slow ones that are in flight all the time, and counted orders.

No request is sent a second time: whatever becomes of it is its end.
"""

from __future__ import annotations

import http.client
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

SLOW_EVERY_SECONDS = 0.25
SLOW_SECONDS = 2.0
ORDER_THREADS = 3
ORDER_PAUSE_SECONDS = 0.02
LIMIT_SECONDS = 30.0  # beyond this, no visitor is still there

NO_ANSWER = 0


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go.

    Args:
        url: where the edge listens, such as `http://127.0.0.1:8080`.
        host: the host name that is asked for.
    """

    url: str
    host: str

    def connect(self, timeout: float = LIMIT_SECONDS) -> http.client.HTTPConnection:
        """A connection that is made with its first request."""
        parts = urlsplit(self.url)
        return http.client.HTTPConnection(
            parts.hostname or "", parts.port or http.client.HTTP_PORT, timeout=timeout
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """A request, and what came of it.

    Args:
        began, ended: when, by `time.monotonic`.
        status: the status; 0 where there was no answer.
        container: who answered, as it says itself; empty where it wasn't the application.
        error: why there was no answer.
    """

    began: float
    ended: float
    status: int
    container: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class OrdersReport:
    """Orders as both sides count them.

    Args:
        sent: how many were sent, each once.
        answered: how many were answered with 201.
        lost: ids that were sent and are not on the server.
        doubled: ids that are on the server more than once.
        wrong: how many went wrong in one way or another.
    """

    sent: int
    answered: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    wrong: int


class Client(threading.Thread):
    """A visitor in a thread of its own, from `start` to `finish`."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.underway = threading.Event()
        """Set once the first request has come to its end, however it ended."""
        self.stopping = threading.Event()
        self._failure: Exception | None = None

    def run(self) -> None:
        """See `threading.Thread.run`."""
        try:
            self.visit()
        except Exception as error:  # noqa: BLE001 - told to whoever ends the load
            self._failure = error
        finally:
            self.underway.set()

    def visit(self) -> None:
        """Ask until `stopping` is set, and then await what is still out."""
        raise NotImplementedError

    def finish(self) -> None:
        """End it, and wait until it has; raises what went wrong with it, not with its requests."""
        self.stopping.set()
        self.join()
        if self._failure:
            raise self._failure


class SlowRequests(Client):
    """Starts a slow request every quarter of a second, so that eight are always in flight.

    Args:
        target: where they go.
        every: seconds from one to the next.
        seconds: how long the application takes for one.
    """

    def __init__(
        self, target: Target, every: float = SLOW_EVERY_SECONDS, seconds: float = SLOW_SECONDS
    ) -> None:
        super().__init__()
        self._target = target
        self._every = every
        self._path = f"/slow?seconds={seconds:g}"
        self._answers: list[Answer] = []

    @property
    def answers(self) -> tuple[Answer, ...]:
        """What came of them, in the order in which they ended."""
        return tuple(self._answers)

    def visit(self) -> None:
        """See `Client.visit`."""
        out: list[threading.Thread] = []
        while not self.stopping.wait(self._every):
            out.append(threading.Thread(target=self._one, daemon=True))
            out[-1].start()
        for each in out:
            each.join()

    def _one(self) -> None:
        with closing(self._target.connect()) as connection:
            answer, _ = ask(connection, self._target.host, "GET", self._path)
        self._answers.append(answer)
        self.underway.set()


class Orders(Client):
    """One sequence of orders, one after the other on a connection that is kept.

    Args:
        target: where they go.
        run: what their ids begin with.
        pause: seconds between an answer and the next order.
    """

    def __init__(self, target: Target, run: str, pause: float = ORDER_PAUSE_SECONDS) -> None:
        super().__init__()
        self._target = target
        self._prefix = f"{run}-{secrets.token_hex(3)}"
        self._pause = pause
        self.statuses: dict[str, int] = {}

    def visit(self) -> None:
        """See `Client.visit`."""
        with closing(self._target.connect()) as connection:
            while not self.stopping.wait(self._pause):
                order = f"{self._prefix}-{len(self.statuses)}"
                answer, _ = ask(connection, self._target.host, "POST", "/orders", {"id": order})
                self.statuses[order] = answer.status
                self.underway.set()


def ask(
    connection: http.client.HTTPConnection,
    host: str,
    method: str,
    path: str,
    body: Mapping[str, str] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Answer, dict[str, Any]]:
    """Send one request, once.

    Args:
        connection: is closed where there is no answer, and opens itself again for the next one.
        host: the host name that is asked for.
        method, path: of the request.
        body: sent as JSON.
        clock: seconds.

    Returns:
        What came of it, and the JSON object of the answer; empty where it holds none.
    """
    began = clock()
    headers = {"Host": host, "Content-Type": "application/json"}
    try:
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        why = f"{type(error).__name__}: {error}".rstrip(": ")
        return Answer(began, clock(), NO_ANSWER, error=why), {}
    said = _as_object(text)
    return Answer(began, clock(), answer.status, said.get("container", "")), said


def stored_orders(target: Target, run: str) -> list[str]:
    """The ids on the server's side that begin with `run`.

    Raises:
        RuntimeError: it doesn't tell.
    """
    with closing(target.connect()) as connection:
        answer, said = ask(connection, target.host, "GET", f"/orders?prefix={run}-")
    if answer.status != http.HTTPStatus.OK:
        raise RuntimeError(f"the application does not list its orders: {answer}")
    return list(said["orders"])


def compare_orders(sent: Mapping[str, int], stored: Sequence[str]) -> OrdersReport:
    """Hold the two sides against each other.

    Args:
        sent: the status of each id that was sent; 0 where there was no answer.
        stored: the ids that the server has.
    """
    times = Counter(stored)
    unanswered = {order for order, status in sent.items() if status != http.HTTPStatus.CREATED}
    lost = {order for order in sent if not times[order]}
    doubled = {order for order, count in times.items() if count > 1}
    return OrdersReport(
        sent=len(sent),
        answered=len(sent) - len(unanswered),
        lost=tuple(sorted(lost)),
        doubled=tuple(sorted(doubled)),
        wrong=len(unanswered | lost | doubled),
    )


def _as_object(text: bytes) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
