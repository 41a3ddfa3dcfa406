"""The compose files as their nodes: what stands where, as it was typed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from junov.config.yamlfile import Loc, parse_yaml
from junov.errors import ConfigError, Place, Problem

REPLACES = ("!reset", "!override")
"""Compose's tags for a value that takes the place of an earlier layer's instead of adding to it."""

_MERGE = "<<"


@dataclass(frozen=True)
class Document:
    """One compose file.

    Args:
        path: the file as messages name it.
        folder: what its relative paths are relative to.
        text: what it holds.
        root: its node tree; None for an empty file.
    """

    path: Path
    folder: Path
    text: str = field(repr=False)
    root: Node | None = field(repr=False)

    def place(self, node: Node, text: str = "") -> Place:
        """Where a node stands; where `text` stands in it, if it does."""
        mark = node.start_mark
        begin, end = mark.index, node.end_mark.index
        at = self.text.lower().find(text.lower(), begin, end) if text else -1
        if at < 0:
            return Place(self.path, mark.line + 1, mark.column + 1)
        line_start = self.text.rfind("\n", 0, at) + 1
        return Place(self.path, self.text.count("\n", 0, at) + 1, at - line_start + 1)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a part of the resolved model may have been written.

    Args:
        document: the file.
        node: the part there.
        key: the node of its key.
    """

    document: Document
    node: Node
    key: Node


@dataclass(frozen=True)
class Documents:
    """The compose files of a stack with those that they include or extend.

    Args:
        layers: the files in the order in which Compose merges them; the last wins.
        extended: files that services extend, by their absolute path.
    """

    layers: tuple[Document, ...]
    extended: dict[Path, Document] = field(repr=False)

    def services(self) -> list[str]:
        """The names of all services, those that a profile switches off included."""
        names: dict[str, None] = {}
        for document in self.layers:
            services = find(document.root, ("services",))
            names |= dict.fromkeys(key for key, _, _ in entries(services[1] if services else None))
        return list(names)

    def builds(self, service: str) -> bool:
        """Whether a service has a `build:` section, and so runs the project's own image."""
        for origin in self.origins(("services", service)):
            found = find(origin.node, ("build",))
            if found:
                return not is_null(found[1])
        return False

    def origins(self, loc: Sequence[str | int]) -> list[Origin]:
        """Where the first two steps of `loc`, such as a service, are written; the last word first.

        Args:
            loc: a place in the resolved model; a service's own definitions come before those that
                it extends.
        """
        found: list[Origin] = []
        for document in reversed(self.layers):
            self._collect(document, tuple(loc[:2]), found)
        return found

    def _collect(self, document: Document, head: Loc, found: list[Origin]) -> None:
        pair = find(document.root, head)
        if not pair or any(origin.node is pair[1] for origin in found):
            return
        found.append(Origin(document, pair[1], pair[0]))
        if head[0] == "services" and len(head) == 2:
            service, path = _extends(pair[1])
            target = self.extended.get(_path(document, path)) if path else document
            if service and target:
                self._collect(target, ("services", service), found)


def read_documents(files: Sequence[Path], folder: Path, shown: Callable[[Path], Path]) -> Documents:
    """Read compose files with what they include and extend.

    Args:
        files: the layers, absolute, in the order in which Compose merges them.
        folder: the project's folder, absolute.
        shown: how messages name a file.

    Raises:
        ConfigError: a file cannot be read or is not valid YAML.
    """
    layers: list[Document] = []
    extended: dict[Path, Document] = {}
    for file in files:
        _read_layer(file, folder, shown, layers, set())
    for document in tuple(layers):
        _read_extended(document, shown, extended)
    return Documents(tuple(layers), extended)


def find(node: Node | None, loc: Sequence[str | int]) -> tuple[Node, Node] | None:
    """The key's and the value's node at `loc` below `node`; None if it isn't all there."""
    pair = (node, node) if node else None
    for step in loc:
        pair = _child(pair[1], step) if pair else None
    return pair


def entries(node: Node | None) -> Iterator[tuple[str, Node, Node]]:
    """The keys and values of a mapping, through merge keys; a list of `KEY=value` is one as well.

    Yields:
        The key, its node, and the value's node.
    """
    if isinstance(node, MappingNode):
        own = {key.value for key, _ in node.value if isinstance(key, ScalarNode)}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                continue
            if key.value != _MERGE:
                yield key.value, key, value
                continue
            for source in value.value if isinstance(value, SequenceNode) else [value]:
                if source is node:
                    continue  # merged into itself: Compose refuses it and says so
                for entry in entries(source):
                    if entry[0] not in own:
                        own.add(entry[0])
                        yield entry
    elif isinstance(node, SequenceNode):
        for item in node.value:
            if isinstance(item, ScalarNode):
                yield item.value.partition("=")[0], item, item


def is_null(node: Node) -> bool:
    """Whether a value is left out, as in `KEY:`, null, or taken back."""
    return str(node.tag) == "!reset" or str(node.tag).endswith(":null")


def _child(node: Node, step: str | int) -> tuple[Node, Node] | None:
    if isinstance(step, int):
        in_range = isinstance(node, SequenceNode) and 0 <= step < len(node.value)
        return (node.value[step], node.value[step]) if in_range else None
    for key, key_node, value in entries(node):
        if key == step:
            return key_node, value
    return None


def _path(document: Document, typed: str) -> Path:
    """A path as a compose file means it."""
    return Path(os.path.normpath(document.folder / typed))


def _scalar(node: Node | None, *loc: str | int) -> str:
    found = find(node, loc)
    return found[1].value if found and isinstance(found[1], ScalarNode) else ""


def _extends(service: Node) -> tuple[str, str]:
    """The service that this one extends and the file that it is in; empty where there is none."""
    return (
        _scalar(service, "extends") or _scalar(service, "extends", "service"),
        _scalar(service, "extends", "file"),
    )


def _includes(document: Document) -> Iterator[Path]:
    found = find(document.root, ("include",))
    for item in found[1].value if found and isinstance(found[1], SequenceNode) else ():
        paths = find(item, ("path",)) if isinstance(item, MappingNode) else (item, item)
        node = paths[1] if paths else None
        scalars = node.value if isinstance(node, SequenceNode) else [node]
        for scalar in scalars:
            if isinstance(scalar, ScalarNode):
                yield _path(document, scalar.value)


def _read_layer(
    file: Path,
    folder: Path,
    shown: Callable[[Path], Path],
    layers: list[Document],
    seen: set[Path],
) -> None:
    document = _read(file, folder, shown)
    seen.add(file.resolve())
    for included in _includes(document):
        # What isn't a file (git, OCI) Compose fetches; a circle it refuses.
        if included.is_file() and included.resolve() not in seen:
            _read_layer(included, included.parent, shown, layers, seen)
    layers.append(document)


def _read_extended(
    document: Document, shown: Callable[[Path], Path], extended: dict[Path, Document]
) -> None:
    services = find(document.root, ("services",))
    for _, _, service in entries(services[1] if services else None):
        path = _path(document, _extends(service)[1])
        if path not in extended and path.is_file():
            extended[path] = _read(path, path.parent, shown)
            _read_extended(extended[path], shown, extended)


def _read(file: Path, folder: Path, shown: Callable[[Path], Path]) -> Document:
    path = shown(file)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(f"cannot be read: {error}", Place(path))]) from None
    try:
        root = YAML(pure=True).compose(text)
    except (YAMLError, ValueError, RecursionError):
        parse_yaml(text, path)  # says the same in a user's words
        raise
    return Document(path, folder, text, root)
