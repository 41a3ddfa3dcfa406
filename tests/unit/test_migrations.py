"""How a migration is run: bounded, and with the end of what it printed kept."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junov.config.home import Home
from junov.config.project import read_project
from junov.delivery.delivered import Delivered, release_folder
from junov.delivery.migrations import KEPT_BYTES, last_of, migrate, take_back, with_lock_timeout
from junov.environments import claim
from junov.environments.environment import Ref
from junov.errors import StageError
from junov.journal import Journal
from junov.process import TIMED_OUT
from junov.secret import REDACTED, Secret
from junov.site import Site
from junov.stacks.stack import Stack
from junov.steps import Step

JUNOV = """\
project: notes
web: {service: web}
migrate: {service: alembic, lock_timeout: 3s, downgrade: [alembic, downgrade, "{head}"]}
environments:
  prod: {branch: main, host: notes.example.com, tier: production}
"""
DATABASE = "database: {service: db}\n"
IMAGE = "127.0.0.1:5010/notes@sha256:" + "a" * 64


class Runtime:
    """Prints what it is given, in the place of a container.

    Args:
        lines: what is printed.
        ends: the exit code, or what happens instead of an end.
    """

    def __init__(self, *lines: str, ends: int | BaseException = 0) -> None:
        self.lines = lines
        self.ends = ends
        self.variables: dict[str, str] = {}

    def run_once(
        self,
        stack: Path,
        service: str,
        *,
        command: object,
        timeout: float,
        on_line: Callable[[str], None],
        variables: dict[str, str],
    ) -> int:
        del stack, service, command, timeout
        self.variables = variables
        for line in self.lines:
            on_line(line)
        if isinstance(self.ends, BaseException):
            raise self.ends
        return self.ends


@pytest.fixture
def delivered(tmp_path: Path) -> Delivered:
    """A release under way of a project without a database of junov's."""
    return of_project(tmp_path, JUNOV)


def of_project(folder: Path, text: str, **environment: str) -> Delivered:
    (folder / "junov.yaml").write_text(text)
    project = read_project(folder).config
    made = claim(project, Ref("branch", "main"))
    assert made
    service = {"image": IMAGE, "environment": environment}
    stack = Stack(
        *("notes_prod", {"services": {"alembic": service}}, IMAGE, "web", "alembic", ()),
        secrets=frozenset({Secret("hunter2")}),
    )
    site = Site(Home(folder / "home"))
    return Delivered(made, project, stack, 1, release_folder(site, made.identity, 1))


def run(
    delivered: Delivered, runtime: Runtime, how: Callable[..., None] = migrate, *more: Any
) -> list[str]:
    """Run migrations on a server of doubles; the lines that were shown."""
    shown: list[str] = []
    site = SimpleNamespace(
        runtime=runtime,
        journal=Journal(delivered.folder.parents[3] / "journal.db"),
        postgres=SimpleNamespace(alembic_heads=lambda *_: ("0003",)),
        password=lambda *_: Secret("hunter3"),
    )
    with site.journal:
        how(site, delivered, *more, Step("migrate", shown.append))
    return shown


def kept(delivered: Delivered) -> str:
    file = delivered.folder / "migration.log"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    return file.read_text()


def test_what_is_printed_is_shown_and_kept_without_secrets(delivered: Delivered) -> None:
    shown = run(delivered, Runtime("Running upgrade 0003 -> 0004", "password hunter2 it is"))
    assert shown == ["Running upgrade 0003 -> 0004", f"password {REDACTED} it is"]
    first, *lines = kept(delivered).splitlines()
    assert first.endswith(" UTC: migration, alembic")
    assert lines == [*shown, "it ended with exit code 0"]


@pytest.mark.parametrize(
    ("ends", "said"),
    [(3, "it ended with exit code 3"), (TIMED_OUT, "124"), (KeyboardInterrupt(), "interrupted")],
    ids=["failed", "time is up", "interrupted"],
)
def test_it_is_kept_however_it_ends(
    delivered: Delivered, ends: int | BaseException, said: str
) -> None:
    with pytest.raises((StageError, KeyboardInterrupt)):
        run(delivered, Runtime("Running upgrade", ends=ends))
    *_, line, end = kept(delivered).splitlines()
    assert line == "Running upgrade"
    assert said in end


def test_everything_that_one_release_runs_is_kept_together(delivered: Delivered) -> None:
    run(delivered, Runtime("down"), take_back, delivered, ["alembic", "downgrade", "0002"])
    run(delivered, Runtime("up"))
    lines = [line.partition(" UTC: ")[2] or line for line in kept(delivered).splitlines()]
    assert lines == [
        *("downgrade, alembic downgrade 0002", "down", "it ended with exit code 0"),
        *("migration, alembic", "up", "it ended with exit code 0"),
    ]


def test_of_a_talkative_one_the_end_is_kept(delivered: Delivered) -> None:
    run(delivered, Runtime(*(f"row {number} is done" for number in range(50_000)), "x" * 70_000))
    run(delivered, Runtime(*(f"row {number} is done" for number in range(50_000))))
    text = kept(delivered)
    assert KEPT_BYTES - 100 < len(text.encode()) <= KEPT_BYTES
    assert text.startswith("row 4")
    assert text.endswith("row 49999 is done\nit ended with exit code 0\n")


@given(st.text(alphabet="aж\n", max_size=60), st.integers(1, 80))
def test_the_last_of_a_text_is_whole_lines_that_fit(text: str, size: int) -> None:
    rest = last_of(text, size)
    assert text.endswith(rest)
    assert len(rest.encode()) <= size
    start = len(text) - len(rest)
    if start:
        line_before = text.rfind("\n", 0, start - 1) + 1
        assert len(text[line_before:].encode()) > size
        assert text[start - 1] == "\n" or rest == ""


def test_no_statement_waits_for_a_lock_for_longer_than_it_may(tmp_path: Path) -> None:
    runtime = Runtime()
    run(of_project(tmp_path, JUNOV + DATABASE), runtime)
    assert runtime.variables == {"PGOPTIONS": "-c lock_timeout=3000"}
    run(of_project(tmp_path, JUNOV + DATABASE, PGOPTIONS="-c work_mem=1MB"), runtime)
    assert runtime.variables == {"PGOPTIONS": "-c lock_timeout=3000 -c work_mem=1MB"}
    # A database that isn't junov's may be behind a pool that refuses what it doesn't know.
    run(of_project(tmp_path, JUNOV), runtime)
    assert runtime.variables == {}


def test_what_a_service_says_itself_comes_last_and_so_wins() -> None:
    own = "-c lock_timeout=1min"
    assert with_lock_timeout(own, 10) == f"-c lock_timeout=10000 {own}"
    assert with_lock_timeout("", 10) == "-c lock_timeout=10000"


def test_a_project_without_migrations_keeps_nothing(delivered: Delivered) -> None:
    object.__setattr__(delivered.stack, "migrate", None)
    assert run(delivered, Runtime("never")) == []
    assert not delivered.folder.exists()
