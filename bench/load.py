"""The load under which deliveries are measured.

    with under_load(site.edge_url(), "orders.localhost") as load:
        ...  # a rollout
    assert load.report.lost == 0, load.report.to_json()

It is made of wrk on 16 connections, slow requests of which eight are always in flight, orders that
are counted on both sides, and two streams that stay open. It asks the application in `bench/app`,
and sends nothing a second time.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

from bench.clients import (
    ORDER_THREADS,
    Answer,
    Client,
    Orders,
    OrdersReport,
    SlowRequests,
    Target,
    compare_orders,
    stored_orders,
)
from bench.streams import Events, Stream, Watcher, WebSocket, closed_early
from bench.wrk import PAUSE_MS, WrkReport, running_wrk

START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Report:
    """What became of everything that was asked.

    Args:
        seconds: for how long the load was on.
        wrk: what wrk counted.
        slow: the slow requests, in the order in which they ended.
        orders: the orders, as both sides count them.
        streams: the streams, as they ended.
    """

    seconds: float
    wrk: WrkReport
    slow: tuple[Answer, ...]
    orders: OrdersReport
    streams: tuple[Stream, ...]

    @property
    def requests(self) -> int:
        """How many requests were made, streams not counted."""
        return self.wrk.requests + len(self.slow) + self.orders.sent

    @property
    def slow_lost(self) -> tuple[Answer, ...]:
        """Slow requests that were not answered with 200."""
        return tuple(answer for answer in self.slow if answer.status != HTTPStatus.OK)

    @property
    def lost(self) -> int:
        """How many requests a visitor would have noticed; 0 is what a delivery has to show."""
        return self.wrk.lost + len(self.slow_lost) + self.orders.wrong

    @property
    def streams_not_told(self) -> tuple[Stream, ...]:
        """Streams that were cut off or refused."""
        return tuple(stream for stream in self.streams if stream.end in ("cut", "refused"))

    @property
    def streams_closed_early(self) -> tuple[Stream, ...]:
        """Streams that were closed before the slow requests of the same container were answered."""
        return tuple(closed_early(self.streams, self.slow))

    def to_json(self) -> dict[str, object]:
        """For machines: every number, and of what went wrong a few examples."""
        return {
            "seconds": round(self.seconds, 1),
            "requests": self.requests,
            "lost": self.lost,
            "wrk": self.wrk.to_json(),
            "slow": {
                "sent": len(self.slow),
                "lost": len(self.slow_lost),
                "statuses": dict(Counter(str(answer.status) for answer in self.slow)),
                "errors": _examples(answer.error for answer in self.slow_lost),
            },
            "orders": {
                "sent": self.orders.sent,
                "answered": self.orders.answered,
                "lost": len(self.orders.lost),
                "doubled": len(self.orders.doubled),
                "wrong": self.orders.wrong,
            },
            "streams": {
                "ends": dict(Counter(f"{each.kind} {each.end}" for each in self.streams)),
                "closed_early": len(self.streams_closed_early),
                "errors": _examples(stream.error for stream in self.streams_not_told),
            },
        }


class Load:
    """A load that is on, and afterwards its report."""

    def __init__(self) -> None:
        self._report: Report | None = None

    @property
    def report(self) -> Report:
        """What came of it, once the block has ended.

        Raises:
            RuntimeError: it has not.
        """
        if self._report is None:
            raise RuntimeError("the load is still on: its report is made when its block ends")
        return self._report

    def ended(self, report: Report) -> None:
        """Keep the report."""
        self._report = report


@contextmanager
def under_load(url: str, host: str, *, pause_ms: int = PAUSE_MS) -> Iterator[Load]:
    """Put an application under load for the length of a block.

    The block begins when every part of the load is under way, and what is in flight at its end is
    awaited before the report is made.

    Args:
        url: where the edge listens, such as `http://127.0.0.1:8080`.
        host: the host name of the environment that is asked.
        pause_ms: milliseconds between an answer and the next request on each of wrk's connections;
            0 for as fast as it can.

    Yields:
        The load; `load.report` after the block.

    Raises:
        UnavailableError: wrk is not there.
        CommandError: wrk could not be installed, or ended by itself.
        RuntimeError: nothing answers, or the application doesn't list its orders.
    """
    target, run, load = Target(url, host), f"load-{secrets.token_hex(4)}", Load()
    orders = [Orders(target, run) for _ in range(ORDER_THREADS)]
    slow, watchers = SlowRequests(target), (Events(target), WebSocket(target))
    with running_wrk(f"{url}/", host, pause_ms) as wrk:
        began = time.monotonic()
        with _visiting([*watchers, slow, *orders]):
            yield load
            seconds, counted = time.monotonic() - began, wrk.stop()
    load.ended(
        Report(
            seconds=seconds,
            wrk=counted,
            slow=slow.answers,
            orders=compare_orders(
                {order: status for each in orders for order, status in each.statuses.items()},
                stored_orders(target, run),
            ),
            streams=_in_order(watchers),
        )
    )


@contextmanager
def _visiting(clients: list[Client]) -> Iterator[None]:
    """All clients under way in the block, and at their end after it."""
    for client in clients:
        client.start()
    try:
        deadline = time.monotonic() + START_SECONDS
        for client in clients:
            if not client.underway.wait(deadline - time.monotonic()):
                raise RuntimeError(f"no answer within {START_SECONDS:g} s, so there is no load")
        yield
    finally:
        for client in clients:
            client.stopping.set()
        for client in clients:
            client.finish()


def _in_order(watchers: tuple[Watcher, ...]) -> tuple[Stream, ...]:
    streams = [stream for watcher in watchers for stream in watcher.streams]
    return tuple(sorted(streams, key=lambda stream: stream.closed))


def _examples(errors: Iterator[str]) -> dict[str, int]:
    """The most frequent reasons, each with how often it came."""
    return dict(Counter(error for error in errors if error).most_common(5))
