"""Progress on a terminal, in a CI log, and for machines."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

import click

from junov.steps import INTERRUPTED, Progress

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.text import Text

_TAIL = 20
# What these steps print is what the user ran them for; of others only failures are worth reading.
_SHOWN_WHOLE = ("lint", "tests", "plan")

_DIGEST = re.compile(r"\bsha256:([0-9a-f]{12})[0-9a-f]{52}\b")
_NOISE = re.compile(
    # Compose's progress, such as ` Container notes-web-1 Started`, ...
    r"\s*(Container|Network|Volume|Image) \S+ +"
    r"((Creat|Recreat|Start|Restart|Stopp|Kill|Remov|Pull)(e|ing|ed)|Running|Waiting|Healthy|"
    r"Exited|Exists)\s*"
    # ... and what it says of keys and networks that are as junov wants them.
    r"|.*\bis only honored by the Swarm\b.*"
    r"|.*\ba network with name .* exists but was not created by compose\b.*"
    r"|Set `external: true` to use an existing network\W*"
)


@contextmanager
def shown(*, as_json: bool, verbose: bool) -> Iterator[Progress]:
    """The progress that fits where the output goes.

    Args:
        as_json: one JSON object a line, on stdout.
        verbose: every line of every program that is run.
    """
    if as_json:
        yield JsonLines(sys.stdout)
        return
    live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")
    progress = Terminal(verbose=verbose) if live else PlainLines(verbose=verbose)
    try:
        yield progress
        progress.all_done()
    finally:
        progress.close()


def is_noise(line: str) -> bool:
    """Whether a line is Compose's own about its work, of no use where that work went well."""
    return _NOISE.fullmatch(line) is not None


def shorten_digests(text: str) -> str:
    """Every digest cut to its first 12 digits, which is what Docker shows of them."""
    return _DIGEST.sub(r"sha256:\1", text)


def _is_shown_whole(step: str) -> bool:
    return step.split("-")[0] in _SHOWN_WHOLE


class ForPeople(ABC):
    """What a person is shown of steps. Those below say how.

    Args:
        verbose: every line of every program that is run.
    """

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._step = ""
        self._title = ""
        self._tail: deque[str] = deque(maxlen=_TAIL)
        self._stages = 0
        self._all_began = time.monotonic()

    def stage(self, name: str) -> None:
        """See `Progress.stage`."""
        self._heading(f"\n{name}" if self._stages else name)
        self._stages += 1

    def started(self, step: str, title: str) -> None:
        """See `Progress.started`."""
        self._step, self._title = step, title
        self._tail.clear()
        self._begin()

    def line(self, step: str, text: str) -> None:
        """See `Progress.line`."""
        if not self._verbose and is_noise(text):
            return
        if step != self._step:
            self._aside(f"… {text}")
        elif self._verbose or _is_shown_whole(step):
            self._output(text)
        else:
            self._tail.append(text)

    def done(self, step: str, seconds: float, note: str) -> None:
        """See `Progress.done`."""
        del step
        self._step = ""
        self._end("green", "✓", seconds, note)

    def failed(self, step: str, seconds: float, why: str) -> None:
        """See `Progress.failed`. Why is said once, at the end, by whoever catches the error."""
        del step
        self._step = ""
        for text in self._tail:
            self._output(text)
        self._end("red", "✗", seconds, why if why == INTERRUPTED else "failed")

    def all_done(self) -> None:
        """Say how long all the stages took."""
        if self._stages:
            self._heading(f"\nAll of it took {time.monotonic() - self._all_began:.1f} s")

    def close(self) -> None:
        """Take away whatever isn't to stay, however it ended."""
        return

    @abstractmethod
    def _heading(self, text: str) -> None: ...

    @abstractmethod
    def _aside(self, text: str) -> None: ...

    @abstractmethod
    def _begin(self) -> None: ...

    @abstractmethod
    def _output(self, text: str) -> None: ...

    @abstractmethod
    def _end(self, colour: str, sign: str, seconds: float, note: str) -> None: ...


class PlainLines(ForPeople):
    """One line for each thing that happens, for logs."""

    def _heading(self, text: str) -> None:
        click.secho(text, bold=True, err=True)

    def _aside(self, text: str) -> None:
        click.echo(text, err=True)

    def _begin(self) -> None:
        click.echo(f"• {self._title}", err=True)

    def _output(self, text: str) -> None:
        click.echo(f"  | {text}", err=True)

    def _end(self, colour: str, sign: str, seconds: float, note: str) -> None:
        click.secho(f"  {sign} {seconds:.1f} s  {note}".rstrip(), fg=colour, err=True)


class JsonLines:
    """One JSON object for each thing that happens, for machines."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def stage(self, name: str) -> None:
        """See `Progress.stage`."""
        self._write(event="stage", stage=name)

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


class Terminal(ForPeople):
    """A live line for the step under way, with its elapsed time; a line for each that ended."""

    def __init__(self, *, verbose: bool, console: Console | None = None) -> None:
        from rich.console import Console

        super().__init__(verbose=verbose)
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self._began = 0.0
        self._titled = False
        self._live: Live | None = None

    def close(self) -> None:
        """Take the live line away, whatever happened."""
        if self._live:
            self._live.stop()
            self._live = None

    def _heading(self, text: str) -> None:
        self._print(text, style="bold")

    def _aside(self, text: str) -> None:
        self._print(text)

    def _begin(self) -> None:
        from rich.live import Live

        self._began, self._titled = time.monotonic(), False
        # Made anew for each step: it keeps what it was made with until its first refresh, and
        # whatever is printed before that brings it to the screen.
        self._live = Live(
            get_renderable=self._under_way,
            console=self._console,
            refresh_per_second=8,
            transient=True,
        )
        self._live.start()

    def _output(self, text: str) -> None:
        if not self._titled:
            self._print(f"• {self._title}")
            self._titled = True
        self._print(f"  │ {text}", style="dim")

    def _end(self, colour: str, sign: str, seconds: float, note: str) -> None:
        from rich.text import Text

        self.close()
        took = Text(f"  {seconds:.1f} s", style="dim")
        title = Text(self._title)
        self._cut(title, 2 + len(took))
        line = Text.assemble((f"{sign} ", colour), title, took, f"  {shorten_digests(note)}")
        line.rstrip()
        self._cut(line, 0)
        self._console.print(line)

    def _under_way(self) -> RenderableType:
        from rich.spinner import Spinner
        from rich.text import Text

        elapsed = time.monotonic() - self._began
        tail = shorten_digests(self._tail[-1]) if self._tail else ""
        text = Text.assemble(self._title, (f"  {elapsed:.0f} s  ", "dim"), (tail, "dim"))
        self._cut(text, 3)
        spinner = Spinner("dots", text)
        spinner.start_time = self._began
        return spinner

    def _cut(self, text: Text, taken: int) -> None:
        """Cut a text to what the terminal's width leaves of a line."""
        text.truncate(max(self._console.width - taken, 1), overflow="ellipsis")

    def _print(self, text: str, style: str = "") -> None:
        from rich.text import Text

        self._console.print(Text(text, style=style))
