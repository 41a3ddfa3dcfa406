"""Run junov under a wall clock that jumps when it comes to a point.

    python -m tests.engine.jumping before:web -3600 -- deploy

The machine's clock is left alone, and so is the monotonic one: a clock that is set doesn't change
that either.
"""

from __future__ import annotations

import datetime
import sys
import time
from typing import Any

from tests.engine.injected import at_each_point


def jumping(point: str, seconds: str) -> tuple[str, ...]:
    """How junov is called so that its clock jumps at a point; its own arguments come after."""
    return (sys.executable, "-m", __name__, point, seconds, "--")


def main(point: str, seconds: float, argv: list[str]) -> int:
    """Run junov with these arguments, and have its clock jump at the point; junov's exit code."""
    ahead = 0.0
    real_time, real_datetime = time.time, datetime.datetime

    class Jumping(real_datetime):  # type: ignore[misc, valid-type]
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return real_datetime.now(tz) + datetime.timedelta(seconds=ahead)

    # Before anything of junov's that reads the clock is imported.
    datetime.datetime = Jumping  # type: ignore[misc]
    time.time = lambda: real_time() + ahead

    def reached(now: str) -> None:
        nonlocal ahead
        if now == point:
            ahead = seconds

    at_each_point(reached)
    from junov.cli.app import run

    return run(argv)


if __name__ == "__main__":
    split = sys.argv.index("--")
    sys.exit(main(sys.argv[1], float(sys.argv[2]), sys.argv[split + 1 :]))
