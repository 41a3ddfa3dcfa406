"""Run junov, and something else when it comes to a point that is named rather than timed.

    python -m tests.engine.injected before:switch docker stop my-edge -- deploy --no-wait

A point is `before:<step>`, when the step has been shown and recorded and nothing of it is done, or
`after:<step>`, when all of it is done and that is not recorded yet.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from junov.steps import Step, Steps


def at_each_point(reached: Callable[[str], None]) -> None:
    """Have this process call something at each point that a story comes to."""
    original = Steps.step

    @contextmanager
    def step(self: Steps, name: str, title: str) -> Iterator[Step]:
        with original(self, name, title) as under_way:
            reached(f"before:{name}")
            yield under_way
            reached(f"after:{name}")

    Steps.step = step  # type: ignore[method-assign]


def at(point: str, *command: str) -> tuple[str, ...]:
    """How junov is called so that a command is run at a point; junov's own arguments come after."""
    return (sys.executable, "-m", __name__, point, *command, "--")


def main(point: str, command: list[str], argv: list[str]) -> int:
    """Run junov with these arguments, and a command at the point; junov's exit code."""
    from junov.cli.app import run

    def reached(now: str) -> None:
        if now == point:
            subprocess.run(command, check=True)

    at_each_point(reached)
    return run(argv)


if __name__ == "__main__":
    split = sys.argv.index("--")
    sys.exit(main(sys.argv[1], sys.argv[2:split], sys.argv[split + 1 :]))
