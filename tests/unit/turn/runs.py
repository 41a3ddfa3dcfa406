"""Runs that want a turn, in this process and in others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from junov.delivery.turn import turn
from junov.environments import Environment, Ref, identify
from junov.errors import SupersededError
from junov.git import Commitish
from junov.site import Site
from junov.steps import Steps

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PROD = Environment(
    identity=identify("notes", "prod"),
    kind="prod",
    tier="production",
    ref=Ref("branch", "main"),
    host="notes.example.com",
    image_tag="main",
    expires=None,
)
LOCK = f"{PROD.identity.lock}.lock"
HOLDER = f"{PROD.identity.lock}.holder"

RUN = """
import sys
from datetime import datetime
from pathlib import Path

from junov.cli.boundary import guarded
from junov.config.home import Home
from junov.delivery.turn import turn
from junov.environments import Ref
from junov.git import Commitish
from junov.site import Site
from junov.steps import Steps

home, purpose, *about = sys.argv[1:]
site = Site(Home(Path(home)))

class Printed:
    def line(self, step, text):
        print(text, flush=True)

def run():
    commit = None
    if about:
        commit = Commitish(
            Ref("branch", "main"), about[0], datetime.fromisoformat(about[1]), "", ""
        )
    environment = site.journal.environment("notes", "prod").environment
    with turn(site, environment, purpose=purpose, steps=Steps(Printed()), commit=commit):
        print("runs", flush=True)
        sys.stdin.readline()

sys.exit(guarded(run))
"""


def commit(number: int, letter: str = "") -> Commitish:
    """A commit that is the newer the greater its number is, and its hash the smaller."""
    name = (letter or "fedcba9876"[number]) * 40
    return Commitish(Ref("branch", "main"), name, NOON + timedelta(seconds=number), "", "")


class Run:
    """A process that takes a turn, and keeps it until it is told to go on."""

    def __init__(self, home: Path, purpose: str, about: Commitish | None) -> None:
        said = [about.commit, about.committed_at.isoformat()] if about else []
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(home), purpose, *said],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def says(self, text: str) -> str:
        """Wait until it says something; the line."""
        assert self.process.stdout
        before = []
        for line in self.process.stdout:
            if text in line:
                return line
            before.append(line)
        raise AssertionError(f"it ended without {text!r}, but with:\n{''.join(before)}")

    def go_on(self) -> None:
        """Let it leave its turn, now or as soon as it gets there."""
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> tuple[int, str]:
        """Let it go on, and wait for its end: its exit code and what it said that wasn't read."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        # Not `communicate`, which knows nothing of what was read ahead.
        with self.process.stdout as stdout:
            said = stdout.read()
        return self.process.wait(), said

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        self.process.kill()
        self.end()


Start = Callable[[Commitish | None], Run]


class Meanwhile:
    """A `Progress` that does something as soon as there is waiting."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.act = act

    def line(self, step: str, text: str) -> None:
        assert step == "lock"
        assert text.startswith("waiting for ")
        self.act()


def steps(act: Callable[[], None] = lambda: pytest.fail("it waited")) -> Steps:
    return Steps(Meanwhile(act))  # type: ignore[arg-type]  # a turn shows nothing but lines


def left(site: Site) -> set[str]:
    return {path.name for path in site.home.locks_folder.iterdir()}


def taken(site: Site, mine: Commitish, meanwhile: Callable[[], None]) -> str:
    """How a deploy ends that has to wait, while something happens."""
    try:
        with turn(site, PROD, purpose="my deploy", steps=steps(meanwhile), commit=mine):
            return "it ran"
    except SupersededError as error:
        return error.message
