"""From a YAML file to a model: every problem at once, in a user's words, with its place."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from junov.config.yamlfile import Loc, YamlFile
from junov.errors import Problem

M = TypeVar("M", bound=BaseModel)


class Model(BaseModel):
    """The base of all configuration: frozen, no unknown keys, no silent conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def validate(model: type[M], file: YamlFile) -> tuple[M | None, list[Problem]]:
    """Make a model of a file.

    Returns:
        The model, or None where there are problems; and the problems in the order of the file.
    """
    data = file.data
    required = [name for name, info in model.model_fields.items() if info.is_required()]
    if data is None and required:
        needed = " and ".join(f"`{name}`" for name in required)
        return None, [Problem("the file is empty", file.place(()), f"it needs at least {needed}")]
    if data is not None and not isinstance(data, Mapping):
        found = f"expected keys and values, found {describe(data)}"
        return None, [Problem(found, file.place(()), "begin each line with a key: `key: value`")]
    try:
        return model.model_validate(data or {}), []
    except ValidationError as error:
        problems = [_problem(model, file, detail) for detail in error.errors()]
    return None, in_file_order(problems)


def in_file_order(problems: Iterable[Problem]) -> list[Problem]:
    """The problems from the top of the file to its end, none of them twice."""

    def position(problem: Problem) -> tuple[int, int]:
        return (problem.place.line, problem.place.column) if problem.place else (0, 0)

    return sorted(dict.fromkeys(problems), key=position)


def describe(value: object) -> str:
    """A value as a message names it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"the boolean {str(value).lower()}"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text `{value}`"
        case Mapping():
            return "keys and values"
        case _:
            return "a list"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The known word that `word` may stand for, as a remedy; the list of all where none is near."""
    words = sorted(known)
    near = difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    near = near or [known for known in words if len(word) > 2 and known.startswith(word.lower())]
    if near:
        return f"did you mean `{near[0]}`?"
    return f"known here: {', '.join(words)}" if words else ""


def _problem(model: type[BaseModel], file: YamlFile, detail: ErrorDetails) -> Problem:
    loc: Loc = tuple(step for step in detail["loc"] if step != "[key]")
    kind, name = detail["type"], f"`{_dotted(loc)}`"
    value = detail.get("input")
    if kind == "extra_forbidden":
        known = _keys(model, loc[:-1])
        return Problem(
            f"unknown key {name}",
            file.place(loc, key=True),
            did_you_mean(str(loc[-1]), known),
        )
    if kind == "missing":
        parent = f" in `{_dotted(loc[:-1])}`" if loc[:-1] else ""
        return Problem(
            f"the key `{loc[-1]}` is missing{parent}",
            file.place(loc[:-1], key=True),
            f"add `{loc[-1]}: {_example(model, loc)}`",
        )
    if kind == "invalid_key" or (detail["loc"][-1:] == ("[key]",) and kind == "string_type"):
        # pydantic's `loc` has 1 for a key that is true.
        shown = str(value).lower() if isinstance(value, bool) else str(loc[-1])
        loc = (*loc[:-1], shown)
        return Problem(
            f"the key `{shown}` is read as {describe(value)}, but a key has to be a text",
            file.place(loc, key=True),
            f'put it in quotes: "{shown}"',
        )
    if detail["loc"][-1:] == ("[key]",):
        return Problem(f"{name} cannot be a name here: {_words(detail)}", file.place(loc, key=True))
    if kind == "string_type" and isinstance(value, int | float):
        written = file.written(loc) or str(value)
        return Problem(
            f"{name}: YAML reads {written} as {describe(value)}, but a text is expected",
            file.place(loc),
            f'put it in quotes: "{written}"',
        )
    if kind == "literal_error":
        expected = _literals(model, loc)
        near = did_you_mean(str(value), expected)
        return Problem(
            f"{name}: expected {' or '.join(expected)}, found {describe(value)}",
            file.place(loc),
            near if near.startswith("did") else "",
        )
    if kind == "value_error":
        return Problem(f"{name}: {_words(detail)}", file.place(loc))
    if kind == "string_pattern_mismatch":
        words = f"expected a text such as `{_example(model, loc)}`, found {describe(value)}"
        return Problem(f"{name}: {words}", file.place(loc))
    if kind == "too_short":
        return Problem(f"{name}: {_words(detail)}, found none", file.place(loc))
    return Problem(
        f"{name}: {_words(detail)}, found {describe(value)}",
        file.place(loc),
        _remedy(kind, value, optional=not _is_required(model, loc)),
    )


def _remedy(kind: str, value: object, *, optional: bool) -> str:
    """What to do about a value of the wrong type."""
    if value is None:
        return "give it a value, or leave the key out" if optional else "give it a value"
    if kind == "int_type" and isinstance(value, str) and value.isdigit():
        return f"take the quotes away: {value}"
    if kind == "bool_type" and isinstance(value, str):
        meant = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false"}
        word = meant.get(value.lower(), value.lower())
        return f"write it as: {word}" if word in {"true", "false", *meant.values()} else ""
    if kind == "tuple_type":
        return "a list is written [one, two], or one item a line, each after `- `"
    return ""


_EXPECTED = {
    "string_type": "expected a text",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "bool_type": "expected true or false",
    "list_type": "expected a list",
    "tuple_type": "expected a list",
    "dict_type": "expected keys and values",
    "model_type": "expected keys and values",
    "model_attributes_type": "expected keys and values",
}


def _words(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "value_error":
            return str(context.get("error", detail["msg"]))
        case "greater_than_equal":
            return f"expected at least {context['ge']}"
        case "less_than_equal":
            return f"expected at most {context['le']}"
        case "too_short":
            return f"expected at least {context['min_length']}"
        case "string_too_short":
            return f"expected at least {context['min_length']} characters"
        case kind:
            return _EXPECTED.get(kind, detail["msg"])


def _dotted(loc: Sequence[str | int]) -> str:
    text = ""
    for step in loc:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def _type_at(model: Any, loc: Sequence[str | int]) -> Any:
    """The declared type at `loc`, or None where the model has no such place."""
    current: Any = model
    for step in loc:
        current = _unwrap(current)
        if isinstance(current, type) and issubclass(current, BaseModel):
            info = current.model_fields.get(str(step))
            current = info.annotation if info else None
        elif get_origin(current) in (dict, Mapping) or get_origin(current) in (list, tuple):
            current = get_args(current)[1 if get_origin(current) in (dict, Mapping) else 0]
        else:
            return None
    return _unwrap(current)


def _unwrap(annotation: Any) -> Any:
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType):
            real = [part for part in get_args(annotation) if part is not types.NoneType]
            annotation = real[0]
        else:
            return annotation


def _keys(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    found = _type_at(model, loc)
    if isinstance(found, type) and issubclass(found, BaseModel):
        return list(found.model_fields)
    return []


def _literals(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    found = _type_at(model, loc)
    return [str(value) for value in get_args(found)] if get_origin(found) is Literal else []


def _is_required(model: type[BaseModel], loc: Sequence[str | int]) -> bool:
    parent = _type_at(model, loc[:-1])
    if isinstance(parent, type) and issubclass(parent, BaseModel) and loc:
        info = parent.model_fields.get(str(loc[-1]))
        return bool(info and info.is_required())
    return True


def _example(model: type[BaseModel], loc: Sequence[str | int]) -> str:
    parent = _type_at(model, loc[:-1])
    if isinstance(parent, type) and issubclass(parent, BaseModel):
        info = parent.model_fields.get(str(loc[-1]))
        if info and info.examples:
            return str(info.examples[0])
        if info and isinstance(info.default, str):
            return info.default
    return "…"
