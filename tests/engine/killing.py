"""Run junov, and kill it at a point that is named rather than timed.

    python -m tests.engine.killing before:switch -- deploy main

The run kills itself with SIGKILL, so nothing of it is cleaned up and nobody is told. A point is

- `before:<step>`: the step is shown and recorded as started, and nothing of it is done;
- `after:<step>`: all of it is done, and not recorded as done;
- `line:<step>:<n>`: the step has said its n-th line, such as Compose's `Container … Starting`;
- `call:<dotted name>[:<n>]:before` or `:after`: the n-th call of a function or method, by default
  the first. A function is named where it is looked up, as `mock.patch` wants it.

A run that never comes to its point ends with an exit code of its own, whatever junov's was.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from junov.steps import Step, Steps
from tests.engine.injected import at_each_point

KILLED = -signal.SIGKILL
"""The exit code of a run that was killed at its point, as `subprocess` tells it."""

NOT_REACHED = 97
"""The exit code of a run that came to its end without having come to its point."""


def kill_at(point: str) -> None:
    """Have this process kill itself when it comes to a point.

    Raises:
        ValueError: it is no point.
        AttributeError, ImportError: there is nothing of that name to be called.
    """
    kind, _, rest = point.partition(":")
    if kind in ("before", "after"):
        at_each_point(lambda now: _kill() if now == point else None)
    elif kind == "line":
        step, _, number = rest.rpartition(":")
        _at_line(step, int(number))
    elif kind == "call":
        name, *which, side = rest.split(":")
        if side not in ("before", "after"):
            raise ValueError(f"expected `before` or `after` at the end of {point}")
        _at_call(name, int(which[0]) if which else 1, side)
    else:
        raise ValueError(f"not a point: {point}")


def main(point: str, argv: list[str]) -> int:
    """Run junov with these arguments; it comes back only where the point was not reached."""
    from junov.cli.app import run

    kill_at(point)
    sys.argv = ["junov", *argv]
    code = run(argv)
    print(f"junov ended with exit code {code} and never came to {point}", file=sys.stderr)
    return NOT_REACHED


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _at_line(step: str, number: int) -> None:
    original = Steps.step

    @contextmanager
    def watched(self: Steps, name: str, title: str) -> Iterator[Step]:
        with original(self, name, title) as under_way:
            if name != step:
                yield under_way
                return
            said, say = itertools.count(1), under_way.say

            def counted(text: str) -> None:
                say(text)
                if next(said) == number:
                    _kill()

            under_way.say = counted
            yield under_way

    Steps.step = watched  # type: ignore[method-assign]


def _at_call(dotted: str, number: int, side: str) -> None:
    owner, name = _found(dotted)
    original, calls = getattr(owner, name), itertools.count(1)

    @functools.wraps(original)
    def watched(*args: Any, **kwargs: Any) -> Any:
        mine = next(calls) == number
        if mine and side == "before":
            _kill()
        result = original(*args, **kwargs)
        if mine:
            _kill()
        return result

    setattr(owner, name, watched)


def _found(dotted: str) -> tuple[Any, str]:
    """Where a function or method is, and its name there."""
    words = dotted.split(".")
    for length in range(len(words) - 1, 0, -1):
        try:
            owner: Any = importlib.import_module(".".join(words[:length]))
        except ModuleNotFoundError:
            continue
        for word in words[length:-1]:
            owner = getattr(owner, word)
        getattr(owner, words[-1])
        return owner, words[-1]
    raise ImportError(f"there is no module for {dotted}")


if __name__ == "__main__":
    split = sys.argv.index("--")
    sys.exit(main(sys.argv[1], sys.argv[split + 1 :]))
