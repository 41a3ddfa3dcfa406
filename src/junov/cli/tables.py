"""Tables and data on stdout."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

Table = list[tuple[str, ...]]


def print_json(data: object) -> None:
    """Data as JSON, for machines."""
    click.echo(json.dumps(data, ensure_ascii=False, indent=2))


def print_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, spare: Sequence[str] = ()
) -> None:
    """Rows in columns, as wide as their contents, cut by nobody.

    Plain text on purpose: it can be piped, and it prints in a millisecond.

    Args:
        header: the columns' names.
        rows: their cells.
        spare: columns that a terminal too narrow for all goes without, the first of these first.
            What is piped has every column.
    """
    table = [tuple(header), *map(tuple, rows)]
    if sys.stdout.isatty():
        table = fitting(table, spare, shutil.get_terminal_size().columns)
    widths = _widths(table)
    for position, row in enumerate(table):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.secho("  ".join(cells).rstrip(), bold=position == 0)


def fitting(table: Table, spare: Sequence[str], width: int) -> Table:
    """A table without as many of its spare columns as it takes to fit into a width."""
    for name in spare:
        if sum(_widths(table)) + 2 * (len(table[0]) - 1) <= width:
            break
        if name in table[0]:
            gone = table[0].index(name)
            table = [row[:gone] + row[gone + 1 :] for row in table]
    return table


def short_moment(moment: str) -> str:
    """A moment of ISO 8601 to the minute in UTC, such as `2026-11-23 13:05`; `-` for none."""
    if not moment:
        return "-"
    return f"{datetime.fromisoformat(moment).astimezone(UTC):%Y-%m-%d %H:%M}"


def in_words(key: str, value: object) -> str:
    """A value of the data that `--json` prints, as people are shown it; `-` for none."""
    if key.endswith("_at") and value:
        return f"{short_moment(str(value))} UTC"
    if isinstance(value, Mapping):
        value = ", ".join(f"{key} {state}" for key, state in value.items())
    return str(value or "-")


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Names and values, one a line."""
    rows = list(fields)
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        click.echo(f"{click.style(name.ljust(width), bold=True)}  {value}")


def _widths(table: Table) -> list[int]:
    return [max(map(len, column)) for column in zip(*table, strict=True)]


def print_result(result: Mapping[str, Any], *, as_json: bool) -> None:
    """Print what came of a story: the last of its JSON lines, or the lines worth copying."""
    if as_json:
        click.echo(json.dumps({"event": "result", **result}, ensure_ascii=False))
        return
    for name, key in _WORTH_COPYING.items():
        value = result.get(key)
        if value:
            click.echo(f"{name}: {', '.join(value) if isinstance(value, list) else value}")


_WORTH_COPYING = {
    "image": "image",
    "debug image": "debug_digest",
    "tests": "summary",
    "tags": "tags",
    "environment": "environment",
    "release": "release",
    "restores": "restores",
    "url": "url",
    "would run": "would_run",
    "waiting for you": "waiting",
}
