"""Jobs that run side by side, shown one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial

from junov.steps import Progress

_Show = Callable[[], None]


class InTurn:
    """Shows what several jobs say: the first that isn't done as it comes, the others after it.

    Args:
        progress: where it is shown.
        names: the jobs, in the order in which they are to be shown.
    """

    def __init__(self, progress: Progress, names: Iterable[str]) -> None:
        self._progress = progress
        self._kept: dict[str, list[_Show]] = {name: [] for name in names}
        self._lock = threading.Lock()
        self._over: set[str] = set()

    def of(self, name: str) -> Progress:
        """The progress of one job."""
        return _OfJob(partial(self._say, name), self._progress)

    def over(self, name: str) -> None:
        """Take note that a job is done, or won't run; the next one is shown from now on."""
        with self._lock:
            self._over.add(name)
            while self._kept and (front := next(iter(self._kept))) in self._over:
                del self._kept[front]
                for show in self._kept.get(next(iter(self._kept), ""), []):
                    show()
                if self._kept:
                    self._kept[next(iter(self._kept))] = []

    def _say(self, name: str, show: _Show) -> None:
        with self._lock:
            if name == next(iter(self._kept), None):
                show()
            elif name in self._kept:
                self._kept[name].append(show)


class _OfJob:
    """One job's `Progress`."""

    def __init__(self, say: Callable[[_Show], None], progress: Progress) -> None:
        self._say = say
        self._progress = progress

    def stage(self, name: str) -> None:
        """See `Progress.stage`."""
        self._say(partial(self._progress.stage, name))

    def started(self, step: str, title: str) -> None:
        """See `Progress.started`."""
        self._say(partial(self._progress.started, step, title))

    def line(self, step: str, text: str) -> None:
        """See `Progress.line`."""
        self._say(partial(self._progress.line, step, text))

    def done(self, step: str, seconds: float, note: str) -> None:
        """See `Progress.done`."""
        self._say(partial(self._progress.done, step, seconds, note))

    def failed(self, step: str, seconds: float, why: str) -> None:
        """See `Progress.failed`."""
        self._say(partial(self._progress.failed, step, seconds, why))
