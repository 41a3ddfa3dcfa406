"""Named volumes that one layer gives a service and a later one takes away."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ruamel.yaml.nodes import Node, ScalarNode, SequenceNode

from junov.errors import Place
from junov.stacks.documents import REPLACES, Origin, find
from junov.stacks.guard.context import Context
from junov.stacks.interpolation import interpolate


@dataclass(frozen=True, slots=True)
class Dropped:
    """A mount of a named volume that the resolved service hasn't got.

    Args:
        service: the service.
        volume: the volume's name.
        target: where it is mounted.
        place: what takes it away; where it is given, if that cannot be told.
    """

    service: str
    volume: str
    target: str
    place: Place


def dropped_volumes(context: Context) -> Iterator[Dropped]:
    """The mounts of named volumes that the files give to services which run without them.

    A volume or folder of the server at the same target is somebody's choice, and keeps data. What
    the base drops of what it extends is dropped on the laptop as well, and so isn't news.
    """
    for service, data in context.services.items():
        kept = {_clean(mount["target"]) for mount in data.get("volumes") or () if _keeps(mount)}
        for mount in _given(context, service):
            if mount.target not in kept:
                yield mount


def _given(context: Context, service: str) -> list[Dropped]:
    """The named volumes that the base gives a service or a later layer adds."""
    documents = context.sources.documents
    base = next(
        index
        for index, document in enumerate(documents.layers)
        if document.path == context.layers.shown(context.layers.files[0])
    )
    origins = documents.origins(("services", service))
    earlier = [any(o.document is each for each in documents.layers[: base + 1]) for o in origins]
    # What the base itself extends comes after it in the list.
    first = earlier.index(True) if True in earlier else len(origins)
    given: dict[str, Dropped] = {}
    for index, origin in reversed(list(enumerate(origins))):
        dropper = _dropper(origin)
        if dropper:
            place = origin.document.place(dropper)
            given = {
                key: replace(each, place=place) for key, each in given.items() if index < first
            }
        for volume, target, node in _named(origin, context.layers.values):
            given[target] = Dropped(service, volume, target, origin.document.place(node))
    return list(given.values())


def _dropper(origin: Origin) -> Node | None:
    """The key by which a file puts its own list, or nothing, in the place of earlier ones."""
    if str(origin.node.tag) in REPLACES:
        return origin.key
    volumes = find(origin.node, ("volumes",))
    return volumes[0] if volumes and str(volumes[1].tag) in REPLACES else None


def _named(origin: Origin, values: Mapping[str, str]) -> Iterator[tuple[str, str, Node]]:
    """The named volumes in a service's list: name, target and item."""
    volumes = find(origin.node, ("volumes",))
    if not volumes or not isinstance(volumes[1], SequenceNode) or volumes[1].tag == "!reset":
        return
    for item in volumes[1].value:
        if isinstance(item, ScalarNode):
            source, _, rest = interpolate(item.value, values).partition(":")
            target = rest.partition(":")[0]
        elif _text(item, "type", values) == "volume":
            source, target = _text(item, "source", values), _text(item, "target", values)
        else:
            continue
        if target and re.match(r"[A-Za-z0-9]", source):
            yield source, _clean(target), item


def _text(node: Node, key: str, values: Mapping[str, str]) -> str:
    found = find(node, (key,))
    is_text = found and isinstance(found[1], ScalarNode)
    return interpolate(found[1].value, values) if found and is_text else ""


def _keeps(mount: Mapping[str, Any]) -> bool:
    """Whether what is written there is there after the container."""
    return mount.get("type") != "tmpfs" and bool(mount.get("source"))


def _clean(target: object) -> str:
    return posixpath.normpath(str(target))
