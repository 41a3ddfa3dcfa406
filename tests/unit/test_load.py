"""The load and the benchmark: what they count as lost, and how their figures come about."""

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

from bench import baseline, machine, subject
from bench.clients import Answer, Orders, SlowRequests, Target, compare_orders, stored_orders
from bench.concurrency import Concurrency
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
from bench.subject import Timing
from bench.throwaway import free_port
from bench.wall_time import Compared, WallTime
from bench.wrk import find_wrk, parse_wrk, wrk_argv
from junov.config.project import read_project
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


def test_the_seconds_of_a_deploy_are_those_of_its_steps() -> None:
    lines = [
        {"event": "started", "step": "web", "title": "Start web"},
        {"event": "line", "step": "web", "text": "Creating"},
        {"event": "done", "step": "web", "seconds": 2.5, "note": ""},
        {"event": "done", "step": "drain", "seconds": 1.5, "note": ""},
        {"event": "result", "release": 2},
    ]
    steps = subject.steps_of("\n".join(map(json.dumps, lines)))
    assert steps == {"web": 2.5, "drain": 1.5}
    timing = Timing(wall=5, steps=steps)
    assert (timing.waited, timing.worked) == (1.5, 3.5), "waiting for others does not count"


def test_the_stack_of_compose_alone_runs_the_same_image_with_everything_labelled() -> None:
    model = {
        "services": {
            "web": {"build": {"target": "release"}, "environment": {"A": "1"}, "healthcheck": {}},
            "db": {"image": "postgres:15-bookworm", "labels": {"own": "1"}},
        },
        "volumes": {"data": None},
        "networks": {"default": {"name": "notes_default"}},
    }
    stack = baseline.with_image(
        model, name="notes-compose", image="r@sha256:1", variables={"B": "2"}, labels={"run": "x"}
    )
    assert stack["services"]["web"] == {
        "image": "r@sha256:1",
        "environment": {"A": "1", "B": "2"},
        "healthcheck": {},
        "labels": {"run": "x"},
    }
    assert stack["services"]["db"]["image"] == "postgres:15-bookworm"
    assert stack["services"]["db"]["labels"] == {"own": "1", "run": "x"}
    assert stack["volumes"] == {"data": {"name": "notes-compose_data", "labels": {"run": "x"}}}
    assert stack["networks"]["default"] == {"name": "notes-compose", "external": True}


def test_compose_alone_reads_the_files_of_production() -> None:
    notes = read_project(subject.NOTES.source)
    argv = baseline.config_argv(["docker", "compose"], notes)
    names = [Path(word).name for word in argv if word.startswith("/")]
    assert names == ["base.env", "prod.env", "compose.yaml", "compose.prod.yaml"]
    assert baseline.up_argv(["docker-compose"], Path("s.yaml"), wait=True) == [
        *("docker-compose", "--file", "s.yaml", "up", "--detach", "--wait")
    ]


@pytest.mark.parametrize("application", [subject.ORDERS, subject.NOTES])
def test_the_change_of_an_application_can_be_made(application: subject.Application) -> None:
    assert application.change[0] in (application.source / application.file).read_text()


def test_a_machine_is_as_busy_as_its_cores() -> None:
    before, after = "cpu  100 0 100 700 100 0 0 0 0 0\n", "cpu  150 0 150 750 150 0 0 0 0 0\n"
    assert machine.busy_part(before, after) == pytest.approx(0.5)
    assert machine.busy_part(before, before) == 0


def test_the_processor_has_a_name_where_the_kernel_tells_one() -> None:
    assert machine.processor("processor\t: 0\nmodel name\t: Xeon 9\n") == "Xeon 9"
    assert machine.processor("processor\t: 0\nBogoMIPS\t: 50\n") == os.uname().machine


def test_the_tables_have_the_ratios() -> None:
    timings = tuple(Timing(wall, {"web": wall - 1, "observe": 1.0}) for wall in (3.0, 5.0, 4.0))
    compared = Compared("bench/app", timings, (6.0, 5.0, 7.0), (0.0,))
    assert compared.ratio == pytest.approx(3 / 6), "medians, and the observing not counted"
    assert (
        "| bench/app | 3.00 s | 1.00 s | 6.00 s | **0.50** |" in WallTime((compared,)).to_markdown()
    )

    together = Concurrency(timings, timings, together=5.5, cores=2, healthy=3)
    assert together.ratio == pytest.approx((5.5 - 1) / ((2 + 4 + 3) / 2))
    assert "**1.00**" in together.to_markdown()

    lost = Lost(10, {"`junov deploy`": report_of({"a": 201, "b": 502})})
    assert "| `junov deploy` | 60 | 3094 | **1** | 0 | 0 |" in lost.to_markdown()
