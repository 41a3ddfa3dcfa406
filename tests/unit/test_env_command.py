"""`junov env`: how stopped environments are told, and what there may be nothing of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from junov.cli.app import run
from junov.delivery.environments import EnvironmentView
from junov.environments import identify

VIEW = EnvironmentView(
    identity=identify("notes", "feature/a"), tier="development", status="stopped",
    url="http://a.notes.localhost", host="a.notes.localhost", image="", commit="315e4f25aa",
    ref="feature/a", database="notes_a", release=1, deployed_at="2026-11-23T13:05:41+00:00",
    expires_at="", services={"web": "exited"}, ref_type="branch",
    used_at="2026-11-23T13:05:40+00:00", stopped_at="2026-11-24T08:15:00+00:00",
    removable_at="2026-12-01T08:15:00+00:00",
)  # fmt: skip


@pytest.fixture
def stopped(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> list[object]:
    """What is stopped, from a folder of no project, where `feature/a` is all that there is.

    Its containers run, unless the test says otherwise.
    """
    done: list[object] = []

    def stop(*arguments: object) -> list[str]:
        done.append(arguments[1])
        return getattr(request, "param", ["web-1"])

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("junov.delivery.environments.list_environments", lambda *_: [VIEW])
    monkeypatch.setattr("junov.delivery.lifecycle.stop", stop)
    return done


@pytest.mark.parametrize("name", ["feature/a", "heads/feature/a", "refs/heads/feature/a"])
def test_an_environment_is_stopped_by_its_name_or_its_branch(
    stopped: list[object], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert run(["env", "stop", "--project", "notes", name]) == 0
    assert stopped == [VIEW]
    assert "already" not in capsys.readouterr().err


@pytest.mark.parametrize("stopped", [[]], indirect=True)
def test_one_that_is_stopped_stays_so(
    stopped: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["env", "stop", "--project", "notes", "heads/feature/a"]) == 0
    assert "feature/a was stopped already" in capsys.readouterr().err
    assert stopped == [VIEW]


def test_a_branch_that_was_never_deployed_has_nothing_to_stop(
    stopped: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["env", "stop", "--project", "notes", "heads/feature/z"]) == 0
    assert capsys.readouterr().err == (
        "there is no environment for the branch feature/z of the project notes on this server: "
        "there is nothing to stop\n"
    )
    # A person who has mistyped a name wants to know.
    assert run(["env", "stop", "--project", "notes", "feature/z"]) == 1
    assert "did you mean `feature/a`?" in capsys.readouterr().err
    assert stopped == []


@pytest.mark.parametrize("command", ["show", "rm", "start", "logs"])
def test_elsewhere_it_has_to_be_there(
    stopped: list[object], capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert run(["env", command, "--project", "notes", "heads/feature/z"]) == 1
    assert "no environment for the branch feature/z" in capsys.readouterr().err
    assert stopped == []


def test_the_list_says_since_when_one_is_stopped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = replace(VIEW, identity=identify("notes", "feature/b"), stopped_at="")
    monkeypatch.setattr("junov.cli.env.list_environments", lambda *_: [VIEW, runs])
    assert run(["env", "ls", "-p", "notes"]) == 0
    header, a, b = capsys.readouterr().out.splitlines()
    assert header.endswith("STOPPED (UTC)")
    assert a.endswith("2026-11-24 08:15")
    assert b.endswith(" -")
    monkeypatch.setattr("junov.cli.env.list_environments", lambda *_: [runs])
    assert run(["env", "ls", "-p", "notes"]) == 0
    assert "STOPPED" not in capsys.readouterr().out


def test_all_that_is_known_says_how_long_it_is_kept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("junov.cli.env.find_environment", lambda *_: VIEW)
    assert run(["env", "show", "heads/feature/a", "-p", "notes"]) == 0
    shown = dict(
        line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if " " in line
    )
    assert shown["stopped_at"] == "2026-11-24 08:15 UTC"
    assert shown["removable_at"] == "2026-12-01 08:15 UTC"
    assert shown["used_at"] == "2026-11-23 13:05 UTC"
    assert shown["ref_type"] == "branch"


def test_which_project_is_meant_has_to_be_clear(
    stopped: list[object], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(VIEW, identity=identify("shop", "feature/a"))
    monkeypatch.setattr("junov.delivery.environments.list_environments", lambda *_: [VIEW, other])
    assert run(["env", "stop", "heads/feature/a"]) == 1
    assert "several projects have an environment heads/feature/a" in capsys.readouterr().err
    assert stopped == []
