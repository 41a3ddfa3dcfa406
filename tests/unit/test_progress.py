"""How steps are shown: in logs, to machines, on a terminal."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from junov.cli.progress import JsonLines, PlainLines, Terminal, is_noise, shown
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
        "  ✗ 0.0 s  failed",
    ]


def test_verbose_shows_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    tell(PlainLines(verbose=True))
    assert "  | layer 1" in capsys.readouterr().err


def test_what_lint_tests_and_plan_print_is_always_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("lint-1", "tests", "plan"):
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


def on_terminal(tell: Callable[[Progress], None], *, verbose: bool = False) -> list[str]:
    """What stays on a terminal of 80 columns, and what was there for a moment."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, no_color=True, soft_wrap=True)
    terminal = Terminal(verbose=verbose, console=console)
    tell(terminal)
    terminal.close()
    said = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.getvalue()).replace("\r", "\n")
    return [line.rstrip() for line in said.splitlines() if line.strip()]


def lasting(lines: list[str]) -> list[str]:
    return [line for line in lines if not SPINNER.match(line)]


SPINNER = re.compile(r"[⠀-⣿] ")
DIGEST = "sha256:" + "0123456789abcdef" * 4


def test_a_terminal_shows_what_ended_and_the_output_of_what_failed() -> None:
    assert lasting(on_terminal(tell)) == [
        "✓ Build it  0.0 s  sha256:abc",
        "• Start web",
        "  │ listening",
        "✗ Start web  0.0 s  failed",
    ]


def test_nothing_is_live_on_a_terminal_that_has_no_title() -> None:
    def tell_first(progress: Progress) -> None:
        steps = Steps(progress)
        steps.saying("lock")("waiting for root@vm")
        with steps.step("tests", "Run tests") as step:
            step.say("one passed")

    lines = on_terminal(tell_first)
    assert lasting(lines) == [
        "… waiting for root@vm", "• Run tests", "  │ one passed", "✓ Run tests  0.0 s",
    ]  # fmt: skip
    spinners = [line for line in lines if SPINNER.match(line)]
    assert spinners
    assert all("Run tests  0 s" in line for line in spinners), spinners


def test_a_terminal_shortens_digests_and_cuts_what_is_longer_than_its_line() -> None:
    def tell_long(progress: Progress) -> None:
        steps = Steps(progress)
        with steps.step("image", "Find the image") as step:
            step.note = DIGEST
        with steps.step("push", "Push") as step:
            step.note = f"{DIGEST}, " * 5
        with steps.step("long", "a title of many words " * 5):
            pass

    short, cut, title = lasting(on_terminal(tell_long))
    assert short == "✓ Find the image  0.0 s  sha256:0123456789ab"
    assert len(cut) == 80
    assert cut.endswith("…")
    assert len(title) == 80
    assert title.endswith("…  0.0 s")


def test_logs_and_machines_get_whole_digests(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    for progress in (PlainLines(verbose=False), JsonLines(out)):
        with Steps(progress).step("image", "Find the image") as step:
            step.note = DIGEST
    assert DIGEST in capsys.readouterr().err
    assert DIGEST in out.getvalue()


NOISE = [
    " Container clitiny_test-tests-run-f2ba04781fa9 Creating ",
    " Container notes_prod-web-1  Started",
    " Container notes_prod-web-1  Waiting",
    " Container notes_prod-web-1  Healthy",
    " Network notes_prod  Created",
    ' Volume "notes_data"  Removed',
    'time="2026-11-23T14:00:00Z" level=warning msg="cpus is only honored by the Swarm mode"',
    'level=warning msg="a network with name n exists but was not created by compose.\\nSet it"',
]


@pytest.mark.parametrize("line", NOISE)
def test_what_compose_says_of_its_own_work_is_noise(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert is_noise(line)
    out = io.StringIO()
    for progress in (PlainLines(verbose=False), PlainLines(verbose=True), JsonLines(out)):
        with Steps(progress).step("tests", "Tests") as step:
            step.say(line)
        shown = line in capsys.readouterr().err
        assert shown == (progress.__dict__.get("_verbose") is True)
    assert json.loads(out.getvalue().splitlines()[1])["text"] == line


@pytest.mark.parametrize(
    "line",
    [
        "Container web Error",
        " Container notes-web-1  Error dependency db failed to start",
        "Container Ship Created a test",
        "test_network PASSED",
        "",
    ],
)
def test_what_a_program_says_is_no_noise(line: str) -> None:
    assert not is_noise(line)


def test_waiting_for_another_run_is_seen_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    steps = Steps(PlainLines(verbose=False))
    with steps.step("image", "Find the image"):
        pass
    capsys.readouterr()
    steps.saying("lock")("waiting for root@vm (process 12)")
    assert capsys.readouterr().err == "… waiting for root@vm (process 12)\n"


def test_the_stages_have_headings_and_a_time_for_all(capsys: pytest.CaptureFixture[str]) -> None:
    with shown(as_json=False, verbose=False) as progress:
        steps = Steps(progress)
        steps.stage("Lint")
        steps.stage("Build")
        with steps.step("look", "Look for it"):
            pass
    said = capsys.readouterr().err
    assert said == "Lint\n\nBuild\n• Look for it\n  ✓ 0.0 s\n\nAll of it took 0.0 s\n"
    with shown(as_json=True, verbose=False) as progress:
        Steps(progress).stage("Lint")
    event = json.loads(capsys.readouterr().out)
    assert (event["event"], event["stage"]) == ("stage", "Lint")


def test_without_stages_there_is_no_time_for_all(capsys: pytest.CaptureFixture[str]) -> None:
    with shown(as_json=False, verbose=False) as progress, Steps(progress).step("a", "A"):
        pass
    assert capsys.readouterr().err == "• A\n  ✓ 0.0 s\n"


def test_an_interrupted_step_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    steps = Steps(PlainLines(verbose=False))
    with pytest.raises(KeyboardInterrupt), steps.step("two", "Two"):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "• Two\n  ✗ 0.0 s  interrupted\n"


def test_steps_are_recorded_before_and_after() -> None:
    written: list[tuple[str, ...]] = []

    class Recorder:
        def step_started(self, step: str) -> None:
            written.append(("started", step))

        def step_done(self, step: str, detail: str, seconds: float) -> None:
            assert seconds >= 0
            written.append(("done", step, detail))

        def step_failed(self, step: str, detail: str, seconds: float) -> None:
            assert seconds >= 0
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
        ("failed", "two", "interrupted"),
    ]
