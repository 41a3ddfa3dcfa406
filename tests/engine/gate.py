"""A gate: a run that comes to a named point waits there until the test lets it go on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.engine.injected import at
from tests.waiting import until


class Gate:
    """A FIFO: who reads it waits until a writer has closed it.

    Args:
        folder: where it is made.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "gate"
        self._opened: list[int] = []
        os.mkfifo(self._path)

    def before(self, point: str) -> tuple[str, ...]:
        """How junov is called so that it waits at a point; junov's own arguments come after."""
        return at(point, "cat", str(self._path))

    @contextmanager
    def closed(self) -> Iterator[None]:
        """The run has come to the gate when the block begins, and goes on when it ends."""
        until(self._is_reached, "the run comes to the gate", seconds=60)
        try:
            yield
        finally:
            self.open()

    def open(self) -> None:
        """Let the run go on."""
        while self._opened:
            os.close(self._opened.pop())

    def _is_reached(self) -> bool:
        # There is nobody to write to before somebody reads.
        with suppress(OSError):
            self._opened.append(os.open(self._path, os.O_WRONLY | os.O_NONBLOCK))
        return bool(self._opened)
