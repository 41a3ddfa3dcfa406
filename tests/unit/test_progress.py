"""How steps are shown: in logs, to machines, on a terminal."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from junov.cli.progress import JsonLines, PlainLines, Terminal
from junov.errors import StageError
from junov.steps import Progress, Step, Steps


def tell(progress: Progress) -> None:
    steps = Steps(progress)
    with steps.step("build", "Build it") as step:
        step.say("layer 1")
        step.note = "sha256:abc"
    with pytest.raises(StageError), steps.step("web", "Start web") as step:
        fail(step)


def fail(step: Step) -> None:
    step.say("listening")
    raise StageError("it ended")


def test_a_log_has_a_line_for_each_step_and_the_output_of_what_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tell(PlainLines(verbose=False))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "• Build it",
        "  ✓ 0.0 s  sha256:abc",
        "• Start web",
        "  | listening",
        "  ✗ 0.0 s  it ended",
    ]


def test_verbose_shows_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    tell(PlainLines(verbose=True))
    assert "  | layer 1" in capsys.readouterr().err


def test_what_lint_and_tests_print_is_always_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("lint-1", "tests"):
        with Steps(PlainLines(verbose=False)).step(name, name) as step:
            step.say(f"output of {name}")
        assert f"  | output of {name}" in capsys.readouterr().err


def test_machines_get_one_object_a_line() -> None:
    out = io.StringIO()
    tell(JsonLines(out))
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [event["event"] for event in events] == [
        "started", "line", "done", "started", "line", "failed",
    ]  # fmt: skip
    assert events[2]["note"] == "sha256:abc"
    assert events[5]["why"] == "it ended"
    assert all({"at", "step"} <= event.keys() for event in events)


def test_a_terminal_shows_what_ended_and_why() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, no_color=True)
    terminal = Terminal(verbose=False, console=console)
    tell(terminal)
    terminal.close()
    said = out.getvalue()
    assert "✓" in said
    assert "sha256:abc" in said
    assert "listening" in said, "the output of what failed"
    assert "it ended" in said


def test_steps_are_recorded_before_and_after() -> None:
    written: list[tuple[str, ...]] = []

    class Recorder:
        def step_started(self, step: str) -> None:
            written.append(("started", step))

        def step_done(self, step: str, detail: str) -> None:
            written.append(("done", step, detail))

        def step_failed(self, step: str, detail: str) -> None:
            written.append(("failed", step, detail))

    steps = Steps(PlainLines(verbose=False)).recorded_by(Recorder())
    with steps.step("one", "One") as step:
        assert written == [("started", "one")]
        step.note = "done well"
    with pytest.raises(KeyboardInterrupt), steps.step("two", "Two"):
        raise KeyboardInterrupt
    assert written[1:] == [
        ("done", "one", "done well"),
        ("started", "two"),
        ("failed", "two", "KeyboardInterrupt"),
    ]
