"""The load: what it counts as lost, and what its visitors see of the application."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from bench.clients import Answer, Orders, SlowRequests, Target, compare_orders, stored_orders
from bench.load import Load, Report
from bench.lost_requests import Lost
from bench.streams import (
    TEXT,
    End,
    Events,
    Stream,
    Watcher,
    WebSocket,
    closed_early,
    masked_frame,
    read_frame,
)
from bench.throwaway import free_port
from bench.wrk import find_wrk, parse_wrk, wrk_argv
from junov.errors import UnavailableError
from tests.waiting import until

APPLICATION = Path(__file__).resolve().parents[2] / "bench" / "app"

QUIET = """\
Running 120m test @ http://127.0.0.1:18080/
  2 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   510.07us  633.27us   8.60ms   93.40%
    Req/Sec   388.02     21.09   404.00     82.50%
  Latency Distribution
     50%  354.00us
     75%  596.00us
     90%    0.94ms
     99%    3.15ms
  3092 requests in 4.01s, 685.43KB read
Requests/sec:    771.78
Transfer/sec:    171.09KB
"""
BROKEN = QUIET.replace(
    "Requests/sec",
    "  Socket errors: connect 1, read 20, write 300, timeout 4\n"
    "  Non-2xx or 3xx responses: 55\nRequests/sec",
).replace("3.15ms", "1.20s")


def test_what_wrk_leaves_out_did_not_happen() -> None:
    report = parse_wrk(QUIET)
    assert (report.requests, report.seconds, report.p99_ms) == (3092, 4.01, 3.15)
    assert report.p50_ms == pytest.approx(0.354)
    assert report.lost == 0


def test_every_error_of_wrk_is_a_lost_request() -> None:
    report = parse_wrk(BROKEN)
    assert (report.connect, report.read, report.write, report.timeout) == (1, 20, 300, 4)
    assert report.failed == 55
    assert report.lost == 1 + 20 + 300 + 4 + 55
    assert report.p99_ms == 1200


def test_what_is_no_report_is_not_taken_for_one() -> None:
    with pytest.raises(ValueError, match="Connection refused"):
        parse_wrk("unable to connect to 127.0.0.1:1 Connection refused\n")


def test_wrk_asks_for_the_environment_and_ends_with_us() -> None:
    argv = wrk_argv("/usr/bin/wrk", "http://127.0.0.1:8088/", "notes.localhost", 20)
    assert argv[:4] == ["setpriv", "--pdeathsig", "INT", "/usr/bin/wrk"]
    assert argv[argv.index("--header") + 1] == "Host: notes.localhost"
    assert int(argv[argv.index("--connections") + 1]) >= 16
    assert argv[-3:] == ["http://127.0.0.1:8088/", "--", "20"]


def test_without_wrk_and_without_root_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UnavailableError) as caught:
        find_wrk()
    assert "the package `wrk`" in caught.value.remedy


@pytest.mark.parametrize(
    ("status", "stored", "lost", "doubled", "wrong"),
    [
        (201, ["a"], 0, 0, 0),
        (201, [], 1, 0, 1),
        (201, ["a", "a"], 0, 1, 1),
        (502, [], 1, 0, 1),
        (0, ["a"], 0, 0, 1),  # done, but whoever ordered was told otherwise
        (0, ["a", "a"], 0, 1, 1),
    ],
)
def test_orders_are_counted_on_both_sides(
    status: int, stored: list[str], lost: int, doubled: int, wrong: int
) -> None:
    report = compare_orders({"a": status, "b": 201}, [*stored, "b"])
    assert (report.sent, report.answered) == (2, 1 + (status == 201))
    assert (len(report.lost), len(report.doubled), report.wrong) == (lost, doubled, wrong)


def slow(began: float, ended: float, container: str = "old", status: int = 200) -> Answer:
    return Answer(began, ended, status, container)


def stream(closed: float, end: End = "told", container: str = "old") -> Stream:
    return Stream("events", container, 0, closed, end)


@pytest.mark.parametrize(
    ("watched", "requests", "early"),
    [
        (stream(5), [slow(2, 4)], False),
        (stream(3), [slow(2, 4)], True),
        (stream(3, "cut"), [slow(2, 4)], True),
        (stream(3), [slow(2, 4, "new")], False),
        (stream(3, "open"), [slow(2, 4)], False),  # closed by the load itself
        (stream(1), [slow(2, 4)], False),
    ],
)
def test_a_stream_is_closed_early_while_its_container_has_requests_to_answer(
    watched: Stream, requests: list[Answer], early: bool
) -> None:
    assert closed_early([watched], requests) == ([watched] if early else [])


def report_of(orders: dict[str, int], wrk: str = QUIET, answers: tuple[Answer, ...] = ()) -> Report:
    stored = [order for order, status in orders.items() if status == 201]
    compared = compare_orders(orders, stored)
    return Report(60, parse_wrk(wrk), answers, compared, (stream(3, "cut"),))


def test_a_request_that_any_visitor_lost_counts() -> None:
    report = report_of({"a": 201, "b": 0}, BROKEN, (slow(1, 3), slow(1, 3, "", 502)))
    assert report.lost == parse_wrk(BROKEN).lost + 1 + 1
    assert report.requests == 3092 + 2 + 2
    shown = json.loads(json.dumps(report.to_json()))
    assert shown["slow"]["statuses"] == {"200": 1, "502": 1}
    assert shown["streams"]["ends"] == {"events cut": 1}


def test_there_is_no_report_while_the_load_is_on() -> None:
    with pytest.raises(RuntimeError, match="still on"):
        _ = Load().report


def test_frames_of_a_websocket() -> None:
    for length in (5, 300):
        text = b"x" * length
        head = bytes([0x81, length]) if length < 126 else b"\x81\x7e\x01\x2c"
        assert read_frame(BytesIO(head + text)) == (TEXT, text)
        sent = masked_frame(TEXT, text)
        mask, masked = sent[-length - 4 : -length], sent[-length:]
        assert bytes(byte ^ mask[at % 4] for at, byte in enumerate(masked)) == text


class Served:
    """The application, as a process of this machine."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.port = free_port()
        self.target = Target(f"http://127.0.0.1:{self.port}", "orders.localhost")
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        self.process = subprocess.Popen(
            [sys.executable, str(APPLICATION / "app.py")],
            env={**os.environ, "PORT": str(self.port), "DATA": str(self._data)},
            stdout=subprocess.DEVNULL,
        )
        ask = [sys.executable, str(APPLICATION / "app.py"), "healthy"]
        environ = {**os.environ, "PORT": str(self.port)}
        until(
            lambda: (
                not subprocess.run(ask, env=environ, capture_output=True, check=False).returncode
            ),
            "it answers",
        )
        return self.process

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(timeout=30)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.end(signal.SIGKILL)


def visitors(target: Target) -> tuple[SlowRequests, Orders, Watcher, Watcher]:
    """One of each kind, all of them under way."""
    all_of_them = (
        SlowRequests(target, every=0.1, seconds=1),
        Orders(target, "run"),
        Events(target),
        WebSocket(target),
    )
    for each in all_of_them:
        each.start()
    for each in all_of_them:
        assert each.underway.wait(30)
    return all_of_them


def test_nobody_loses_anything_where_nothing_happens(served: Served) -> None:
    everybody = slow_requests, orders, *watchers = visitors(served.target)
    for each in everybody:
        each.finish()
    assert {answer.status for answer in slow_requests.answers} == {200}
    assert {answer.container for answer in slow_requests.answers} == {os.uname().nodename}
    compared = compare_orders(orders.statuses, stored_orders(served.target, "run"))
    assert compared.sent > 0
    assert compared.wrong == 0
    assert [each.end for watcher in watchers for each in watcher.streams] == ["open", "open"]


def test_a_gap_is_seen_by_everybody_and_requests_in_flight_are_answered(served: Served) -> None:
    everybody = slow_requests, orders, *watchers = visitors(served.target)
    told = time.monotonic()
    assert served.end(signal.SIGTERM) == 0, "it ends by itself when everything is answered"
    until(
        lambda: any("refused" in answer.error for answer in slow_requests.answers),
        "a request came into the gap",
    )
    served.start()
    for each in everybody:
        each.finish()
    in_flight = [each for each in slow_requests.answers if each.began < told < each.ended]
    assert 200 in {answer.status for answer in in_flight}
    compared = compare_orders(orders.statuses, stored_orders(served.target, "run"))
    assert compared.wrong == len(compared.lost) > 0
    assert compared.doubled == ()
    for watcher in watchers:
        first, *others = watcher.streams
        assert first.end == "told"
        assert "refused" in {each.end for each in others}
        assert closed_early([first], slow_requests.answers) == [first]


def test_what_is_killed_cuts_its_streams_off(served: Served) -> None:
    everybody = slow_requests, _, *watchers = visitors(served.target)
    served.end(signal.SIGKILL)
    for watcher in watchers:
        until(lambda watcher=watcher: bool(watcher.streams), "its end is seen")  # type: ignore[misc]
    for each in everybody:
        each.finish()
    assert [watcher.streams[0].end for watcher in watchers] == ["cut", "cut"]
    assert 0 in {answer.status for answer in slow_requests.answers}


def test_the_table_has_what_each_way_to_change_loses() -> None:
    reports = {"`junov deploy`": report_of({"a": 201}), "other": report_of({"a": 502, "b": 0})}
    table = Lost(2, reports).to_markdown()
    assert "| | `junov deploy` | other |" in table
    assert "| **lost** | **0** | **2** |" in table
    assert "| orders lost / doubled | 0 / 0 of 1 | 2 / 0 of 2 |" in table
