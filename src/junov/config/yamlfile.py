"""A YAML file with the position of everything in it.

ruamel's node tree knows where each key and value stands; the plain data knows what they are. Both
are kept, so that whoever finds something wrong with a value can say where it was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from junov.errors import ConfigError, NotFoundError, Place, Problem

Loc = tuple[str | int, ...]


@dataclass(frozen=True)
class YamlFile:
    """The contents of one YAML file and their positions.

    Args:
        path: the file, as messages should name it.
        data: plain dicts, lists and scalars; None for an empty file.
        root: the node tree behind `data`.
    """

    path: Path
    data: Any
    root: Node | None = field(repr=False)

    def place(self, loc: Sequence[str | int], *, key: bool = False) -> Place:
        """Where the value at `loc` stands.

        Args:
            loc: keys and indexes from the top.
            key: give the position of the last key instead of its value's.

        Returns:
            The position of the deepest part of `loc` that the file has.
        """
        node, mark = self.root, self.root.start_mark if self.root else None
        for step in loc:
            found = _child(node, step)
            if found is None:
                break
            key_node, node = found
            mark = (key_node if key or not _is_inline(node) else node).start_mark
        if mark is None:
            return Place(self.path)
        return Place(self.path, mark.line + 1, mark.column + 1)

    def depth(self, loc: Sequence[str | int]) -> int:
        """How many steps of `loc` the file has, counted from the top."""
        node, steps = self.root, 0
        for step in loc:
            found = _child(node, step)
            if found is None:
                break
            node, steps = found[1], steps + 1
        return steps

    def written(self, loc: Sequence[str | int]) -> str | None:
        """The scalar at `loc` as it was typed, before YAML gave it a type."""
        node = self.root
        for step in loc:
            found = _child(node, step)
            if found is None:
                return None
            node = found[1]
        return node.value if isinstance(node, ScalarNode) else None

    def scalars(self) -> Iterator[tuple[str, Place]]:
        """Every scalar value of the file with its position; aliases once."""
        seen: set[int] = set()
        stack: list[Node | None] = [self.root]
        while stack:
            node = stack.pop()
            if node is None or id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, ScalarNode):
                mark = node.start_mark
                yield node.value, Place(self.path, mark.line + 1, mark.column + 1)
            elif isinstance(node, MappingNode):
                stack.extend(value for _, value in reversed(node.value))
            elif isinstance(node, SequenceNode):
                stack.extend(reversed(node.value))


def read_yaml(path: Path, *, shown: Path | None = None) -> YamlFile:
    """Read a YAML file.

    Args:
        path: the file to read.
        shown: how messages name it; `path` itself without.

    Raises:
        NotFoundError: there is no such file.
        ConfigError: the syntax is wrong, or keys stand twice.
    """
    shown = shown or path
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFoundError(f"there is no {shown}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        what = "this is not UTF-8 text"
        raise ConfigError([Problem(what, Place(shown, line), "save the file as UTF-8")]) from None
    except OSError as error:
        raise ConfigError([Problem(f"cannot be read: {error.strerror}", Place(shown))]) from None
    return parse_yaml(text, shown)


def parse_yaml(text: str, path: Path) -> YamlFile:
    """Read YAML from a text; the file's name is for messages. Raises as `read_yaml`."""
    try:
        root = YAML(pure=True).compose(text)
        loader = YAML(typ="safe", pure=True)
        loader.Constructor = _Constructor
        loader.allow_duplicate_keys = True  # reported below, all of them and with both places
        data = loader.load(text)
    except MarkedYAMLError as error:
        raise ConfigError([_syntax_problem(error, path)]) from None
    except ReaderError as error:
        line, column = _position(text, error.position)
        what = f"this is not valid YAML: the character U+{error.character:04X} cannot be here"
        place = Place(path, line, column)
        raise ConfigError([Problem(what, place, "remove the character")]) from None
    except (YAMLError, ValueError, KeyError, TypeError, AttributeError) as error:
        # The last three: ruamel's answer to a value that its own tag, such as `!!bool`, denies.
        raise ConfigError([Problem(f"this is not valid YAML: {error}", Place(path))]) from None
    except RecursionError:
        what = "this is not valid YAML: lists and keys are nested too deeply"
        raise ConfigError([Problem(what, Place(path))]) from None
    problems = [*_duplicates(root, path), *_half_characters(root, path)]
    if problems:
        raise ConfigError(sorted(problems, key=lambda problem: _order(problem.place)))
    return YamlFile(path, data, root)


def _order(place: Place | None) -> tuple[int, int]:
    return (place.line, place.column) if place else (0, 0)


class _Constructor(SafeConstructor):
    """Reads dates as the texts that they are: no key of ours or of Compose takes a date."""


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


def _position(text: str, index: int) -> tuple[int, int]:
    return text.count("\n", 0, index) + 1, index - (text.rfind("\n", 0, index) + 1) + 1


def _syntax_problem(error: MarkedYAMLError, path: Path) -> Problem:
    mark, began = error.problem_mark or error.context_mark, error.context_mark
    place = Place(path, mark.line + 1, mark.column + 1) if mark else Place(path)
    what = " ".join(part for part in (error.context, error.problem) if part)
    since = f" (it began on line {began.line + 1})" if began and began.line < mark.line else ""
    return Problem(f"this is not valid YAML: {what}{since}", place, _syntax_remedy(what))


def _syntax_remedy(what: str) -> str:
    if "found character '\\t'" in what or "\\t" in what:
        return "indent with spaces, not tabs"
    if "another document" in what:
        return "keep one document in the file, and remove the line `---`"
    if "constructor for the tag" in what:
        return "remove the word that begins with `!`, or put the value in quotes"
    if "while scanning an alias" in what or "while scanning an anchor" in what:
        return "put a value that begins with `*` or `&` in quotes"
    if "undefined alias" in what:
        return "define the name with `&` before it is used, or put the value in quotes"
    if "mapping values are not allowed" in what:
        return "check the indentation, and quote values that contain a colon followed by a space"
    if "found unknown escape" in what:
        return "use single quotes for text with backslashes"
    return "check the indentation, quotes and brackets just before this place"


def _duplicates(root: Node | None, path: Path) -> Iterator[Problem]:
    for node in _nodes(root):
        if not isinstance(node, MappingNode):
            continue
        first: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, ScalarNode) and key.value != "<<":
                line = key.start_mark.line + 1
                if key.value in first:
                    yield Problem(
                        f"the key `{key.value}` stands twice, first on line {first[key.value]}",
                        Place(path, line, key.start_mark.column + 1),
                        "keep one of the two",
                    )
                first.setdefault(key.value, line)


def _half_characters(root: Node | None, path: Path) -> Iterator[Problem]:
    """Escapes such as `\\ud800` that are half of a character, which no file can hold."""
    for node in _nodes(root):
        if isinstance(node, ScalarNode) and any(
            "\ud800" <= sign <= "\udfff" for sign in node.value
        ):
            mark = node.start_mark
            yield Problem(
                "this is not valid YAML: an escape in this text is only half of a character",
                Place(path, mark.line + 1, mark.column + 1),
                "write the character itself",
            )


def _nodes(root: Node | None) -> Iterator[Node]:
    """Every node of a tree, keys among them, each once."""
    seen: set[int] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, MappingNode):
            stack.extend(part for pair in node.value for part in pair)
        elif isinstance(node, SequenceNode):
            stack.extend(node.value)


def _child(node: Node | None, step: str | int) -> tuple[Node, Node] | None:
    """The (key, value) nodes at `step`, through merge keys; a list's item is its own key."""
    if isinstance(node, MappingNode):
        merged: list[Node] = []
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                if key.value == str(step):
                    return key, value
                if key.value == "<<":
                    merged.extend(value.value if isinstance(value, SequenceNode) else [value])
        for source in merged:
            found = _child(source, step)
            if found:
                return found
    elif isinstance(node, SequenceNode):
        if isinstance(step, int) and 0 <= step < len(node.value):
            return node.value[step], node.value[step]
        if isinstance(step, str):  # `environment: [KEY=value]`, the list form of a mapping
            for item in node.value:
                if isinstance(item, ScalarNode) and item.value.partition("=")[0] == step:
                    return item, item
    return None


def _is_inline(node: Node) -> bool:
    """Whether a value begins beside its key.

    A block collection begins at its first item, one line below the key that a reader looks for;
    a value that was left out has the position of whatever comes next.
    """
    if isinstance(node, MappingNode | SequenceNode):
        return bool(node.flow_style)
    return bool(node.start_mark.index < node.end_mark.index)
