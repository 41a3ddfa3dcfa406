"""The benchmark: on a server of its own, in one run, with ratios.

make bench                 everything
make bench ONLY=time       one part alone: time, concurrency, lost or fresh

What comes of each part is printed, and written to bench/results: as JSON and as Markdown.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from bench import concurrency, fresh_data, lost_requests, wall_time
from bench.machine import describe
from bench.subject import Rig
from bench.throwaway import environ_for, throwaway_server
from bench.wrk import find_wrk
from junov.cli.boundary import show
from junov.cli.progress import shown
from junov.errors import JunovError
from junov.steps import Steps

FOLDER = Path(__file__).resolve().parent / "results"


class Result(Protocol):
    """What a measurement gives."""

    def to_json(self) -> Any:
        """For machines."""
        ...

    def to_markdown(self) -> str:
        """For people."""
        ...


MEASUREMENTS: Mapping[str, Callable[[Rig], Result]] = {
    "time": wall_time.measure,
    "concurrency": concurrency.measure,
    "lost": lost_requests.measure,
    "fresh": fresh_data.measure,
}


def main(argv: list[str]) -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="make bench", description="The benchmark.")
    parser.add_argument("--only", choices=MEASUREMENTS, help="one part alone")
    only = parser.parse_args(argv).only
    try:
        find_wrk()
        measure([only] if only else list(MEASUREMENTS))
    except JunovError as error:
        show(error)
        return error.exit_code
    return 0


def measure(names: list[str]) -> None:
    """Make these measurements, on one server."""
    with (
        tempfile.TemporaryDirectory(prefix="junov-bench-") as folder,
        shown(as_json=False, verbose=False) as progress,
        throwaway_server(Path(folder), "bench", Steps(progress), say) as site,
    ):
        for name in names:
            say(f"{name}:")
            own = Path(folder) / name
            own.mkdir()
            began = time.monotonic()
            machine = {"measured": f"{datetime.now(UTC):%F %T} UTC", **describe(site)}
            result = MEASUREMENTS[name](Rig(site, own, environ_for(site), say))
            say(f"{name}: measured in {time.monotonic() - began:.0f} s")
            # At once: what comes after it may be interrupted.
            write(name, machine, result)


def write(name: str, machine: Mapping[str, str], result: Result) -> None:
    """Print what came of a measurement, and write it to its files."""
    page = to_markdown(machine, result)
    print(page, flush=True)
    data = {"machine": machine, "result": result.to_json()}
    as_json = json.dumps(data, indent=2, ensure_ascii=False)
    (FOLDER / f"{name}.json").write_text(f"{as_json}\n", encoding="utf-8")
    (FOLDER / f"{name}.md").write_text(page, encoding="utf-8")


def to_markdown(machine: Mapping[str, str], result: Result) -> str:
    """A result as a part of a page, with the machine that it is of."""
    (measured, when), *facts = machine.items()
    of = ", ".join(f"{name} {value}" for name, value in facts)
    return f"{measured.capitalize()} {when}: {of}.\n\n{result.to_markdown()}\n"


def say(text: str) -> None:
    """A line of progress."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
