"""Tables: whole where they are piped, without their spare columns where a terminal is narrow."""

from __future__ import annotations

import os
import sys

import pytest

from junov.cli.tables import fitting, print_table, short_moment

HEADER = ("NAME", "URL", "COMMIT", "DATABASE")
ROW = ("stage", "http://stage.localhost", "315e4f25", "notes_stage")
SPARE = ("DATABASE", "COMMIT")


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (52, HEADER),
        (51, HEADER[:3]),
        (39, HEADER[:3]),
        (38, HEADER[:2]),
        (10, HEADER[:2]),
    ],
)
def test_spare_columns_go_one_by_one(width: int, columns: tuple[str, ...]) -> None:
    header, row = fitting([HEADER, ROW], SPARE, width)
    assert header == columns
    assert row == ROW[: len(columns)]


def test_a_spare_column_that_is_not_there_is_no_matter() -> None:
    assert fitting([HEADER, ROW], ("EXPIRES", *SPARE), 37) == [HEADER[:2], ROW[:2]]


def test_what_is_piped_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(HEADER, [ROW], spare=SPARE)
    assert capsys.readouterr().out.splitlines() == [
        "NAME   URL                     COMMIT    DATABASE",
        "stage  http://stage.localhost  315e4f25  notes_stage",
    ]


def test_a_terminal_gets_what_fits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setitem(os.environ, "COLUMNS", "40")
    print_table(HEADER, [ROW], spare=SPARE)
    assert "notes_stage" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("moment", "short"),
    [
        ("2026-11-23T13:05:41+00:00", "2026-11-23 13:05"),
        ("2026-11-23T01:05:41+02:00", "2026-11-22 23:05"),
        ("", "-"),
    ],
)
def test_moments_are_short_and_in_utc(moment: str, short: str) -> None:
    assert short_moment(moment) == short
