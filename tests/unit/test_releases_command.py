"""`junov releases`: what was delivered, from the journal alone, without an engine."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from junov.cli.app import run
from junov.environments import Environment, Ref, identify
from junov.journal import Journal, Release

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
OLD = "127.0.0.1:5010/notes@sha256:" + "0123456789ab" + "c" * 52
NEW = "127.0.0.1:5010/notes@sha256:" + "fedcba987654" + "3" * 52


def environment(name: str = "stage", project: str = "notes") -> Environment:
    identity = identify(project, name)
    host = f"{identity.slug}.{project}.example.com"
    return Environment(identity, name, "development", Ref("branch", "dev"), host, "dev", None)


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """The journal of the server that the commands ask, from a folder of no project."""
    home, folder = tmp_path / "home", tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("JUNOV_HOME", str(home))
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    return Journal(home / "journal.db", now=lambda: NOON)


def begin(journal: Journal, commit: str, image: str = NEW, **more: object) -> Release:
    journal.register(environment())
    return journal.begin_release(
        environment(),
        commit=commit * 5,
        image=image,
        author="Борис",
        who="anna@laptop",
        **more,  # type: ignore[arg-type]
    )


def rolled_back(journal: Journal) -> None:
    """Two releases, a failed one, and then back to the first."""
    with journal:
        journal.end_release(begin(journal, "1111111a", OLD), "succeeded", seconds=12.34)
        journal.end_release(begin(journal, "2222222b"), "succeeded", seconds=9)
        failed = begin(journal, "3333333c")
        migrate = journal.step_started(failed, "migrate")
        journal.step_failed(migrate, "alembic ended\nwith exit code 1", seconds=2.25)
        journal.end_release(failed, "failed", error="alembic ended with exit code 1", seconds=3)
        back = begin(
            journal,
            "1111111a",
            OLD,
            restores=1,
            subject="Begin",
            committed_at=NOON - timedelta(days=1),
            stack_file=Path("/r/4/stack.yaml"),
        )
        journal.step_done(journal.step_started(back, "stack"), "/r/4/stack.yaml", seconds=0.04)
        journal.step_started(back, "web")
        journal.set_schema_heads(back, ["1a2b", "3c4d"])
        journal.end_release(back, "succeeded", seconds=1.5)


def test_releases_are_listed_newest_first_with_the_one_that_serves(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    rolled_back(journal)
    assert run(["releases", "stage"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert [line.rstrip() for line in shown.out.splitlines()] == [
        "RELEASE  COMMIT    AUTHOR  DIGEST        BY           WHEN (UTC)        TOOK    OUTCOME",
        "4        1111111a  Борис   0123456789ab  anna@laptop  2026-11-23 12:00  1.5 s   "
        "serves, restores 1",
        "3        3333333c  Борис   fedcba987654  anna@laptop  2026-11-23 12:00  3.0 s   failed",
        "2        2222222b  Борис   fedcba987654  anna@laptop  2026-11-23 12:00  9.0 s   succeeded",
        "1        1111111a  Борис   0123456789ab  anna@laptop  2026-11-23 12:00  12.3 s  succeeded",
    ]


def test_what_is_under_way_has_no_time_and_an_older_rollback_still_says_so(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    rolled_back(journal)
    with journal:
        journal.end_release(begin(journal, "4444444d"), "succeeded")
        begin(journal, "5555555e")
    assert run(["releases", "stage", "--limit", "3"]) == 0
    _, under_way, live, back = capsys.readouterr().out.splitlines()
    assert under_way.startswith("6 ")
    assert under_way.endswith("  -      running")
    assert live.endswith("serves")
    assert back.endswith("succeeded, restores 1")


def test_a_narrow_terminal_keeps_what_tells_releases_apart(
    journal: Journal, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rolled_back(journal)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    assert run(["releases", "stage"]) == 0
    header, first, *_ = capsys.readouterr().out.splitlines()
    assert header.split() == ["RELEASE", "COMMIT", "WHEN", "(UTC)", "OUTCOME"]
    assert first.split()[1] == "1111111a"


def test_what_was_stopped_on_purpose_does_not_serve(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    rolled_back(journal)
    with journal:
        journal.set_status(environment(), "stopped")
    assert run(["releases", "stage"]) == 0
    shown = capsys.readouterr().out
    assert "serves" not in shown
    assert shown.splitlines()[1].endswith("stopped, restores 1")


def test_the_list_as_json_has_every_field(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    rolled_back(journal)
    assert run(["releases", "stage", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(each["number"], each["live"]) for each in listed] == [
        *((4, True), (3, False), (2, False), (1, False)),
    ]
    assert listed[0] == {
        "project": "notes",
        "environment": "stage",
        "number": 4,
        "commit": "1111111a" * 5,
        "subject": "Begin",
        "author": "Борис",
        "committed_at": "2026-11-22T12:00:00.000+00:00",
        "image": OLD,
        "digest": "sha256:0123456789ab" + "c" * 52,
        "debug_image": "",
        "stack_file": "/r/4/stack.yaml",
        "restores": 1,
        "schema_before": [],
        "schema_heads": ["1a2b", "3c4d"],
        "migration_log": None,
        "who": "anna@laptop",
        "started_at": "2026-11-23T12:00:00.000+00:00",
        "ended_at": "2026-11-23T12:00:00.000+00:00",
        "seconds": 1.5,
        "outcome": "succeeded",
        "error": "",
        "live": True,
    }


def test_one_release_is_shown_with_its_steps(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    rolled_back(journal)
    assert run(["releases", "stage", "4"]) == 0
    fields, steps = capsys.readouterr().out.split("\n\n")
    said = dict(line.split(maxsplit=1) for line in fields.splitlines())
    assert said["number"] == "4"
    assert said["commit"] == "1111111a" * 5
    assert said["committed_at"] == "2026-11-22 12:00 UTC"
    assert said["schema_heads"] == "1a2b, 3c4d"
    assert said["stack_file"] == "/r/4/stack.yaml"
    assert said["seconds"] == "1.5 s"
    assert said["outcome"] == "serves, restores 1"
    assert said["error"] == "-"
    assert [line.rstrip() for line in steps.splitlines()] == [
        "STEP   STATE    TOOK   DETAIL",
        "stack  done     0.0 s  /r/4/stack.yaml",
        "web    started  -",
    ]


def migrated(journal: Journal, folder: Path, before: list[str], after: list[str]) -> Path:
    """A release that has migrated; where the file with what was printed belongs."""
    with journal:
        release = begin(journal, "1111111a", stack_file=folder / "stack.yaml")
        journal.set_schema_before(environment(), release.number, before)
        journal.set_schema_heads(release, after)
        journal.end_release(release, "succeeded")
    return folder / "migration.log"


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (["0003"], ["0005"], "0003 → 0005"),
        (["0003", "0004"], ["0005"], "0003, 0004 → 0005"),
        (["0005"], ["0005"], "0005"),
        ([], ["0001"], "0001"),
        (["0003"], [], "-"),
    ],
    ids=str,
)
def test_where_the_schema_was_brought_from_is_shown(
    journal: Journal,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    before: list[str],
    after: list[str],
    words: str,
) -> None:
    migrated(journal, tmp_path, before, after)
    assert run(["releases", "stage", "1"]) == 0
    shown = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert ["schema_heads", words] in shown
    assert run(["releases", "stage", "1", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["schema_before"], data["schema_heads"]) == (before, after)


def test_what_was_written_first_of_where_the_schema_was_stays(
    journal: Journal, tmp_path: Path
) -> None:
    migrated(journal, tmp_path, ["0003"], ["0005"])
    with journal:
        journal.set_schema_before(environment(), 1, ["0004"])
        journal.set_schema_before(environment(), 7, ["0004"])
        journal.set_schema_before(environment("qa"), 1, ["0004"])
        assert journal.release(environment(), 1).schema_before == ("0003",)


def test_what_the_migrations_printed_is_named_and_printed(
    journal: Journal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = migrated(journal, tmp_path, ["0003"], ["0005"])
    assert run(["releases", "stage", "1", "--log"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "nothing is kept of what migrations of release 1 printed" in shown.err

    file.write_text("Running upgrade 0003 -> 0005\n")
    assert run(["releases", "stage", "1"]) == 0
    assert f"{file}\n" in capsys.readouterr().out
    assert run(["releases", "stage", "1", "--log"]) == 0
    assert capsys.readouterr().out == "Running upgrade 0003 -> 0005\n"


@pytest.mark.parametrize("arguments", [["--log"], ["1", "--log", "--json"]], ids=" ".join)
def test_a_log_is_one_releases_and_is_text(
    journal: Journal, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    rolled_back(journal)
    assert run(["releases", "stage", *arguments]) == 2
    assert "it needs a NUMBER, and has no --json" in capsys.readouterr().err


def test_a_failed_release_tells_why(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    rolled_back(journal)
    assert run(["releases", "stage", "3"]) == 0
    shown = capsys.readouterr().out
    assert "error          alembic ended with exit code 1\n" in shown
    # A detail of several lines stays in its row.
    assert shown.endswith("migrate  failed  2.2 s  alembic ended with exit code 1\n")


def test_a_release_without_steps_is_its_fields_alone(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    rolled_back(journal)
    assert run(["releases", "stage", "2"]) == 0
    assert "STEP" not in capsys.readouterr().out


def test_one_release_as_json_has_its_steps(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    rolled_back(journal)
    assert run(["releases", "stage", "3", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["number"], shown["live"], shown["outcome"]) == (3, False, "failed")
    assert shown["steps"] == [
        {
            "position": 1,
            "name": "migrate",
            "state": "failed",
            "started_at": "2026-11-23T12:00:00.000+00:00",
            "ended_at": "2026-11-23T12:00:00.000+00:00",
            "seconds": 2.25,
            "detail": "alembic ended\nwith exit code 1",
        }
    ]


def test_a_number_that_is_not_there_is_named_with_those_that_are(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    rolled_back(journal)
    assert run(["releases", "stage", "9"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "stage has no release 9; there are 1-4" in shown.err
    assert "→ see what was delivered with: junov releases stage" in shown.err


@pytest.mark.parametrize("arguments", [["0"], ["first"], ["--limit", "0"]], ids=" ".join)
def test_a_number_is_from_one(
    journal: Journal, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    rolled_back(journal)
    assert run(["releases", "stage", *arguments]) == 2
    assert "Error: Invalid value" in capsys.readouterr().err


@pytest.mark.parametrize("json_wanted", [False, True], ids=["words", "json"])
@pytest.mark.parametrize("registered", [False, True], ids=["journal", "environment"])
def test_where_nothing_is_known_the_first_command_is_named(
    journal: Journal,
    capsys: pytest.CaptureFixture[str],
    registered: bool,
    json_wanted: bool,
) -> None:
    if registered:
        with journal:
            journal.register(environment())
    assert run(["releases", "stage", *(["--json"] if json_wanted else [])]) == 0
    shown = capsys.readouterr()
    assert shown.out == ("[]\n" if json_wanted else "")
    if registered:
        assert shown.err == "nothing was delivered to stage yet; deliver with: junov deploy\n"
    else:
        assert f"the journal in {journal.path.parent} knows no environment yet" in shown.err
        assert "junov run" in shown.err


def test_a_number_where_nothing_is_known_is_an_error(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["releases", "stage", "1"]) == 1
    assert "the journal knows no environment stage" in capsys.readouterr().err
    with journal:
        journal.register(environment())
    assert run(["releases", "stage", "1"]) == 1
    assert "nothing was delivered to it yet" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["qa"], ["qa", "1"]], ids=" ".join)
def test_an_unknown_environment_is_an_error(
    journal: Journal, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    rolled_back(journal)
    assert run(["releases", *arguments]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "the journal knows no environment qa" in shown.err
    assert "junov env ls" in shown.err


def test_the_project_is_that_of_the_folder_or_the_one_that_is_said(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    rolled_back(journal)
    with journal:
        journal.register(environment("stage", "shop"))
        release = journal.begin_release(
            environment("stage", "shop"), commit="c", image=NEW, who="carl"
        )
        journal.end_release(release, "succeeded")

    def project(*arguments: str) -> str:
        assert run(["releases", "stage", "1", "--json", *arguments]) == 0
        return str(json.loads(capsys.readouterr().out)["project"])

    assert run(["releases", "stage"]) == 1
    assert "several projects have an environment stage: notes, shop" in capsys.readouterr().err
    assert [project("-p", "notes"), project("--project", "shop")] == ["notes", "shop"]
    Path("junov.yaml").write_text("project: shop\n")
    assert [project(), project("-p", "notes")] == ["shop", "notes"]
