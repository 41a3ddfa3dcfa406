"""`$VAR` and `${VAR}` as Compose reads them, to find where a value came from.

Compose itself does the interpolation that counts. This reading of the same syntax
(https://docs.docker.com/reference/compose-file/interpolation/) only answers questions about
places: which variables does this text refer to, and which of them have no value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-?+]")


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference to a variable in a text.

    Args:
        name: the variable.
        operator: what follows the name inside the braces (`:-`, `-`, `:?`, `?`, `:+`, `+`), if
            anything.
        argument: what follows the operator.
        start: where the reference begins in the text, counted from 0.
        end: where it ends.
    """

    name: str
    operator: str
    argument: str
    start: int
    end: int


def references(text: str) -> Iterator[Reference]:
    """The references in a text, without those inside another's default."""
    position = 0
    while (position := text.find("$", position)) >= 0:
        if text.startswith("$$", position):
            position += 2
            continue
        found = _braced(text, position) or _bare(text, position)
        if found:
            yield found
        position = found.end if found else position + 1


def interpolate(text: str, values: Mapping[str, str]) -> str:
    """The text with its references replaced; what has no value becomes nothing."""
    parts, last = [], 0
    for reference in references(text):
        parts += [text[last : reference.start], _value(reference, values)]
        last = reference.end
    return "".join([*parts, text[last:]]).replace("$$", "$")


def without_value(text: str, values: Mapping[str, str]) -> Iterator[str]:
    """The variables that a text needs, has no default for, and that have no value."""
    for reference in references(text):
        known = reference.name in values
        if reference.operator in ("-", ":-"):
            if not known:
                yield from without_value(reference.argument, values)
        elif reference.operator in ("+", ":+"):
            if known:
                yield from without_value(reference.argument, values)
        elif not known:
            yield reference.name


def _value(reference: Reference, values: Mapping[str, str]) -> str:
    value = values.get(reference.name)
    present = bool(value) if reference.operator.startswith(":") else value is not None
    if reference.operator.endswith("-") and not present:
        return interpolate(reference.argument, values)
    if reference.operator.endswith("+"):
        return interpolate(reference.argument, values) if present else ""
    return value or ""


def _bare(text: str, start: int) -> Reference | None:
    name = _NAME.match(text, start + 1)
    return Reference(name[0], "", "", start, name.end()) if name else None


def _braced(text: str, start: int) -> Reference | None:
    if not text.startswith("${", start):
        return None
    name = _NAME.match(text, start + 2)
    end = _closing_brace(text, start + 2)
    if not name or end is None:
        return None
    operator = _OPERATOR.match(text, name.end(), end)
    argument = text[operator.end() : end] if operator else ""
    return Reference(name[0], operator[0] if operator else "", argument, start, end + 1)


def _closing_brace(text: str, position: int) -> int | None:
    depth = 1
    while position < len(text):
        if text.startswith("${", position):
            depth, position = depth + 1, position + 1
        elif text[position] == "}":
            depth -= 1
            if not depth:
                return position
        position += 1
    return None
