"""How a story says what it is doing, while it does it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from junov.errors import JunovError

INTERRUPTED = "interrupted"
"""Why a step failed that a signal ended."""


class Progress(Protocol):
    """Shows steps to whoever waits for them. The command line has one for each kind of output."""

    def stage(self, name: str) -> None:
        """A stage of the pipeline began; the steps that follow are its own."""
        ...

    def started(self, step: str, title: str) -> None:
        """A step began: its name for machines and its title for people."""
        ...

    def line(self, step: str, text: str) -> None:
        """The step, or a program that it runs, says something; before it began: what it awaits."""
        ...

    def done(self, step: str, seconds: float, note: str) -> None:
        """The step ended well; `note` is what came of it."""
        ...

    def failed(self, step: str, seconds: float, why: str) -> None:
        """The step failed; the story ends here."""
        ...


class Recorder(Protocol):
    """Keeps steps for later (see `journal`)."""

    def step_started(self, step: str) -> None:
        """Called before the step does anything."""
        ...

    def step_done(self, step: str, detail: str, seconds: float) -> None:
        """Called after all that the step did, with how long it took by a clock that can't jump."""
        ...

    def step_failed(self, step: str, detail: str, seconds: float) -> None:
        """Called when the step raised; likewise."""
        ...


@dataclass
class Step:
    """A step that is under way.

    Args:
        name: its name.
        say: takes a line of output.
        note: what came of it, set by the story for the step's last line.
    """

    name: str
    say: Callable[[str], None]
    note: str = field(default="")


class Steps:
    """Runs the steps of one story: shows each, times it and, where asked to, records it.

    Args:
        progress: where steps are shown.
        recorder: where steps are kept, if anywhere.
    """

    def __init__(self, progress: Progress, recorder: Recorder | None = None) -> None:
        self._progress = progress
        self._recorder = recorder

    def recorded_by(self, recorder: Recorder) -> Steps:
        """The same progress, with a recorder."""
        return Steps(self._progress, recorder)

    def stage(self, name: str) -> None:
        """Give the steps that follow a heading."""
        self._progress.stage(name)

    def saying(self, step: str) -> Callable[[str], None]:
        """Takes a line to show outside of any step, as when waiting for a lock."""
        return lambda text: self._progress.line(step, text)

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[Step]:
        """One step: what happens inside the `with` is shown and recorded under this name."""
        self._progress.started(name, title)
        if self._recorder:
            self._recorder.step_started(name)
        step = Step(name, lambda text: self._progress.line(name, text))
        began = time.monotonic()
        try:
            yield step
        except BaseException as error:
            why, seconds = _why(error), time.monotonic() - began
            self._progress.failed(name, seconds, why)
            if self._recorder:
                self._recorder.step_failed(name, why, seconds)
            raise
        seconds = time.monotonic() - began
        self._progress.done(name, seconds, step.note)
        if self._recorder:
            self._recorder.step_done(name, step.note, seconds)


def _why(error: BaseException) -> str:
    if isinstance(error, JunovError):
        return error.message
    return type(error).__name__ if isinstance(error, Exception) else INTERRUPTED
