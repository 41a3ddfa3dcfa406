"""The errors that a user can cause or mend.

    JunovError                  what is wrong, where, and what to do about it
    ├── ConfigError             one or more problems in junov.yaml, server.yaml or a compose file
    ├── GuardError              the wall refused a stack: one or more findings
    ├── CommandError            a program that junov ran failed
    ├── StageError              a stage of the pipeline failed or may not begin
    │   └── TestsFailedError    the project's own tests failed
    ├── LockedError             somebody else holds the environment or the server
    ├── SupersededError         a newer commit takes this one's place
    ├── NotFoundError           a ref, an environment, an image or a release that isn't there
    └── UnavailableError        an outside thing (engine, registry, Postgres, edge) does not answer

The command line turns them into exit code 1, or into one of their own where CI has to tell them
apart: failed tests, superseded deploys. Whatever else is raised is a bug of junov and ends with
exit code 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a file that a user wrote.

    Args:
        file: the file as the user would name it.
        line: counted from 1; 0 where the whole file is meant.
        column: counted from 1; 0 where the whole line is meant.
    """

    file: Path
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        parts = [str(self.file)]
        if self.line:
            parts.append(str(self.line))
            if self.column:
                parts.append(str(self.column))
        return ":".join(parts)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where it stands, and what mends it.

    Args:
        message: one sentence that says what was found and what was expected.
        place: where it stands, if it came from a file.
        remedy: one sentence that says what to do; empty if there is nothing to add.
    """

    message: str
    place: Place | None = None
    remedy: str = ""

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}" if self.place else self.message
        return f"{text}\n  {self.remedy}" if self.remedy else text


class JunovError(Exception):
    """Something a user can cause or mend.

    Args:
        message: what is wrong, in one sentence.
        remedy: what to do, in one sentence.
        place: the place in a file, if there is one.
        detail: further lines to show under the message, such as the last lines of a log.
    """

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        place: Place | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.place = place
        self.detail = detail

    @property
    def exit_code(self) -> int:
        """What the command line ends with."""
        return 1

    @property
    def problems(self) -> Sequence[Problem]:
        """Everything that is wrong; one problem unless the error collects several."""
        return (Problem(self.message, self.place, self.remedy),)


class ConfigError(JunovError):
    """Problems in files that the user wrote, all of them at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        if not problems:
            raise ValueError("a ConfigError needs at least one problem")
        first = problems[0]
        count = "" if len(problems) == 1 else f" (and {len(problems) - 1} more)"
        super().__init__(f"{first.message}{count}", remedy=first.remedy, place=first.place)
        self._problems = tuple(problems)

    @property
    def problems(self) -> Sequence[Problem]:
        return self._problems


class GuardError(ConfigError):
    """The guard refused a stack before anything was touched."""


class CommandError(JunovError):
    """A program that junov ran ended with an error.

    Args:
        message: what junov was doing, in one sentence.
        exit_code: the program's own; 124 where junov ended it after its time was up.
        detail: the last lines that it printed.
        remedy: what to do.
    """

    def __init__(self, message: str, *, exit_code: int, detail: str = "", remedy: str = "") -> None:
        super().__init__(message, detail=detail, remedy=remedy)
        self.ended_with = exit_code


class StageError(JunovError):
    """A stage of the pipeline failed, or may not begin yet."""


class TestsFailedError(StageError):
    """The project's tests failed.

    Args:
        message: which service ended how.
        code: its exit code, which becomes the command's own: CI tells by it what happened.
        remedy: what to do.
        detail: as for `JunovError`.
    """

    __test__ = False  # pytest takes classes of this name for its own

    def __init__(self, message: str, *, code: int, remedy: str, detail: str = "") -> None:
        super().__init__(message, remedy=remedy, detail=detail)
        self._code = code

    @property
    def exit_code(self) -> int:
        """The tests' own."""
        return self._code


class LockedError(JunovError):
    """Another run holds what this one needs."""


class SupersededError(JunovError):
    """A newer commit is on its way, or was delivered while this one waited.

    Nothing is wrong, so CI can tell it from a failure (GitLab: `allow_failure: exit_codes: 4`).
    """

    @property
    def exit_code(self) -> int:
        """4."""
        return 4


class NotFoundError(JunovError):
    """A ref, an environment, an image or a release that isn't there."""


class UnavailableError(JunovError):
    """An outside thing does not answer."""
