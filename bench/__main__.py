"""The benchmark: on a server of its own, in one run, with ratios.

make bench                 everything; writes bench/results.json and bench/results.md
make bench ONLY=time       one part alone (time, concurrency, lost, fresh); only prints it
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

FOLDER = Path(__file__).resolve().parent


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
    """Measure and print; write what came of it where nothing was left out."""
    parser = argparse.ArgumentParser(prog="make bench", description="The benchmark.")
    parser.add_argument("--only", choices=MEASUREMENTS, help="one part alone")
    only = parser.parse_args(argv).only
    try:
        find_wrk()
        machine, results = measure([only] if only else list(MEASUREMENTS))
    except JunovError as error:
        show(error)
        return error.exit_code
    if not only:
        data = {name: result.to_json() for name, result in results.items()}
        as_json = json.dumps({"machine": machine, **data}, indent=2, ensure_ascii=False)
        (FOLDER / "results.json").write_text(f"{as_json}\n", encoding="utf-8")
        page = to_markdown(machine, results)
        (FOLDER / "results.md").write_text(page, encoding="utf-8")
    return 0


def measure(names: list[str]) -> tuple[dict[str, str], dict[str, Result]]:
    """The machine, and the results of these measurements, on one server."""
    results: dict[str, Result] = {}
    with (
        tempfile.TemporaryDirectory(prefix="junov-bench-") as folder,
        shown(as_json=False, verbose=False) as progress,
        throwaway_server(Path(folder), "bench", Steps(progress), say) as site,
    ):
        machine = {"measured": f"{datetime.now(UTC):%F %T} UTC", **describe(site)}
        print(f"{as_list(machine)}\n", flush=True)
        for name in names:
            say(f"{name}:")
            own = Path(folder) / name
            own.mkdir()
            began = time.monotonic()
            results[name] = MEASUREMENTS[name](Rig(site, own, environ_for(site), say))
            say(f"{name}: measured in {time.monotonic() - began:.0f} s")
            # At once: what comes after it may be interrupted.
            print(f"{results[name].to_markdown()}\n", flush=True)
    return machine, results


def to_markdown(machine: Mapping[str, str], results: Mapping[str, Result]) -> str:
    """The whole as a page."""
    parts = (result.to_markdown() for result in results.values())
    return "\n\n".join([as_list(machine), *parts]) + "\n"


def as_list(machine: Mapping[str, str]) -> str:
    """The machine as Markdown."""
    return "\n".join(f"- {name}: {value}" for name, value in machine.items())


def say(text: str) -> None:
    """A line of progress."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
