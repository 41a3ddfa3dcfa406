"""Reading what BuildKit prints: a line for each step, and why a build failed."""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path

from junov.errors import JunovError, Place, StageError, UnavailableError
from junov.process import TIMED_OUT, Line, Result

LONGEST_STEP = 100  # characters
SHOWN_LINES = 12

NO_ANSWER = re.compile(r"connection refused|no such host|i/o timeout|network is unreachable")

_VERTEX = re.compile(r"#(\d+) (.*)")
_OUTPUT = re.compile(r"\d+\.\d+ (.*)")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NO_ENGINE = re.compile(r"[Cc]annot connect to the Docker daemon|dial unix .*docker")
_PREFIXES = re.compile(r"^.*failed to create LLB definition: |^ERROR: |failed to solve: ")


class Progress:
    """Reads BuildKit's plain progress and says one line for each step of the Dockerfile.

    Args:
        on_line: called with each of these lines.
    """

    def __init__(self, on_line: Line) -> None:
        self._on_line = on_line
        self._names: dict[str, str] = {}
        self._said: set[str] = set()
        self._output: dict[str, deque[str]] = {}
        self.failed = ""
        """The step that failed, as BuildKit names it; empty where none did."""
        self.detail = ""
        """What that step printed last."""

    def feed(self, line: str) -> None:
        """Take the next line of BuildKit's output."""
        match = _VERTEX.fullmatch(line)
        if not match:
            return
        number, text = match.groups()
        name = self._names.setdefault(number, text)
        if text in (name, "...") or _DIGEST.fullmatch(text):
            return  # its heading, again after another step's output, or its own digest
        if text == "CACHED":
            self._say(number, " (cached)")
        elif text.startswith("DONE "):
            self._say(number)
        elif text.startswith("ERROR: "):
            self._fail(number, text.removeprefix("ERROR: "))
        elif not text.startswith("CANCELED"):
            self._say(number)
            output = _OUTPUT.fullmatch(text)
            lines = self._output.setdefault(number, deque(maxlen=SHOWN_LINES))
            lines.append(output[1] if output else text)

    def _say(self, number: str, suffix: str = "") -> None:
        name = self._names[number]
        if number not in self._said and re.match(r"\[(?!internal|auth)", name):
            self._said.add(number)
            self._on_line(shortened(name) + suffix)

    def _fail(self, number: str, message: str) -> None:
        name = self._names[number]
        if name.startswith("importing cache"):
            return  # there is no such cache yet
        self.failed = name
        self.detail = "\n".join([*self._output.get(number, ()), message])


def shortened(step: str) -> str:
    """A step on one line of at most 100 characters."""
    line = " ".join(step.split())
    return line if len(line) <= LONGEST_STEP else f"{line[: LONGEST_STEP - 1]}…"


def build_error(target: str, dockerfile: Path, progress: Progress, result: Result) -> JunovError:
    """Why a build failed, with the line of the Dockerfile where BuildKit or its step names one."""
    tail = result.tail()
    if error := no_engine(tail):
        return error
    last = tail.splitlines()[-1] if tail else f"exit code {result.exit_code}"
    if result.exit_code == TIMED_OUT:
        last = "it did not end in time and was ended"
    last = _PREFIXES.sub("", last)
    remedy = "mend that step of the Dockerfile"
    if "target stage" in last:
        remedy = (
            f"give the Dockerfile a stage `{target}`, or name another in `build:` of junov.yaml"
        )
    elif NO_ANSWER.search(last):
        remedy = "the base image is not on this machine, and its registry cannot be reached"
    step = f" at {shortened(progress.failed)}" if progress.failed else ""
    return StageError(
        f"the build of `{target}` failed{step}"
        if step
        else f"the build of `{target}` failed: {last}",
        place=_place(dockerfile, progress.failed, tail),
        detail=progress.detail or tail,
        remedy=remedy,
    )


def _place(dockerfile: Path, step: str, tail: str) -> Place | None:
    found = re.search(rf"^{re.escape(dockerfile.name)}:(\d+)$", tail, re.MULTILINE)
    found = found or re.search(r"parse error (?:on )?line (\d+)", tail)
    if found:
        return Place(dockerfile, int(found[1]))
    # BuildKit before 0.9 names no line: look for the step's own words.
    instruction = "".join(re.sub(r"^\[[^]]*\] ", "", step).split())
    text = dockerfile.read_text(encoding="utf-8", errors="replace") if instruction else ""
    joined = re.sub(r"\\[ \t]*\n", lambda match: "\0" * match[0].count("\n"), text)
    line = 1
    for logical in joined.split("\n"):
        if instruction and "".join(logical.replace("\0", "").split()) == instruction:
            return Place(dockerfile, line)
        line += 1 + logical.count("\0")
    return None


def no_engine(said: str) -> UnavailableError | None:
    """The error for what docker says where no engine answers it; None for anything else."""
    if not _NO_ENGINE.search(said):
        return None
    return UnavailableError(
        "the Docker Engine does not answer",
        detail=said,
        remedy="see what is wrong with: junov server doctor",
    )
