"""What a stack is made of lies in the project: no other file of the server gets in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from junov.stacks.documents import Document, entries, find
from junov.stacks.guard.context import Context
from junov.stacks.guard.rule import EVERYWHERE, Hit, Rule
from junov.stacks.interpolation import interpolate

_SERVICE_FILES = ("env_file", "label_file")


def is_inside(context: Context, path: str | Path) -> bool:
    """Whether a file lies in the project's folder, links followed."""
    root = os.path.realpath(context.layers.project_dir)
    return os.path.realpath(path).startswith(f"{root}/")


def _outside_file(context: Context) -> Iterator[Hit]:
    for section, what in (("configs", "config"), ("secrets", "secret")):
        for name, data in context.stack.get(section, {}).items():
            loc, entry = (section, name), data or {}
            file = entry.get("file")
            if entry.get("external"):
                yield Hit(f"the {what} `{name}` is external", name, (*loc, "external"))
            elif file and not is_inside(context, file):
                typed = context.sources.written((*loc, "file")).text or file
                yield Hit(
                    f"the {what} `{name}` is the file `{typed}`, outside the project",
                    typed,
                    (*loc, "file"),
                )
    documents = context.layers.documents
    for document in (*documents.layers, *documents.extended.values()):
        for what, node in _named_files(document):
            typed = node.value
            path = document.folder / interpolate(typed, context.layers.values)
            if not is_inside(context, path):
                message = f"{what} is the file `{typed}`, outside the project"
                yield Hit(message, typed, place=document.place(node))
    for env_file in context.layers.env_files:
        if not is_inside(context, env_file):
            shown = context.layers.shown(env_file)
            message = f"the env file {shown} leads outside the project"
            yield Hit(message, str(shown), place=context.folder.file.place(("compose", "env")))


def _named_files(document: Document) -> Iterator[tuple[str, ScalarNode]]:
    """The files that services of a compose file name, and where; also those it includes."""
    services = find(document.root, ("services",))
    for name, _, service in entries(services[1] if services else None):
        for key in _SERVICE_FILES:
            for node in _paths(service, key):
                yield f"`{key}` of service `{name}`", node
        extended = find(service, ("extends", "file"))
        if extended and isinstance(extended[1], ScalarNode):
            yield f"`extends` of service `{name}`", extended[1]
    if document.root:
        for node in _paths(document.root, "include"):
            yield "`include`", node


def _paths(parent: Node, key: str) -> Iterator[ScalarNode]:
    """The paths of a key: one, a list of them, or a list of mappings with `path`."""
    pair = find(parent, (key,))
    items = pair[1].value if pair and isinstance(pair[1], SequenceNode) else [pair and pair[1]]
    for item in items:
        if isinstance(item, MappingNode):
            yield from _paths(item, "path")
        elif isinstance(item, ScalarNode) and item.value and "://" not in item.value:
            yield item


RULES = (
    Rule(
        id="outside-file",
        sentence="A file from outside the project: a config or secret, an env file, a label file, "
        "an included or extended compose file. It is in no commit, every environment would share "
        "it, and it may be one of the server's own.",
        remedy="keep the file in the project; name secrets under `secrets` in junov.yaml, which "
        "gives each environment its own",
        waivable=True,
        check=_outside_file,
        applies_to=EVERYWHERE,
        bad="services:\n  web:\n    configs: [app]\nconfigs:\n  app:\n    file: /etc/app.conf\n",
        good="services:\n  web:\n    configs: [app]\nconfigs:\n  app:\n    file: ./app.conf\n",
    ),
)
