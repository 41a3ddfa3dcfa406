"""Running programs: outcomes, time bounds, and what a failure tells."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from junov.errors import CommandError
from junov.process import NOT_FOUND, TIMED_OUT, check, run
from tests.waiting import until

PYTHON = sys.executable


def test_output_and_exit_code_come_back() -> None:
    result = run([PYTHON, "-c", "import sys; print('out'); print('err', file=sys.stderr); exit(3)"])
    assert (result.exit_code, result.stdout, result.stderr) == (3, "out\n", "err\n")


def test_lines_come_as_they_are_printed() -> None:
    lines: list[str] = []
    code = "import sys; print('a'); print('b', file=sys.stderr)"
    result = run([PYTHON, "-u", "-c", code], on_line=lines.append)
    assert lines == ["a", "b"]
    assert result.tail() == "a\nb"


def test_standard_input_is_given_or_empty() -> None:
    code = "import sys; print(repr(sys.stdin.read()))"
    assert run([PYTHON, "-c", code]).stdout == "''\n"
    assert run([PYTHON, "-c", code], stdin="hello").stdout == "'hello'\n"


@pytest.mark.parametrize("streamed", [True, False])
def test_what_runs_out_of_time_is_ended_with_its_children(streamed: bool, tmp_path: Path) -> None:
    started = tmp_path / "started"
    code = (
        "import subprocess, sys, pathlib; p = subprocess.Popen(['sleep', '60']);"
        f"pathlib.Path({str(started)!r}).write_text(str(p.pid)); p.wait()"
    )
    on_line = (lambda _: None) if streamed else None
    result = run([PYTHON, "-c", code], timeout=2, on_line=on_line)
    assert result.exit_code == TIMED_OUT
    child = int(started.read_text())
    # The signal has been sent; the kernel may take a moment to end what it was sent to.
    until(lambda: not is_alive(child), "the grandchild has ended")


def test_what_runs_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    started = tmp_path / "started"
    child = (
        "import os, pathlib, signal, sys;"
        "pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); signal.pause()"
    )
    parent_code = "import sys; from junov.process import run; run(sys.argv[1:])"
    parent = subprocess.Popen([PYTHON, "-c", parent_code, PYTHON, "-c", child, str(started)])
    until(lambda: started.exists() and bool(started.read_text()), "it has started")
    parent.kill()
    parent.wait()
    until(lambda: not is_alive(int(started.read_text())), "it has ended as well")


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def test_a_missing_program_is_a_result_and_check_says_what_is_missing() -> None:
    assert run(["no-such-program"]).exit_code == NOT_FOUND
    with pytest.raises(CommandError, match=r"could not greet: no-such-program is not installed"):
        check(["no-such-program"], doing="greet")


def test_check_shows_the_last_lines() -> None:
    with pytest.raises(CommandError) as caught:
        check([PYTHON, "-c", "exit('boom')"], doing="greet", remedy="be kind")
    assert caught.value.ended_with == 1
    assert caught.value.detail == "boom"
    assert caught.value.remedy == "be kind"
