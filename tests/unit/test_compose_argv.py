"""Whole command lines of Compose, without an engine."""

from __future__ import annotations

from pathlib import Path

from junov.engine.compose import logs_argv, run_once_argv, up_argv

COMPOSE = ("docker", "compose")
STACK = Path("/state/stack.yaml")
ON = "docker compose --progress plain --env-file /dev/null --file /state/stack.yaml"


def line(argv: list[str]) -> str:
    return " ".join(argv)


def test_a_one_off_container_starts_nothing_else_and_goes_away() -> None:
    assert line(run_once_argv(COMPOSE, STACK, "alembic", ["alembic", "current"], "once-1")) == (
        f"{ON} run --rm --no-deps --no-TTY --quiet-pull --name once-1 alembic alembic current"
    )


def test_services_are_started_without_what_they_depend_on() -> None:
    assert line(up_argv(COMPOSE, STACK, ["web", "worker"])) == (
        f"{ON} up --detach --no-deps --no-build --quiet-pull web worker"
    )


def test_logs_need_no_file() -> None:
    assert line(logs_argv(COMPOSE, "notes_prod", ["web"], follow=True, tail="50")) == (
        "docker compose --project-name notes_prod logs --tail 50 --follow web"
    )
