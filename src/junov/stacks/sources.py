"""Where the user wrote what stands in the resolved model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from junov.config.yamlfile import Loc
from junov.errors import Place
from junov.stacks.documents import Document, Documents, Origin, entries, find, is_null
from junov.stacks.envfile import Entry, EnvFile, read_env_file
from junov.stacks.interpolation import interpolate, references
from junov.stacks.layers import Layers
from junov.stacks.stack import Model


@dataclass(frozen=True)
class Written:
    """What the user typed for a value of the resolved model.

    Args:
        text: the text as typed; empty for lists and mappings.
        place: where it stands.
        literal: whether nothing in it is interpolated.
    """

    text: str
    place: Place
    literal: bool = False


@dataclass(frozen=True)
class Sources:
    """From places in the resolved model to places in the user's own files.

    Args:
        layers: what the model was made of.
        model: the model.
    """

    layers: Layers
    model: Model = field(repr=False)

    @property
    def documents(self) -> Documents:
        """The compose files."""
        return self.layers.documents

    def place(self, loc: Sequence[str | int], text: str = "", *, key: bool = False) -> Place:
        """Where the value at `loc` was written.

        Args:
            loc: keys and indexes in the resolved model.
            text: the part of the value that matters; the place is that of this text where it can
                be found, through variables as well.
            key: the name matters, not the value.

        Returns:
            The place in the file whose word was the last; of a value that the files don't have,
            the place of the deepest part around it.
        """
        loc = tuple(loc)
        entry = self._env_entry(loc)
        if entry:
            return (
                entry.key
                if key
                else self._through_variables(entry.text, text) or (entry.place_of(text))
            )
        found = self._find(loc)
        if not found:
            return self._deepest(loc)
        document, key_node, node = found
        if key:
            return document.place(key_node, text)
        if isinstance(node, ScalarNode):
            through = self._through_variables(node.value, text)
            if through:
                return through
        return document.place(_narrow(node, text) or (key_node if _is_block(node) else node), text)

    def written(self, loc: Sequence[str | int]) -> Written:
        """What was typed for the value at `loc`."""
        loc = tuple(loc)
        entry = self._env_entry(loc)
        if entry:
            return Written(entry.text, entry.place, entry.literal)
        found = self._find(loc)
        node = found[2] if found else None
        text = node.value if isinstance(node, ScalarNode) else ""
        return Written(text, self.place(loc))

    def env_files_of(self, service: str) -> list[EnvFile]:
        """The env files of a service in the order in which they win: the user's, then junov's."""
        mine = self.layers.read_env_files if service in self.layers.own else ()
        return [*self._service_env_files.get(service, ()), *mine]

    @cached_property
    def _service_env_files(self) -> Mapping[str, Sequence[EnvFile]]:
        read: dict[Path, EnvFile] = {}
        files: dict[str, list[EnvFile]] = {}
        for service in self.model.get("services", {}):
            for origin in reversed(self.documents.origins(("services", service))):
                for path in _env_file_paths(origin):
                    if path.is_file() and path not in read:
                        read[path] = read_env_file(path, self.layers.shown(path))
                    if path in read:
                        files.setdefault(service, []).append(read[path])
        return files

    def _env_entry(self, loc: Loc) -> Entry | None:
        """The line of an env file that a service's variable comes from."""
        if len(loc) < 4 or loc[0] != "services" or loc[2] != "environment":
            return None
        for origin in self.documents.origins(loc):
            pair = find(origin.node, loc[2:4])
            if pair and not _passes_through(*pair):
                return None
        for file in reversed(self.env_files_of(str(loc[1]))):
            entry = file.entries.get(str(loc[3]))
            if entry:
                return entry
        return None

    def _through_variables(self, typed: str, text: str) -> Place | None:
        """The line of an env file whose variable brings `text` into what was typed."""
        if not text or text.lower() in typed.lower():
            return None
        for reference in references(typed):
            for file in reversed(self.layers.read_env_files):
                entry = file.entries.get(reference.name)
                known = reference.name in self.layers.variables
                if entry and not known and text.lower() in entry.value(self.layers.values).lower():
                    return self._through_variables(entry.text, text) or entry.place_of(text)
        return None

    def _find(self, loc: Loc) -> tuple[Document, Node, Node] | None:
        origins = self.documents.origins(loc)
        rest = loc[2:]
        index = next((i for i, step in enumerate(rest) if isinstance(step, int)), None)
        if index is not None:
            return self._find_item(origins, loc, index)
        for origin in origins:
            pair = find(origin.node, rest) if rest else (origin.key, origin.node)
            if pair:
                return origin.document, *pair
        return None

    def _find_item(
        self, origins: Sequence[Origin], loc: Loc, index: int
    ) -> tuple[Document, Node, Node] | None:
        """The list item that became the one in the model: the one with most of its words."""
        rest = loc[2:]
        path, number, below = rest[:index], rest[index], rest[index + 1 :]
        item = _at(self.model, (*loc[:2], *path, number))
        best: tuple[float, Document, Node, Node] | None = None
        for origin in origins:
            pair = find(origin.node, path)
            if not pair:
                continue
            raw = pair[1].value if isinstance(pair[1], SequenceNode) else [pair[1]]
            for position, node in enumerate(raw):
                score = self._likeness(node, item) + (0.5 if position == number else 0)
                if best is None or score > best[0]:
                    best = score, origin.document, node, node
        if best is None:
            return None
        _, document, _, node = best
        inner = find(node, below) if below and isinstance(node, MappingNode) else None
        return (document, *inner) if inner else (document, node, node)

    def _likeness(self, node: Node, item: object) -> float:
        typed = "\n".join(interpolate(text, self.layers.values) for text in _texts(node))
        if isinstance(item, str) and typed == item:
            return 100
        words = [str(word).removeprefix(f"{self.layers.project_dir}/") for word in _leaves(item)]
        return sum(len(word) for word in words if word in typed)

    def _deepest(self, loc: Loc) -> Place:
        """The place of the longest part of `loc` that some file has."""
        for length in range(len(loc) - 1, 0, -1):
            found = self._find(loc[:length]) if length >= 2 else None
            if found:
                document, key_node, node = found
                return document.place(node if isinstance(node, ScalarNode) else key_node)
        for document in reversed(self.documents.layers):
            pair = find(document.root, loc[:1])
            if pair:
                return document.place(pair[0])
        return Place(self.documents.layers[-1].path)


def _narrow(node: Node, text: str) -> Node | None:
    """The node inside a list or mapping that has `text`."""
    if not text or isinstance(node, ScalarNode):
        return None
    inner = node.value if isinstance(node, SequenceNode) else [n for _, _, n in entries(node)]
    for child in inner:
        if isinstance(child, ScalarNode) and text.lower() in child.value.lower():
            return child
    return None


def _passes_through(key: Node, value: Node) -> bool:
    """`KEY:` or the list item `KEY`: the value comes from elsewhere."""
    in_list = key is value and isinstance(value, ScalarNode)
    return "=" not in value.value if in_list else is_null(value)


def _env_file_paths(origin: Origin) -> Iterator[Path]:
    pair = find(origin.node, ("env_file",))
    items = pair[1].value if pair and isinstance(pair[1], SequenceNode) else [pair and pair[1]]
    for item in items:
        if isinstance(item, MappingNode):
            if find(item, ("format",)):  # `format: raw`: not read as Compose reads the others
                continue
            inner = find(item, ("path",))
            item = inner[1] if inner else None
        if isinstance(item, ScalarNode):
            yield origin.document.folder / item.value


def _texts(node: Node) -> Iterator[str]:
    if isinstance(node, ScalarNode):
        yield node.value
    elif isinstance(node, SequenceNode):
        for item in node.value:
            yield from _texts(item)
    elif isinstance(node, MappingNode):
        for key, _, value in entries(node):
            yield key
            yield from _texts(value)


def _leaves(item: object) -> Iterator[object]:
    if isinstance(item, Mapping):
        for value in item.values():
            yield from _leaves(value)
    elif isinstance(item, list):
        for value in item:
            yield from _leaves(value)
    elif item is not None and not isinstance(item, bool):
        yield item


def _at(model: Any, loc: Sequence[str | int]) -> Any:
    for step in loc:
        try:
            model = model[step]
        except (KeyError, IndexError, TypeError):
            return None
    return model


def _is_block(node: Node) -> bool:
    """A block collection starts at its first item, one line below the key a reader looks for."""
    return isinstance(node, MappingNode | SequenceNode) and not node.flow_style
