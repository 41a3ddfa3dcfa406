"""How long a change takes from the promoted image on, against `docker compose up -d --wait`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from bench.baseline import Baseline
from bench.machine import settle
from bench.subject import NOTES, ORDERS, WAITING_STEPS, Application, Rig, Subject, Timing

CHANGES = 5


@dataclass(frozen=True, slots=True)
class Compared:
    """The same changes of one application, both ways.

    Args:
        application: its name.
        junov: each `junov deploy`.
        compose: seconds of each `docker compose up -d --wait`.
        busy: which part of the cores was busy with something else, before each of them.
    """

    application: str
    junov: tuple[Timing, ...]
    compose: tuple[float, ...]
    busy: tuple[float, ...]

    @property
    def worked(self) -> float:
        """The median of junov's seconds, without the steps that wait for others."""
        return median(timing.worked for timing in self.junov)

    @property
    def ratio(self) -> float:
        """junov's median by Compose's."""
        return self.worked / median(self.compose)

    @property
    def steps(self) -> dict[str, float]:
        """The median of each step, and of what was spent outside of any."""
        names = list(dict.fromkeys(name for timing in self.junov for name in timing.steps))
        steps = {name: median(t.steps.get(name, 0.0) for t in self.junov) for name in names}
        outside = median(timing.wall - sum(timing.steps.values()) for timing in self.junov)
        return {**steps, "start and end of the command": outside}

    def to_json(self) -> dict[str, object]:
        """For machines; seconds."""
        return {
            "application": self.application,
            "junov": {
                "wall": _rounded(timing.wall for timing in self.junov),
                "waited": _rounded(timing.waited for timing in self.junov),
                "median": round(self.worked, 2),
                "steps": {name: round(seconds, 3) for name, seconds in self.steps.items()},
            },
            "compose": {
                "wall": _rounded(self.compose),
                "median": round(median(self.compose), 2),
            },
            "ratio": round(self.ratio, 2),
            "busy_before": _rounded(self.busy),
        }


@dataclass(frozen=True, slots=True)
class WallTime:
    """The comparison for each application."""

    compared: tuple[Compared, ...]

    def to_json(self) -> list[dict[str, object]]:
        """For machines."""
        return [each.to_json() for each in self.compared]

    def to_markdown(self) -> str:
        """For people: the comparison, and where junov's time goes."""
        waits = " and ".join(f"`{name}`" for name in WAITING_STEPS)
        lines = [
            f"Time of a change, image promoted, median of {CHANGES}, the two in turns. "
            f"The steps {waits}, which wait for others, are not counted:",
            "",
            "| | `junov deploy` | not counted | `docker compose up -d --wait` | ratio |",
            "|---|---:|---:|---:|---:|",
        ]
        for each in self.compared:
            waited = median(timing.waited for timing in each.junov)
            lines.append(
                f"| {each.application} | {each.worked:.2f} s | {waited:.2f} s "
                f"| {median(each.compose):.2f} s | **{each.ratio:.2f}** |"
            )
        names = list(dict.fromkeys(name for each in self.compared for name in each.steps))
        busy = median(part for each in self.compared for part in each.busy)
        lines += [
            "",
            f"Before a change, {busy:.0%} of the cores were busy with something else (median).",
            "",
            "The steps of `junov deploy`, medians in seconds:",
            "",
            f"| step | {' | '.join(each.application for each in self.compared)} |",
            f"|---|{'---:|' * len(self.compared)}",
        ]
        for name in names:
            cells = (f"{each.steps.get(name, 0.0):.2f}" for each in self.compared)
            lines.append(f"| {name} | {' | '.join(cells)} |")
        return "\n".join(lines)


def measure(rig: Rig) -> WallTime:
    """Compare both ways for the small application and for the example."""
    return WallTime(tuple(_compare(rig, application) for application in (ORDERS, NOTES)))


def _compare(rig: Rig, application: Application) -> Compared:
    subject = Subject(rig, application)
    subject.promote(0)
    subject.deploy()
    baseline = Baseline(rig, subject)
    baseline.start(0)
    junov, compose, busy = [], [], []
    for turn in range(1, CHANGES + 1):
        subject.promote(turn)
        busy.append(settle(rig.say))
        junov.append(subject.deploy())
        busy.append(settle(rig.say))
        compose.append(baseline.change(turn))
        rig.say(
            f"{application.name}, {turn} of {CHANGES}: junov deploy {junov[-1].worked:.2f} s, "
            f"docker compose up -d --wait {compose[-1]:.2f} s"
        )
    return Compared(application.name, tuple(junov), tuple(compose), tuple(busy))


def _rounded(seconds: Iterable[float]) -> list[float]:
    return [round(each, 2) for each in seconds]
