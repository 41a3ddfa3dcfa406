"""How many requests a visitor loses while releases change, and what becomes of open streams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.baseline import Baseline
from bench.load import Report, under_load
from bench.machine import settle
from bench.subject import ORDERS, Rig, Subject

CHANGES = 10


@dataclass(frozen=True, slots=True)
class Lost:
    """What was lost over a number of changes.

    Args:
        changes: how many changes of each kind there were.
        reports: the load's report of each way to change.
    """

    changes: int
    reports: dict[str, Report]

    def to_json(self) -> dict[str, object]:
        """For machines."""
        reports = {name: report.to_json() for name, report in self.reports.items()}
        return {"changes": self.changes, "ways": reports}

    def to_markdown(self) -> str:
        """For people."""
        lines = [
            f"Requests under steady load, over {self.changes} changes of each kind in a row:",
            "",
            f"| | {' | '.join(self.reports)} |",
            f"|---|{'---:|' * len(self.reports)}",
            self._line("seconds", lambda report: f"{report.seconds:.0f}"),
            self._line("requests", lambda report: str(report.requests)),
            self._line("**lost**", lambda report: f"**{report.lost}**"),
            self._line("lost per change", lambda report: f"{report.lost / self.changes:.0f}"),
            self._line("wrk: statuses from 400 on", lambda report: str(report.wrk.failed)),
            self._line("wrk: socket errors", lambda report: str(report.wrk.socket_errors)),
            self._line(
                "wrk: latency p50 / p99",
                lambda report: f"{report.wrk.p50_ms:.1f} / {report.wrk.p99_ms:.1f} ms",
            ),
            self._line(
                "2-second requests lost",
                lambda report: f"{len(report.slow_lost)} of {len(report.slow)}",
            ),
            self._line(
                "orders lost / doubled",
                lambda report: (
                    f"{len(report.orders.lost)} / {len(report.orders.doubled)} "
                    f"of {report.orders.sent}"
                ),
            ),
            self._line(
                "streams cut off or refused",
                lambda report: f"{len(report.streams_not_told)} of {len(report.streams)}",
            ),
            self._line(
                "streams closed before their container's requests were answered",
                lambda report: str(len(report.streams_closed_early)),
            ),
        ]
        return "\n".join(lines)

    def _line(self, name: str, cell: Callable[[Report], str]) -> str:
        return f"| {name} | {' | '.join(map(cell, self.reports.values()))} |"


def measure(rig: Rig) -> Lost:
    """Roll out, roll back, and change with Compose alone, each under the same load."""
    subject = Subject(rig, ORDERS)
    subject.promote(0)
    subject.deploy()
    prod = str(subject.shown()["host"])
    baseline = Baseline(rig, subject)
    baseline.start(0)

    def rollout(turn: int) -> None:
        subject.promote(turn)
        subject.deploy()

    def rollback(turn: int) -> None:
        del turn
        subject.rollback()

    def compose(turn: int) -> None:
        baseline.change(turn)

    ways: dict[str, tuple[str, Callable[[int], None]]] = {
        "`junov deploy`": (prod, rollout),
        "`junov rollback`": (prod, rollback),
        "`docker compose up -d --wait`": (baseline.host, compose),
    }
    return Lost(CHANGES, {name: _loaded(rig, name, *way) for name, way in ways.items()})


def _loaded(rig: Rig, name: str, host: str, change: Callable[[int], None]) -> Report:
    settle(rig.say)
    with under_load(rig.site.edge_url(), host) as load:
        for turn in range(1, CHANGES + 1):
            change(turn)
            rig.say(f"{name} under load: {turn} of {CHANGES}")
    rig.say(f"{name}: {load.report.lost} of {load.report.requests} requests lost")
    return load.report
