"""The command line as a whole: help, version, exit codes, and never a traceback."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from junov import __version__
from junov.cli import boundary
from junov.cli.app import COMMANDS, root, run
from junov.delivery.environments import EnvironmentView
from junov.environments import identify
from junov.errors import (
    ConfigError,
    JunovError,
    Place,
    Problem,
    SupersededError,
    TestsFailedError,
)


def junov(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name != "JUNOV_HOME"}
    return subprocess.run(
        [sys.executable, "-m", "junov", *arguments],
        capture_output=True, text=True, cwd=cwd, env=environ, check=False,
    )  # fmt: skip


def every_command() -> Iterator[tuple[str, ...]]:
    """The path of every command and of every group within."""

    def below(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield path
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                assert found is not None
                yield from below(found, (*path, name))

    yield from below(root, ())


def test_help_lists_every_command_with_its_line() -> None:
    ran = junov("--help")
    assert ran.returncode == 0
    for name, (_, line) in COMMANDS.items():
        assert f"  {name} " in ran.stdout
        assert " ".join(line.split()) in " ".join(ran.stdout.split())


def test_without_a_command_the_help_is_shown_as_wrong_usage() -> None:
    ran = junov()
    assert ran.returncode == 2
    assert "Usage: junov" in ran.stderr


@pytest.mark.parametrize("path", list(every_command()), ids=lambda path: " ".join(path) or "junov")
def test_every_command_has_help(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(root, [*path, "--help"], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.output.startswith("Usage: ")


@pytest.mark.parametrize("path", list(every_command()), ids=lambda path: " ".join(path) or "junov")
def test_every_option_says_what_it_does(path: tuple[str, ...]) -> None:
    command: click.Command = root
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.opts} of {' '.join(path)} says nothing"


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(option: str) -> None:
    ran = junov(option)
    assert (ran.returncode, ran.stdout) == (0, f"junov {__version__}\n")


def test_help_imports_no_command() -> None:
    code = (
        "import sys; from junov.cli.app import run; code = run(['--help']); "
        "sys.exit([m for m in sys.modules if m.startswith(('junov.delivery', 'junov.config', "
        "'pydantic', 'rich', 'docker', 'asyncio'))] or code)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments",
    [["depoly"], ["--colour"], ["schema"], ["schema", "x.yaml"], ["init", "--domain"]],
    ids=" ".join,
)
def test_wrong_usage_is_two(arguments: list[str]) -> None:
    ran = junov(*arguments)
    assert ran.returncode == 2
    assert "Error: " in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""


def test_what_a_user_can_mend_is_one(tmp_path: Path) -> None:
    (tmp_path / "junov.yaml").write_text("project: 1.20\nport: 80\n")
    ran = junov("init", cwd=tmp_path)
    assert ran.returncode == 1
    assert "error: junov.yaml:1:10: `project`: YAML reads 1.20 as the number" in ran.stderr
    assert '  → put it in quotes: "1.20"' in ran.stderr
    assert "error: junov.yaml:2:1: unknown key `port`" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_error_is_json_where_data_is(tmp_path: Path) -> None:
    import json

    (tmp_path / "junov.yaml").write_text("project: 1.20\n")
    ran = junov("init", "--json", cwd=tmp_path)
    assert ran.returncode == 1
    assert ran.stdout == ""
    problems = json.loads(ran.stderr)["error"]["problems"]
    assert {key: problems[1][key] for key in ("file", "line", "column")} == {
        "file": "junov.yaml",
        "line": 1,
        "column": 10,
    }


def test_a_bug_is_three_with_a_log_and_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def broken() -> None:
        raise KeyError("unforeseen")

    assert boundary.guarded(broken) == 3
    said = capsys.readouterr().err
    assert "this is a bug of junov: KeyError: 'unforeseen'" in said
    assert "Traceback" not in said
    (log,) = tmp_path.glob("junov-bug-*.log")
    assert str(log) in said
    assert "Traceback" in log.read_text()


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (JunovError("it is so", remedy="do this", detail="a\nb"), 1,
         "error: it is so\n  → do this\n  | a\n  | b\n"),
        (ConfigError([Problem("one", Place(Path("f"), 1, 2)), Problem("two")]), 1,
         "error: f:1:2: one\nerror: two\n"),
        (TestsFailedError("failed", code=5, remedy="mend"), 5, "error: failed\n  → mend\n"),
        (SupersededError("a newer one", remedy="wait"), 4, "error: a newer one\n  → wait\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (click.Abort(), 1, "nothing was changed\n"),
        (click.UsageError("no such thing"), 2, "Error: no such thing\n"),
        (click.exceptions.Exit(7), 7, ""),
        (BrokenPipeError(), 0, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)  # fmt: skip
def test_what_is_raised_becomes_an_exit_code(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    raised: BaseException,
    code: int,
    said: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["junov"])

    def command() -> None:
        raise raised

    out = sys.stdout
    try:
        assert boundary.guarded(command) == code
        assert capsys.readouterr().err == said
    finally:
        if sys.stdout is not out:  # a broken pipe is replaced, so that Python's own flush is quiet
            sys.stdout.close()
            sys.stdout = out


@pytest.mark.parametrize(
    ("answer", "terminal", "code", "said"),
    [
        ("n\n", True, 1, "nothing was changed\n"),
        ("", True, 1, "\nnothing was changed\n"),
        ("", False, 1, "\nerror: there is no terminal to ask at\n  → use --yes\n"),
        (None, True, 130, "\ninterrupted\n"),
    ],
    ids=["no", "end of input", "no terminal", "Ctrl-C"],
)
def test_a_prompt_without_a_yes_changes_nothing(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str | None,
    terminal: bool,
    code: int,
    said: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["junov"])

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    stdin = io.StringIO(answer or "")
    monkeypatch.setattr(stdin, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stdin", stdin)
    if answer is None:
        monkeypatch.setattr("builtins.input", interrupt)
        monkeypatch.setattr("click.termui.visible_prompt_func", interrupt)

    @click.command()
    def command() -> None:
        click.confirm("Go on?", abort=True)

    assert boundary.guarded(lambda: command.main([], standalone_mode=False)) == code
    assert capsys.readouterr().err == said


def test_production_without_a_terminal_asks_for_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    removed: list[object] = []
    monkeypatch.setattr("junov.cli.env._find", lambda *_, **__: VIEW)
    monkeypatch.setattr("junov.delivery.lifecycle.what_goes", lambda *_: ["all"])
    monkeypatch.setattr("junov.delivery.lifecycle.remove", lambda *_: removed.append(_))
    assert run(["env", "rm", "prod", "--yes"]) == 1
    assert "→ type the name at a terminal" in capsys.readouterr().err
    assert not removed


VIEW = EnvironmentView(
    identity=identify("notes", "prod"), tier="production", status="healthy",
    url="http://notes.localhost", host="notes.localhost", image="", commit="315e4f25aa",
    ref="main", database="notes_prod", release=1, deployed_at="2026-11-23T13:05:41+00:00",
    expires_at="", services={"web": "healthy", "worker": "running"},
)  # fmt: skip


@pytest.mark.parametrize("expires", ["", "2026-11-30T13:05:41+00:00"])
def test_environments_are_listed_with_what_expires(
    expires: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    view = replace(VIEW, expires_at=expires)
    monkeypatch.setattr("junov.cli.env.list_environments", lambda *_: [view])
    assert run(["env", "ls", "-p", "notes"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert "2026-11-23 13:05" in row
    assert ("EXPIRES" in header) == bool(expires)
    assert ("2026-11-30 13:05" in row) == bool(expires)


def test_services_and_moments_are_shown_in_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("junov.cli.env.find_environment", lambda *_: VIEW)
    assert run(["env", "show", "prod", "-p", "notes"]) == 0
    said = capsys.readouterr().out
    assert "web healthy, worker running\n" in said
    assert "2026-11-23 13:05 UTC\n" in said


@pytest.mark.parametrize("tail", ["abc", "-1", "1.5", ""])
def test_how_many_lines_of_logs_is_a_number_or_all(tail: str) -> None:
    ran = junov("env", "logs", "stage", "--tail", tail)
    assert ran.returncode == 2
    assert f"expected a number or `all`, found {tail!r}" in ran.stderr


@pytest.mark.parametrize(
    ("text", "project", "warning"),
    [
        ("project: notes\nport: 80\n", "notes", ""),
        ("project: 1.20\n", None, "junov.yaml: expected the project's name"),
        ("project: [\n", None, "junov.yaml:2:1: "),
    ],
    ids=["wrong elsewhere", "wrong name", "no YAML"],
)
def test_a_wrong_file_keeps_nobody_from_looking(
    text: str,
    project: str | None,
    warning: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    asked: list[str | None] = []

    def find(site: object, name: str, of: str | None) -> EnvironmentView:
        del site, name
        asked.append(of)
        return VIEW

    (tmp_path / "junov.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("junov.cli.env.find_environment", find)
    stopped: list[object] = []
    monkeypatch.setattr("junov.delivery.lifecycle.stop", lambda *_: stopped.append(_))
    assert run(["env", "show", "prod"]) == 0
    said = capsys.readouterr().err
    assert (said.startswith(f"warning: {warning}") and warning != "") or said == warning
    assert asked == [project]
    # What would be changed could be another project's, so its name has to be certain.
    assert run(["env", "stop", "prod"]) == (1 if warning else 0)
    assert len(stopped) == (0 if warning else 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_being_terminated_runs_what_cleans_up(
    capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    before, cleaned = signal.getsignal(number), []

    def command() -> None:
        try:
            signal.raise_signal(number)
        finally:
            cleaned.append(True)

    assert boundary.guarded(command) == 143
    assert cleaned == [True]
    assert capsys.readouterr().err == "terminated\n"
    assert signal.getsignal(number) is before


def test_whoever_ignores_the_end_of_the_session_goes_on() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert boundary.guarded(lambda: signal.raise_signal(signal.SIGHUP)) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_reader_that_goes_away_is_no_error() -> None:
    ran = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m junov schema junov.yaml | head -1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.stdout, ran.stderr) == ("{\n", "")


def test_success_is_zero(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "bash"]) == 0
    assert "_JUNOV_COMPLETE" in capsys.readouterr().out
