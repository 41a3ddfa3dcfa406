"""Env files with the position of every value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from junov.errors import ConfigError, Place, Problem
from junov.stacks.interpolation import interpolate

# As Compose reads them: `KEY=value`, `export KEY=value` and `KEY: value`.
_LINE = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<key>[A-Za-z_][\w.-]*)[ \t]*[=:][ \t]*")


@dataclass(frozen=True, slots=True)
class Entry:
    """One variable of an env file.

    Args:
        name: the variable.
        text: its value as typed, without quotes; references are not resolved.
        literal: whether it stands in single quotes, in which nothing is interpolated.
        key: where the name stands.
        place: where the value stands.
    """

    name: str
    text: str
    literal: bool
    key: Place
    place: Place

    def value(self, values: Mapping[str, str]) -> str:
        """The value, with references looked up in `values`."""
        return self.text if self.literal else interpolate(self.text, values)

    def place_of(self, text: str) -> Place:
        """Where `text` stands in the value; where the value begins if it isn't in it."""
        at = self.text.lower().find(text.lower())
        if not text or at < 0:
            return self.place
        before = self.text[:at]
        lines = before.count("\n")
        column = len(before) - before.rfind("\n") if lines else self.place.column + at
        return Place(self.place.file, self.place.line + lines, column)


@dataclass(frozen=True)
class EnvFile:
    """The variables of one env file, by name; of a name that stands twice, the last.

    Args:
        path: the file as messages name it.
        entries: its variables.
    """

    path: Path
    entries: Mapping[str, Entry]


def read_env_file(path: Path, shown: Path) -> EnvFile:
    """Read an env file.

    Args:
        path: the file.
        shown: how messages name it.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(f"cannot be read: {error}", Place(shown))]) from None
    return parse_env_file(text, shown)


def parse_env_file(text: str, path: Path) -> EnvFile:
    """Read an env file from a text; the file's name is for places."""
    entries: dict[str, Entry] = {}
    start, number = 0, 1
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        match = _LINE.match(text, start, end)
        if match:
            entry, end = _entry(text, match, end, Place(path, number, match.start("key") - start))
            entries[entry.name] = entry
        number += text.count("\n", start, end + 1)
        start = end + 1
    return EnvFile(path, entries)


def values_of(files: Iterable[EnvFile], variables: Mapping[str, str]) -> dict[str, str]:
    """What interpolation sees: later files win over earlier ones, `variables` over all."""
    values = dict(variables)
    for file in files:
        for name, entry in file.entries.items():
            if name not in variables:
                values[name] = entry.value(values)
    return values


def _entry(text: str, match: re.Match[str], end: int, key: Place) -> tuple[Entry, int]:
    """The variable on a line, and where the last of its lines ends."""
    begin = match.end()
    column = key.column + begin - match.start("key") + 1
    quote = text[begin : begin + 1]
    raw = text[begin:end]
    if quote in ("'", '"'):
        close = _closing_quote(text, begin + 1, quote)
        if close is not None:
            raw, column = text[begin + 1 : close], column + 1
            line_end = text.find("\n", close)
            end = len(text) if line_end < 0 else line_end
    else:
        quote, raw = "", re.split(r"(?:^|\s)#", raw, maxsplit=1)[0].rstrip()
    place = Place(key.file, key.line, column)
    at = Place(key.file, key.line, key.column + 1)
    return Entry(match["key"], raw, quote == "'", at, place), end


def _closing_quote(text: str, position: int, quote: str) -> int | None:
    while (position := text.find(quote, position)) >= 0:
        if text[position - 1] != "\\":
            return position
        position += 1
    return None
