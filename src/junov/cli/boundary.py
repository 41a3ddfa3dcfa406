"""The one place where errors become words and exit codes."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from junov.errors import JunovError

OK, MENDABLE, USAGE, BUG, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 130, 143


_MACHINES_FAULT = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE}
)


_ENDING = (signal.SIGTERM, signal.SIGHUP)


class _Terminated(BaseException):
    """SIGTERM, or SIGHUP of a session that ended, raised so that every `finally` is run."""


def guarded(command: Callable[[], Any]) -> int:
    """Run a command and turn whatever it raises into a message and an exit code.

    Returns:
        0 done, 1 for what the user can mend, 2 for wrong usage, 3 for a bug of junov, 4 where a
        newer commit took this one's place, 130 for Ctrl-C, 143 for SIGTERM; or the code that the
        command itself asked for.
    """
    # Whoever ignores one of them, as nohup(1) does, means it.
    heeded = [each for each in _ENDING if signal.getsignal(each) is not signal.SIG_IGN]
    previous = {each: signal.signal(each, _terminate) for each in heeded}
    try:
        outcome = command()
    except JunovError as error:
        show(error)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help(), err=True)
        return USAGE
    except click.UsageError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        error.show()
        return MENDABLE
    except click.Abort as abort:
        return _aborted(abort)
    except KeyboardInterrupt:
        _ended_by("interrupted")
        return INTERRUPTED
    except _Terminated:
        _ended_by("terminated")
        return TERMINATED
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except BrokenPipeError:
        # The reader, `head` for instance, has seen enough. Nothing more can be written, not even
        # by Python's own flush at exit.
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
        return OK
    except OSError as error:
        if error.errno not in _MACHINES_FAULT:
            return _interrupted(error) or _bug()
        where = f": {error.filename}" if error.filename else ""
        show(JunovError(f"{error.strerror}{where}", remedy="see what the disk and its rights say"))
        return MENDABLE
    except Exception as error:  # noqa: BLE001 - this is the boundary
        return _interrupted(error) or _bug()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return outcome if isinstance(outcome, int) else OK


def nobody_to_ask(abort: click.Abort) -> bool:
    """Whether a prompt had no answer because nobody sits at stdin."""
    return isinstance(abort.__context__, EOFError) and not sys.stdin.isatty()


def colour_wanted() -> bool | None:
    """False where NO_COLOR is set (https://no-color.org); otherwise the terminal decides."""
    return False if os.environ.get("NO_COLOR") else None


def show(error: JunovError) -> None:
    """Say on stderr what is wrong, where, and what to do; as JSON where the command prints JSON."""
    if _wants_json():
        click.echo(json.dumps({"error": as_json(error)}, ensure_ascii=False), err=True)
        return
    for problem in error.problems:
        place = f"{problem.place}: " if problem.place else ""
        colour = colour_wanted()
        click.secho(f"error: {place}{problem.message}", fg="red", err=True, color=colour)
        if problem.remedy:
            click.echo(f"  → {problem.remedy}", err=True)
    if error.detail:
        click.echo("\n".join(f"  | {line}" for line in error.detail.splitlines()), err=True)


def as_json(error: JunovError) -> dict[str, Any]:
    """An error as machines read it."""
    return {
        "message": error.message,
        "detail": error.detail,
        "problems": [
            {
                "message": problem.message,
                "file": str(problem.place.file) if problem.place else None,
                "line": problem.place.line if problem.place else None,
                "column": problem.place.column if problem.place else None,
                "remedy": problem.remedy,
            }
            for problem in error.problems
        ],
    }


def _wants_json() -> bool:
    context = click.get_current_context(silent=True)
    return bool(context and context.params.get("as_json")) or "--json" in sys.argv


def _ended_by(word: str) -> None:
    if _wants_json():
        show(JunovError(word))
    else:
        click.echo(word, err=True)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise _Terminated


def _aborted(abort: click.Abort) -> int:
    """A prompt that was not answered with yes, or Ctrl-C, which click raises as the same."""
    if isinstance(abort.__context__, (KeyboardInterrupt, EOFError)) and not abort.__cause__:
        click.echo(err=True)  # the prompt's own line is still open
    if isinstance(abort.__context__, KeyboardInterrupt):
        _ended_by("interrupted")
        return INTERRUPTED
    if nobody_to_ask(abort):
        show(JunovError("there is no terminal to ask at", remedy="use --yes"))
    else:
        click.echo("nothing was changed", err=True)
    return MENDABLE


def _interrupted(error: BaseException | None) -> int:
    """The exit code where a signal came in the middle of something that then failed; else 0."""
    while error:
        if isinstance(error, KeyboardInterrupt):
            return INTERRUPTED
        if isinstance(error, _Terminated):
            return TERMINATED
        error = error.__context__
    return 0


def _bug() -> int:
    report = traceback.format_exc()
    said = f"junov {_version()} on Python {sys.version.split()[0]}, {datetime.now(UTC):%F %T} UTC\n"
    said += f"arguments: {sys.argv[1:]}\n\n{report}"
    descriptor, name = tempfile.mkstemp(prefix="junov-bug-", suffix=".log")
    os.close(descriptor)
    Path(name).write_text(said, encoding="utf-8")
    what = f"this is a bug of junov: {report.strip().splitlines()[-1]}"
    click.secho(what, fg="red", err=True, color=colour_wanted())
    click.echo(f"  → please report it with the contents of {Path(name)}", err=True)
    return BUG


def _version() -> str:
    from junov import __version__

    return __version__
