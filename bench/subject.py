"""What is delivered in a measurement: an application with two commits, built and tested."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.throwaway import make_repository
from junov.site import Site

ROOT = Path(__file__).resolve().parent.parent

WAITING_STEPS = ("observe", "drain")
"""Steps of a deploy that wait for others: for old requests to end, for new containers to prove
themselves. They are as long as junov.yaml allows, so they are told apart."""


@dataclass(frozen=True, slots=True)
class Rig:
    """Where measurements are made.

    Args:
        site: a server of this run's own.
        folder: for the applications' repositories.
        environ: the variables of a shell that works with the server.
        say: shows a line of progress.
    """

    site: Site
    folder: Path
    environ: dict[str, str]
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Application:
    """An application that can be delivered.

    Args:
        name: its name in tables.
        source: its folder.
        file: the file whose change makes the second commit.
        change: what is replaced in it, and by what.
    """

    name: str
    source: Path
    file: str
    change: tuple[str, str]


ORDERS = Application(
    "bench/app", ROOT / "bench" / "app", "app.py", ('VERSION = "1"', 'VERSION = "2"')
)
NOTES = Application(
    "examples/notes",
    ROOT / "examples" / "notes",
    "src/notes/__init__.py",
    ("a small web application", "a small but changed web application"),
)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one delivery took.

    Args:
        wall: seconds from the command's start to its end.
        steps: seconds of each step, by name.
    """

    wall: float
    steps: Mapping[str, float]

    @property
    def waited(self) -> float:
        """Seconds of the steps that wait for others."""
        return sum(self.steps.get(name, 0.0) for name in WAITING_STEPS)

    @property
    def worked(self) -> float:
        """Seconds of everything else."""
        return self.wall - self.waited


class Subject:
    """An application in a repository of its own, with two commits that are built and tested.

    Args:
        rig: where.
        application: which.
    """

    def __init__(self, rig: Rig, application: Application) -> None:
        self.application = application
        folder = rig.folder / application.source.name
        rig.say(f"{application.name}: building and testing two commits")
        self.shell = make_repository(application.source, folder, secrets.token_hex(3), rig.environ)
        first = self.shell("git", "rev-parse", "HEAD").strip()
        file = folder / application.file
        text = file.read_text(encoding="utf-8")
        if application.change[0] not in text:
            raise ValueError(f"{file} has no {application.change[0]!r}")
        file.write_text(text.replace(*application.change), encoding="utf-8")
        self.commits = (first, self.shell.commit("A change"))
        # Nothing is checked out, so that branches can be moved.
        self.shell("git", "checkout", "--quiet", "--detach")
        self.images = {commit: self._build(commit) for commit in self.commits}

    def commit_of(self, turn: int) -> str:
        """The commit of a turn: the two alternate."""
        return self.commits[turn % 2]

    def promote(self, turn: int, ref: str = "main") -> None:
        """Point a branch at a turn's commit, and promote its image for it."""
        self.shell("git", "branch", "--force", ref, self.commit_of(turn))
        self.shell("junov", "promote", ref)

    def deploy(self, ref: str = "main") -> Timing:
        """Deploy a branch; how long that took."""
        return self._timed("junov", "deploy", ref, "--json")

    def rollback(self, environment: str = "prod") -> Timing:
        """Go back to the release that was delivered before this one; how long that took.

        By its number: without one, rollbacks in a row would come to releases too old to be kept.
        """
        before = str(self.shown(environment)["release"] - 1)
        return self._timed("junov", "rollback", environment, "--to", before, "--yes", "--json")

    def reset(self, environment: str) -> Timing:
        """Give an environment a fresh database; how long that took."""
        return self._timed("junov", "reset", environment, "--yes", "--json")

    def shown(self, environment: str = "prod") -> dict[str, Any]:
        """What junov says of an environment."""
        view: dict[str, Any] = json.loads(self.shell("junov", "env", "show", environment, "--json"))
        return view

    def _build(self, commit: str) -> str:
        self.shell("git", "branch", "--force", "main", commit)
        said = self.shell("junov", "build", "main", "--json")
        self.shell("junov", "test", "main")
        return str(json.loads(said.splitlines()[-1])["image"])

    def _timed(self, *argv: str) -> Timing:
        began = time.monotonic()
        said = self.shell(*argv)
        return Timing(time.monotonic() - began, steps_of(said))


def steps_of(lines: str) -> dict[str, float]:
    """The seconds of each step, from the JSON lines of a command; those of one name are added."""
    seconds: dict[str, float] = {}
    for line in lines.splitlines():
        event = json.loads(line)
        if event.get("event") == "done":
            seconds[event["step"]] = seconds.get(event["step"], 0.0) + event["seconds"]
    return seconds
