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
            f"Lost requests, over {self.changes} changes of each kind in a row under load:",
            "",
            "| | seconds | requests | lost | statuses ≥ 400 | socket errors | slow requests lost "
            "| orders lost / doubled | streams cut or refused | closed before slow requests "
            "| p50 / p99 ms |",
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        ]
        for name, report in self.reports.items():
            wrk, orders = report.wrk, report.orders
            lines.append(
                f"| {name} | {report.seconds:.0f} | {report.requests} | **{report.lost}** "
                f"| {wrk.failed} | {wrk.socket_errors} "
                f"| {len(report.slow_lost)} of {len(report.slow)} "
                f"| {len(orders.lost)} / {len(orders.doubled)} of {orders.sent} "
                f"| {len(report.streams_not_told)} of {len(report.streams)} "
                f"| {len(report.streams_closed_early)} "
                f"| {wrk.p50_ms:.1f} / {wrk.p99_ms:.1f} |"
            )
        return "\n".join(lines)


def measure(rig: Rig) -> Lost:
    """Roll out, roll back, and change with Compose alone, each under the same load."""
    subject = Subject(rig, ORDERS)
    subject.promote(0)
    subject.deploy()
    prod = subject.shown()["host"]
    baseline = Baseline(rig, subject)
    baseline.start(0)

    def rollout(turn: int) -> None:
        subject.promote(turn)
        subject.deploy()

    def rollback(turn: int) -> None:
        del turn
        subject.rollback()

    def compose(turn: int) -> None:
        baseline.change(turn, wait=False)

    ways: dict[str, tuple[str, Callable[[int], None]]] = {
        "`junov deploy`": (prod, rollout),
        "`junov rollback`": (prod, rollback),
        "`docker compose up -d`": (baseline.host, compose),
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
