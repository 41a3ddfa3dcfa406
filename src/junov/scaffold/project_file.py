"""`junov.yaml`: the annotated example with a project's own values in it."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

from junov.config.fields import format_duration
from junov.config.kinds import EnvironmentKind
from junov.config.project import FILE_NAME, Project
from junov.config.schema import example

# Shown for whoever may need them one day, but not in force.
_COMMENTED_OUT = ("registry", "allow", "gitlab")


def write_project_file(project: Project) -> str:
    """The text of a project's `junov.yaml`, with the comments of the annotated example.

    Args:
        project: its values; what it doesn't have is left out.
    """
    values = project.model_dump(mode="python") | {"gitlab": None}  # no file says anything of it
    parts = []
    for part in re.split(r"\n\n(?=#|\w)", example(FILE_NAME).rstrip("\n")):
        match = re.search(r"^(\w+):", part, re.MULTILINE)
        if not match:
            parts.append(part)
        elif values[match[1]]:
            parts.append(_with_value(part, match[1], values[match[1]]))
        elif match[1] in _COMMENTED_OUT:
            parts.append(_commented_out(part, match.start()))
        elif match[1] in ("lint", "secrets"):
            empty = "[]" if match[1] == "lint" else "{}"
            parts.append(f"{part[: match.start()]}{match[1]}: {empty}")
    return "\n\n".join(parts) + "\n"


def _with_value(part: str, key: str, value: Any) -> str:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 200
    yaml.indent(mapping=2, sequence=4, offset=2)
    data = yaml.load(part)
    new = _plain(value)
    if isinstance(new, Mapping):
        if key == "secrets":
            data[key].clear()
        if key == "environments":
            new = {name: _worth_saying(kind, data[key].get(name, {})) for name, kind in new.items()}
        _merge(data[key], new)
    else:
        data[key] = new
    out = io.StringIO()
    yaml.dump(data, out)
    return out.getvalue().rstrip("\n")


def _worth_saying(kind: Mapping[str, Any], annotated: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a kind that aren't at their default, and those that the example explains."""
    defaults = {
        key: _plain(field.default, key) for key, field in EnvironmentKind.model_fields.items()
    }
    return {key: kind[key] for key in kind if key in annotated or kind[key] != defaults[key]}


def _merge(old: Any, new: Mapping[str, Any]) -> None:
    """Set the values that differ, and take out what isn't there, so that comments stay."""
    for key in list(old):
        if new.get(key) is None:
            del old[key]
    for key, value in new.items():
        if value is None or (key in old and old[key] == value):
            continue
        if isinstance(value, Mapping) and isinstance(old.get(key), Mapping):
            _merge(old[key], value)
        else:
            old[key] = value


_DURATIONS = ("timeout", "lock_timeout", "expires", "keep", "drain", "observe", "time")


def _plain(value: Any, key: str = "") -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner, name) for name, inner in value.items()}
    if isinstance(value, tuple):
        return [_plain(inner) for inner in value]
    if key in _DURATIONS and isinstance(value, int):
        return format_duration(value)
    return value


def _commented_out(part: str, start: int) -> str:
    lines = part[start:].splitlines()
    return part[:start] + "\n".join(f"# {line}" for line in lines)
