"""Progress on a terminal, in a CI log, and for machines."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

import click

from junov.steps import Progress

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_TAIL = 20
# What these steps print is what the user ran them for; of others only failures are worth reading.
_SHOWN_WHOLE = ("lint", "tests")


@contextmanager
def shown(*, as_json: bool, verbose: bool) -> Iterator[Progress]:
    """The progress that fits where the output goes.

    Args:
        as_json: one JSON object a line, on stdout.
        verbose: every line of every program that is run.
    """
    if as_json:
        yield JsonLines(sys.stdout)
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI"):
        live = Terminal(verbose=verbose)
        try:
            yield live
        finally:
            live.close()
    else:
        yield PlainLines(verbose=verbose)


def _is_shown_whole(step: str) -> bool:
    return step.split("-")[0] in _SHOWN_WHOLE


class PlainLines:
    """One line for each thing that happens, for logs."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._tail: deque[str] = deque(maxlen=_TAIL)

    def started(self, step: str, title: str) -> None:
        """See `Progress.started`."""
        del step
        self._tail.clear()
        click.echo(f"• {title}", err=True)

    def line(self, step: str, text: str) -> None:
        """See `Progress.line`."""
        if self._verbose or _is_shown_whole(step):
            click.echo(f"  | {text}", err=True)
        else:
            self._tail.append(text)

    def done(self, step: str, seconds: float, note: str) -> None:
        """See `Progress.done`."""
        del step
        click.secho(f"  ✓ {seconds:.1f} s{'  ' + note if note else ''}", fg="green", err=True)

    def failed(self, step: str, seconds: float, why: str) -> None:
        """See `Progress.failed`."""
        del step
        for text in self._tail:
            click.echo(f"  | {text}", err=True)
        click.secho(f"  ✗ {seconds:.1f} s  {why}", fg="red", err=True)


class JsonLines:
    """One JSON object for each thing that happens, for machines."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def started(self, step: str, title: str) -> None:
        """See `Progress.started`."""
        self._write(event="started", step=step, title=title)

    def line(self, step: str, text: str) -> None:
        """See `Progress.line`."""
        self._write(event="line", step=step, text=text)

    def done(self, step: str, seconds: float, note: str) -> None:
        """See `Progress.done`."""
        self._write(event="done", step=step, seconds=round(seconds, 3), note=note)

    def failed(self, step: str, seconds: float, why: str) -> None:
        """See `Progress.failed`."""
        self._write(event="failed", step=step, seconds=round(seconds, 3), why=why)

    def _write(self, **event: object) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        print(json.dumps({"at": now, **event}, ensure_ascii=False), file=self._out, flush=True)


class Terminal:
    """A live line for the step under way, with its elapsed time; a line for each that ended."""

    def __init__(self, *, verbose: bool, console: Console | None = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self._verbose = verbose
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self._title = ""
        self._began = 0.0
        self._tail: deque[str] = deque(maxlen=_TAIL)
        self._live = Live(
            get_renderable=self._under_way,
            console=self._console,
            refresh_per_second=8,
            transient=True,
        )

    def started(self, step: str, title: str) -> None:
        """See `Progress.started`."""
        del step
        self._title, self._began = title, time.monotonic()
        self._tail.clear()
        self._live.start()

    def line(self, step: str, text: str) -> None:
        """See `Progress.line`."""
        self._tail.append(text)
        if self._verbose or _is_shown_whole(step):
            from rich.text import Text

            self._console.print(Text(f"  │ {text}", style="dim"))

    def done(self, step: str, seconds: float, note: str) -> None:
        """See `Progress.done`."""
        self._end("green", "✓", seconds, note)
        del step

    def failed(self, step: str, seconds: float, why: str) -> None:
        """See `Progress.failed`."""
        if not (self._verbose or _is_shown_whole(step)):
            from rich.text import Text

            for text in self._tail:
                self._console.print(Text(f"  │ {text}", style="dim"))
        self._end("red", "✗", seconds, why)

    def close(self) -> None:
        """Take the live line away, whatever happened."""
        self._live.stop()

    def _end(self, colour: str, sign: str, seconds: float, note: str) -> None:
        from rich.text import Text

        self._live.stop()
        line = Text.assemble(
            (f"{sign} ", colour), self._title, (f"  {seconds:.1f} s", "dim"), f"  {note}"
        )
        self._console.print(line)

    def _under_way(self) -> RenderableType:
        from rich.spinner import Spinner
        from rich.text import Text

        elapsed = time.monotonic() - self._began
        tail = self._tail[-1] if self._tail else ""
        text = Text.assemble(self._title, (f"  {elapsed:.0f} s  ", "dim"), (tail[:70], "dim"))
        spinner = Spinner("dots", text)
        spinner.start_time = self._began
        return spinner
