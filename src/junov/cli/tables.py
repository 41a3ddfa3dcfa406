"""Tables and data on stdout."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import click


def print_json(data: object) -> None:
    """Data as JSON, for machines."""
    click.echo(json.dumps(data, ensure_ascii=False, indent=2))


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Rows in columns, as wide as their contents, cut by nobody.

    Plain text on purpose: it can be piped, and it prints in a millisecond.
    """
    table = [tuple(header), *map(tuple, rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    for position, row in enumerate(table):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.secho("  ".join(cells).rstrip(), bold=position == 0)


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Names and values, one a line."""
    rows = list(fields)
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        click.echo(f"{click.style(name.ljust(width), bold=True)}  {value}")
