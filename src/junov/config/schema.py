"""What the models say about themselves: the JSON Schema for editors, and every key for the docs."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from junov.config.fields import format_duration, parse_duration, parse_pause
from junov.config.kinds import EnvironmentKind
from junov.config.project import FILE_NAME, Project
from junov.config.server import Server

MODELS: Mapping[str, type[BaseModel]] = types.MappingProxyType(
    {FILE_NAME: Project, "server.yaml": Server}
)
"""The files that a user writes, and what they hold."""

SCHEMA_FILE = ".junov/junov.schema.json"
"""Where `junov init` puts the schema of `junov.yaml`: in the repository, so that an editor finds it
without a network, and in the version that the team's junov has."""

_STAR = {"type": "string", "pattern": r"\*"}
_EITHER = [
    {"required": [key], "properties": {key: {"type": "string"}}} for key in ("branch", "tag")
]
# What `EnvironmentKind` asks of its keys together.
_TOGETHER: Mapping[type[BaseModel], JsonSchemaValue] = types.MappingProxyType(
    {
        EnvironmentKind: {
            "oneOf": _EITHER,
            "if": {
                "anyOf": [
                    {"required": [key], "properties": {key: _STAR}} for key in ("branch", "tag")
                ]
            },
            "then": {"properties": {"host": {"pattern": r"\{slug\}"}}},
        }
    }
)


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a configuration file.

    Args:
        path: its name from the top, such as `web.port`; `<name>` stands for any name.
        type: what it takes, in words.
        required: whether it has to be there, where the part that it belongs to is there.
        default: what holds without it, as a user would write it; None for nothing.
        meaning: one or two sentences.
        section: whether it holds further keys.
    """

    path: str
    type: str
    required: bool
    default: Any
    meaning: str
    section: bool


def example(name: str) -> str:
    """The annotated example of a configuration file.

    Args:
        name: `junov.yaml` or `server.yaml`.
    """
    return (resources.files("junov.config") / "example" / name).read_text(encoding="utf-8")


def schema(model: type[BaseModel]) -> JsonSchemaValue:
    """The JSON Schema (draft 2020-12) of a file, for editors.

    It refuses what can be seen in one place. That two environments claim one ref or host, that a
    host grows too long once its slug is in, or that an address pool is too small, only junov itself
    can tell: `junov check`.
    """
    found = model.model_json_schema(schema_generator=_Generator)
    for part in _models_in(model):
        place = found if part is model else found["$defs"][part.__name__]
        for name, info in part.model_fields.items():
            described = place["properties"][name]
            described.pop("title", None)
            if "patternProperties" in described:
                described["additionalProperties"] = False
                described.pop("examples", None)
            if info.is_required() or info.default is None:
                described.pop("default", None)
            else:
                described["default"] = shown_default(info)
        place.update(_TOGETHER.get(part, {}))
    return {"$schema": GenerateJsonSchema.schema_dialect, **found}


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[Key]:
    """Every key of a model, sections before what they hold, in the order of the model."""
    for name, info in model.model_fields.items():
        path = f"{prefix}{name}"
        inner, suffix = _inner_model(info.annotation)
        yield Key(
            path=path,
            type=_words(info.annotation, info.metadata),
            required=info.is_required(),
            default=None if info.is_required() else shown_default(info),
            meaning=info.description or "",
            section=inner is not None,
        )
        if inner:
            yield from keys(inner, f"{path}{suffix}.")


def shown_default(info: FieldInfo) -> Any:
    """A field's default as a user would write it: `15m`, not 900; a list, not a tuple."""
    return _shown(info.default, info.annotation, info.metadata)


class _Generator(GenerateJsonSchema):
    # Defaults are written afterwards from the fields: only they know which numbers are durations.
    def default_schema(self, schema: Any) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    # `branch:` without a value is no mistake of its own, but nobody has to be offered it.
    def nullable_schema(self, schema: Any) -> JsonSchemaValue:
        inner = self.generate_inner(schema["schema"])
        kind = inner.get("type")
        if isinstance(kind, str) and "enum" not in inner:
            return {**inner, "type": [kind, "null"]}
        return {"anyOf": [inner, {"type": "null"}]}


def _shown(value: Any, annotation: Any, metadata: list[Any]) -> Any:
    if isinstance(value, BaseModel):
        return {
            name: _shown(getattr(value, name), info.annotation, info.metadata)
            for name, info in type(value).model_fields.items()
            if getattr(value, name) is not None
        }
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, int) and _is_duration(annotation, metadata):
        return format_duration(value)
    return value


def _is_duration(annotation: Any, metadata: list[Any]) -> bool:
    parsers = (parse_duration, parse_pause)
    if any(isinstance(m, BeforeValidator) and m.func in parsers for m in metadata):
        return True
    if get_origin(annotation) is Annotated:
        return _is_duration(get_args(annotation)[0], list(get_args(annotation)[1:]))
    if get_origin(annotation) in (Union, types.UnionType):
        return any(_is_duration(part, []) for part in get_args(annotation))
    return False


def _models_in(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for info in model.model_fields.values():
        inner, _ = _inner_model(info.annotation)
        if inner:
            yield from _models_in(inner)


def _inner_model(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """The model below a field, and how its keys are reached from the field's."""
    annotation = _plain(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is tuple:
        return _inner_model(arguments[0])[0], "[]"
    if origin is not None and origin is not Literal and len(arguments) == 2:
        return _inner_model(arguments[1])[0], ".<name>"
    return None, ""


def _words(annotation: Any, metadata: list[Any] | None = None) -> str:
    """A type as the docs name it."""
    if _is_duration(annotation, metadata or []):
        return "duration"
    annotation = _plain(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        inner = _words(arguments[0])
        return f"list of {'entries' if inner == 'keys' else f'{inner}s'}"
    if origin is not None and len(arguments) == 2:
        return f"names, each with {_words(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "keys"
    named: dict[Any, str] = {str: "text", int: "number", bool: "`true` or `false`"}
    return named[annotation]


def _plain(annotation: Any) -> Any:
    """The type without its annotations and without None."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType):
            annotation = next(a for a in get_args(annotation) if a is not types.NoneType)
        else:
            return annotation
