"""How fast an environment gets a fresh database, small or large, and whether anybody notices."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import closing
from dataclasses import dataclass, replace
from statistics import median

from bench.clients import Client, Target, ask
from bench.machine import settle
from bench.subject import NOTES, Application, Rig, Subject, Timing

RESETS = 3
GIGABYTE_ROWS = 250_000
FILLING = ("database", "migrate", "fixtures")
_RELOAD_SECONDS = 0.02
# Notes of 4 kB that no compression makes smaller, stored as the example's own fixtures are: one by
# one, by the application's own code. As objects in batches it takes a quarter of that or less.
_LARGE = """
        for _ in range(ROWS):
            store.add(session, secrets.token_hex(1920)).words = 1
        session.commit()
""".replace("ROWS", str(GIGABYTE_ROWS))


class Reloads(Client):
    """Somebody who reloads a page all the time.

    Args:
        target: whose page.
    """

    def __init__(self, target: Target) -> None:
        super().__init__()
        self._target = target
        self.statuses: list[int] = []
        self.longest = 0.0

    def visit(self) -> None:
        """See `Client.visit`."""
        while not self.stopping.wait(_RELOAD_SECONDS):
            with closing(self._target.connect()) as connection:
                answer, _ = ask(connection, self._target.host, "GET", "/notes?limit=1")
            self.statuses.append(answer.status)
            self.longest = max(self.longest, answer.ended - answer.began)
            self.underway.set()


@dataclass(frozen=True, slots=True)
class FreshData:
    """Fresh databases of one application.

    Args:
        name: of the application, with how much it has.
        from_nothing: seconds of migrations and fixtures, when the data was made first.
        branch: seconds that another branch of the same commit waited for the same data.
        resets: each `junov reset`.
        requests: how many a visitor has made meanwhile.
        refused: how many of them were answered with anything but 200.
        longest: seconds of the longest answer.
    """

    name: str
    from_nothing: float
    branch: float
    resets: tuple[Timing, ...]
    requests: int
    refused: int
    longest: float

    @property
    def reset(self) -> float:
        """The median of the resets, without the steps that wait for others."""
        return median(each.worked for each in self.resets)

    def to_json(self) -> dict[str, object]:
        """For machines; seconds."""
        return {
            "application": self.name,
            "from_nothing": round(self.from_nothing, 2),
            "new_branch": round(self.branch, 3),
            "new_branch_ratio": round(self.from_nothing / self.branch, 1),
            "reset": [round(each.worked, 2) for each in self.resets],
            "reset_steps": [
                {name: round(seconds, 2) for name, seconds in each.steps.items()}
                for each in self.resets
            ],
            "reset_ratio": round(self.from_nothing / self.reset, 1),
            "requests": self.requests,
            "refused": self.refused,
            "longest_answer": round(self.longest, 2),
        }


@dataclass(frozen=True, slots=True)
class AllFreshData:
    """Those of each application."""

    measured: tuple[FreshData, ...]

    def to_json(self) -> list[dict[str, object]]:
        """For machines."""
        return [each.to_json() for each in self.measured]

    def to_markdown(self) -> str:
        """For people."""
        lines = [
            f"Fresh databases. *From nothing* is the steps {', '.join(FILLING)} of the first "
            "deploy; *a new branch* the same steps of another branch's first deploy of the same "
            f"commit; *reset* all of `junov reset` but `observe` and `drain`, median of {RESETS}, "
            "while somebody reloads a page:",
            "",
            "| | from nothing | a new branch | reset | requests meanwhile | refused | longest |",
            "|---|---:|---:|---:|---:|---:|---:|",
        ]
        lines += [
            f"| {each.name} | {each.from_nothing:.2f} s "
            f"| {each.branch * 1000:.0f} ms (1/{each.from_nothing / each.branch:.0f}) "
            f"| {each.reset:.2f} s (1/{each.from_nothing / each.reset:.1f}) "
            f"| {each.requests} | **{each.refused}** | {each.longest:.2f} s |"
            for each in self.measured
        ]
        return "\n".join(lines)


def measure(rig: Rig) -> AllFreshData:
    """Fill, branch off and reset: the example as it is, and with a gigabyte of notes."""
    return AllFreshData((_measured(rig, NOTES), _measured(rig, _large(rig))))


def _large(rig: Rig) -> Application:
    """The example, whose fixtures are a gigabyte."""
    source = shutil.copytree(NOTES.source, rig.folder / "source" / "large")
    file = source / "src" / "notes" / "fixtures.py"
    text = file.read_text(encoding="utf-8")
    text = text.replace("        session.commit()\n", f"        session.commit(){_LARGE}", 1)
    text = text.replace("import logging\n", "import logging\nimport secrets\n", 1)
    file.write_text(text, encoding="utf-8")
    return replace(NOTES, name="examples/notes with 1 GB", source=source)


def _measured(rig: Rig, application: Application) -> FreshData:
    subject = Subject(rig, application)
    subject.promote(0, "dev")
    first = subject.deploy("dev")
    subject.promote(0, "feature/branch")
    settle(rig.say)
    branch = subject.deploy("feature/branch")
    subject.shell("junov", "env", "rm", "feature/branch", "--yes")
    resets = []
    visitor = Reloads(Target(rig.site.edge_url(), str(subject.shown("stage")["host"])))
    settle(rig.say)
    visitor.start()
    visitor.underway.wait()
    try:
        for turn in range(1, RESETS + 1):
            # What the one before has written is on the disk: a reset seldom follows on another.
            os.sync()
            settle(rig.say)
            began = time.monotonic()
            resets.append(subject.reset("stage"))
            took = time.monotonic() - began
            rig.say(f"{application.name}: reset {turn} of {RESETS}: {took:.1f} s")
    finally:
        visitor.finish()
    return FreshData(
        name=application.name,
        from_nothing=_filling(first),
        branch=_filling(branch),
        resets=tuple(resets),
        requests=len(visitor.statuses),
        refused=sum(status != 200 for status in visitor.statuses),
        longest=visitor.longest,
    )


def _filling(timing: Timing) -> float:
    return sum(timing.steps.get(name, 0.0) for name in FILLING)
