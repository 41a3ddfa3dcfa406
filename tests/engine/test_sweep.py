"""The life of environments: stopped, brought back, made place for another one, swept."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from junov.site import Site
from tests.engine.conftest import Shell, Web, environment, set_version
from tests.engine.faulty import simplify
from tests.engine.stage import Stage

NAME = "feature/life"


def aged(site: Site, name: str, column: str, by: timedelta) -> None:
    """Let one of the moments that the journal knows of an environment be that long ago."""
    at = (datetime.now(UTC) - by).isoformat(timespec="milliseconds")
    with site.journal.write() as db:
        db.execute(f"UPDATE environments SET {column} = ? WHERE name = ?", (at, name))  # noqa: S608


def statuses(shell: Shell) -> dict[str, str]:
    """How the environments of a shell's project are."""
    found: list[dict[str, Any]] = json.loads(shell("junov", "env", "ls", "--json"))
    return {each["name"]: each["status"] for each in found}


def limited(tiny: Shell, limit: int, *names: str) -> None:
    """Give the small project a limit, and branches."""
    simplify(tiny.folder)
    file = tiny.folder / "junov.yaml"
    file.write_text(file.read_text().replace("limit: 2", f"limit: {limit}"))
    tiny.commit("Limited")
    for name in names:
        tiny("git", "branch", name)


def test_one_that_was_stopped_comes_back_with_its_data_or_goes_with_a_backup(
    delivered: Stage, web: Web, tmp_path: Path
) -> None:
    shell, site, project = delivered.shell, delivered.site, delivered.project
    shell("git", "branch", "--force", NAME, "dev")
    delivered("run", NAME)
    delivered("reset", NAME, "--yes")
    delivered.write("still here", NAME)
    notes, url = delivered.notes(NAME), delivered.url(NAME)
    database = delivered.live(NAME)

    # As in GitLab's job after a branch was deleted: there is no checkout.
    job = Shell(tmp_path, shell.environ)
    stop = ("junov", "env", "stop", "--project", project)
    job(*stop, f"heads/{NAME}")
    shown = environment(shell, NAME)
    assert (shown["status"], web(url)[0]) == ("stopped", 503)
    assert shown["stopped_at"]
    assert str(shown["removable_at"]) > str(shown["stopped_at"])
    assert "was stopped already" in job(*stop, f"heads/{NAME}")
    assert environment(shell, NAME)["stopped_at"] == shown["stopped_at"]
    said = job(*stop, "heads/feature/never")
    assert f"no environment for the branch feature/never of the project {project}" in said
    assert "nothing to stop" in said
    assert "no environment feature/never" in job(*stop, "feature/never", expect=1)

    assert "nothing is due" in job("junov", "env", "sweep", "--project", project)
    for back in (("env", "start"), ("deploy",)):
        delivered(*back, NAME)
        assert delivered.notes(NAME) == notes
        shown = environment(shell, NAME)
        assert (shown["stopped_at"], shown["database"]) == (None, database)
        job(*stop, NAME)

    aged(site, NAME, "stopped_at", timedelta(days=8))
    sweep = ("junov", "env", "sweep", "--project", project, "--json")
    (due,) = json.loads(job(*sweep, "--dry-run"))["due"]
    assert (due["environment"], due["action"]) == (NAME, "remove")
    assert "longer than the 7d of `keep`" in due["why"]
    assert NAME in statuses(shell)

    done = json.loads(job(*sweep).splitlines()[-1])
    (removed,) = done["removed"]
    assert (removed["environment"], done["failed"]) == (NAME, [])
    before_reset, backup = map(Path, removed["backups"])
    assert min(before_reset.stat().st_size, backup.stat().st_size) > 0
    assert database not in site.postgres.names()
    assert statuses(shell) == {"prod": "healthy", "stage": "healthy"}

    # A branch that comes back even later finds the backup.
    delivered("run", NAME)
    assert "still here" not in delivered.notes(NAME)
    delivered("db", "restore", NAME, backup.stem, "--yes")
    assert delivered.notes(NAME) == notes
    delivered("env", "rm", NAME, "--yes")


def test_one_more_than_may_run_stops_the_least_recently_used(tiny: Shell, web: Web) -> None:
    names = ("feature/a", "feature/b", "feature/c")
    limited(tiny, 2, *names)
    tiny("junov", "run", "main")
    assert "limit" not in tiny("junov", "run", "feature/a")
    assert "the next one would stop feature/a" in tiny("junov", "run", "feature/b")

    # What is refused for another reason stops nobody.
    assert "nothing has been promoted" in tiny("junov", "deploy", "feature/c", expect=1)
    tiny("junov", "build", "feature/c")
    tiny("junov", "promote", "feature/c")
    planned = tiny("junov", "deploy", "feature/c", "--dry-run")
    assert "stop feature/a: it was used least recently, and feature may run 2" in planned
    healthy = dict.fromkeys(("feature/a", "feature/b", "prod"), "healthy")
    assert statuses(tiny) == healthy

    said = tiny("junov", "deploy", "feature/c")
    assert "Stop feature/a: it was used least recently" in said
    assert "the next one would stop feature/b" in said
    assert statuses(tiny) == {**healthy, "feature/a": "stopped", "feature/c": "healthy"}
    # One that runs is delivered again without any place being made.
    assert "Stop feature" not in tiny("junov", "deploy", "feature/b")

    assert "Stop feature/c" in tiny("junov", "env", "start", "feature/a")
    assert statuses(tiny) == {**healthy, "feature/c": "stopped"}
    assert web(str(environment(tiny, "feature/a")["url"]))[0] == 200
    # Other ways to bring one back take a place as well.
    tiny("junov", "env", "stop", "feature/b")
    assert "Stop feature" not in tiny("junov", "env", "start", "feature/c")
    assert "Stop feature/a" in tiny("junov", "rollback", "feature/b", "--yes")
    assert statuses(tiny) == {**healthy, "feature/a": "stopped", "feature/c": "healthy"}


def test_two_that_are_new_at_once_wait_for_each_other_and_not_for_ever(tiny: Shell) -> None:
    names = ("feature/one", "feature/two")
    limited(tiny, 1, *names)
    tiny("junov", "build", names[0])
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: tiny("junov", "run", name), names))
    assert sorted(statuses(tiny).values()) == ["healthy", "stopped"]


def test_a_branch_may_be_moved_back_renamed_or_come_after_one_it_could_not_stand_beside(
    tiny: Shell, web: Web
) -> None:
    limited(tiny, 3, "feature/a")
    before = tiny("git", "rev-parse", "main").strip()
    tiny("git", "switch", "--quiet", "feature/a")
    after = set_version(tiny, "2")
    tiny("junov", "run", "feature/a")
    assert environment(tiny, "feature/a")["commit"] == after
    # As after a forced push: the branch is at an older commit.
    tiny("git", "reset", "--quiet", "--hard", before)
    tiny("junov", "run", "feature/a")
    a = environment(tiny, "feature/a")
    assert (a["commit"], a["release"], a["status"]) == (before, 2, "healthy")

    tiny("git", "switch", "--quiet", "main")
    tiny("git", "branch", "--move", "feature/a", "feature/renamed")
    tiny("git", "branch", "feature/a/b", after)
    tiny("junov", "run", "feature/a/b")
    below = environment(tiny, "feature/a/b")
    assert (below["commit"], below["release"]) == (after, 1)
    assert below["host"] != a["host"]
    for url in (str(a["url"]), str(below["url"])):
        assert web(url)[0] == 200
    tiny("junov", "env", "stop", "heads/feature/a")
    assert statuses(tiny) == {"feature/a": "stopped", "feature/a/b": "healthy"}


def test_a_sweep_stops_what_has_expired_and_what_has_lost_its_branch(
    tiny: Shell, site: Site, tmp_path: Path
) -> None:
    limited(tiny, 3, "feature/a", "feature/a-gone", "feature/b")
    for name in ("feature/a", "feature/a-gone", "feature/b"):
        tiny("junov", "run", name)
    aged(site, "feature/b", "expires_at", timedelta(minutes=1))
    tiny("git", "remote", "add", "origin", str(tmp_path / "origin"))

    # Nobody is taken for gone where the origin doesn't say so.
    said = tiny("junov", "env", "sweep", expect=1)
    assert "doesn't say what branches it has" in said
    assert "stopped: " in said
    assert statuses(tiny) == {
        "feature/a": "healthy",
        "feature/a-gone": "healthy",
        "feature/b": "stopped",
    }

    tiny("git", "clone", "--quiet", "--bare", str(tiny.folder), str(tmp_path / "origin"))
    tiny("git", "--git-dir", str(tmp_path / "origin"), "branch", "-D", "feature/a-gone")
    said = tiny("junov", "env", "sweep")
    assert "feature/a-gone, its branch feature/a-gone is gone" in said
    assert statuses(tiny) == {
        "feature/a": "healthy",
        "feature/a-gone": "stopped",
        "feature/b": "stopped",
    }
