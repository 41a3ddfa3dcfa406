"""Somebody who reloads a page all the time, through the edge, and looks at each answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from bench.clients import Client, Target, ask

RELOAD_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer.

    Args:
        at: when it came, by `time.monotonic`.
        status: its status; 0 where there was no answer.
        release: the release that answered, as the tiny project says it; empty where another did.
        error: why there was no answer.
    """

    at: float
    status: int
    release: str
    error: str = ""


class Visitor(Client):
    """Asks from `start` to `finish`, each time over a new connection.

    Args:
        target: whom.
        path: what for.
    """

    def __init__(self, target: Target, path: str = "/") -> None:
        super().__init__()
        self._target = target
        self._path = path
        self.seen: list[Seen] = []

    def visit(self) -> None:
        """See `Client.visit`."""
        while not self.stopping.wait(RELOAD_SECONDS):
            with closing(self._target.connect()) as connection:
                answer, said = ask(connection, self._target.host, "GET", self._path)
            release = str(said.get("JUNOV_RELEASE", ""))
            self.seen.append(Seen(answer.ended, answer.status, release, answer.error))
            self.underway.set()

    @property
    def refused(self) -> list[Seen]:
        """The answers that no visitor should get."""
        return [each for each in self.seen if each.status != 200]

    @property
    def releases(self) -> list[str]:
        """The releases that answered, in the order of their first answers."""
        return list(Counter(each.release for each in self.seen if each.release))


@contextmanager
def visited(target: Target, path: str = "/") -> Iterator[Visitor]:
    """A visitor who comes before the block begins and leaves after its end."""
    visitor = Visitor(target, path)
    visitor.start()
    try:
        visitor.underway.wait()
        yield visitor
    finally:
        visitor.finish()
