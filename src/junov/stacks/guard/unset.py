"""References to variables that have no value, where the user wrote them."""

from __future__ import annotations

from collections.abc import Iterator

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from junov.config.yamlfile import Loc
from junov.errors import Place
from junov.stacks.documents import REPLACES, Origin, entries, find
from junov.stacks.guard.context import Context
from junov.stacks.interpolation import without_value

# Lists that a later layer replaces; all others it adds to.
_REPLACED = (("command",), ("entrypoint",), ("healthcheck", "test"))


def unset_references(context: Context) -> Iterator[tuple[str, Place, str]]:
    """The references without value or default in the parts of the files that will run.

    What a later layer replaces, and the variables that junov sets itself, don't count.

    Yields:
        The variable, where the reference stands, and what it is part of.
    """
    seen: set[tuple[str, Place]] = set()
    for found in (*_in_compose_files(context), *_in_env_files(context)):
        if found[:2] not in seen:
            seen.add(found[:2])
            yield found


def _in_compose_files(context: Context) -> Iterator[tuple[str, Place, str]]:
    for section in ("services", "networks", "volumes", "configs", "secrets"):
        for name in context.stack.get(section, {}):
            origins = context.sources.documents.origins((section, name))
            for index, origin in enumerate(origins):
                for loc, node in _scalars(origin.node, ()):
                    if loc[:1] == ("build",) or _is_replaced(origins[:index], loc):
                        continue
                    is_variable = section == "services" and loc[:1] == ("environment",)
                    if is_variable and len(loc) > 1 and context.is_given(name, str(loc[1])):
                        continue
                    for variable in without_value(node.value, context.layers.values):
                        place = _place(origin, node, variable)
                        what = f"`{loc[1]}`" if is_variable and len(loc) > 1 else f"`{loc[0]}`"
                        yield variable, place, f"{what} of `{name}`"


def _in_env_files(context: Context) -> Iterator[tuple[str, Place, str]]:
    known = context.layers.values
    for service in context.services:
        for file in context.sources.env_files_of(service):
            for name, entry in file.entries.items():
                if entry.literal or name in context.layers.variables:
                    continue
                values = {**dict.fromkeys(file.entries, ""), **known}
                for variable in without_value(entry.text, values):
                    yield variable, entry.place_of(_typed(entry.text, variable)), f"`{name}`"


def _scalars(node: Node, loc: Loc) -> Iterator[tuple[Loc, ScalarNode]]:
    if isinstance(node, ScalarNode):
        yield loc, node
    elif isinstance(node, MappingNode):
        for key, _, value in entries(node):
            if not (not loc and key.startswith("x-")):
                yield from _scalars(value, (*loc, key))
    elif isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            is_pair = isinstance(item, ScalarNode) and "=" in item.value
            step = item.value.partition("=")[0] if is_pair and loc[-1:] else index
            yield from _scalars(item, (*loc, step))


def _is_replaced(later: list[Origin], loc: Loc) -> bool:
    """Whether a file that wins puts something else in this place."""
    for origin in later:
        for length in range(1, len(loc) + 1):
            pair = find(origin.node, loc[:length])
            if not pair:
                break
            if str(pair[1].tag) in REPLACES or loc[:length] in _REPLACED:
                return True
            if length == len(loc) and isinstance(pair[1], ScalarNode):
                # Items of lists have no names, so the same number is not the same thing.
                return not isinstance(loc[-1], int)
    return False


def _place(origin: Origin, node: ScalarNode, variable: str) -> Place:
    return origin.document.place(node, _typed(node.value, variable))


def _typed(text: str, variable: str) -> str:
    """The reference as it begins in the text."""
    return f"${{{variable}" if f"${{{variable}" in text else f"${variable}"
