"""Two releases of web in one stack: each under a name of its own, both answering to `web`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from junov.environments.labels import COMMIT, RELEASE
from junov.stacks.prune import depends_on
from junov.stacks.stack import Stack
from junov.stacks.variables import RELEASE_VARIABLE


def side_by_side(stack: Stack, release: int) -> Stack:
    """The same stack, so arranged that its web can run beside that of another release.

    Web's service gets its release into its name and its own name as a network alias. Services of
    other images lose the labels that change with every release: Compose re-creates what changes,
    and a cache that hasn't changed is to be left alone.

    Args:
        stack: an assembled stack.
        release: the number of its release.
    """
    web = f"{stack.web}-r{release}"
    services: dict[str, Any] = {}
    supporting = []
    for name, service in stack.model["services"].items():
        if name == stack.web:
            services[web] = _named(service, alias=name)
            continue
        services[name] = _without_wait(service, stack.web)
        if service.get("image") != stack.image and name != stack.migrate:
            supporting.append(name)
            services[name]["labels"] = _lasting(service["labels"])
    return replace(
        stack,
        model={**stack.model, "services": services},
        web=web,
        background=tuple(name for name in stack.background if name not in supporting),
        supporting=tuple(supporting),
    )


def renumbered(stack: Stack, old: int, new: int) -> Stack:
    """A stack that was delivered before, to be delivered again under a new number.

    Everything else in it stays as it was checked, its commit among it.

    Args:
        stack: what `side_by_side` made for the release `old`.
        old: the number that it was delivered under.
        new: the number of the release that brings it back.
    """
    web = f"{stack.web.removesuffix(f'-r{old}')}-r{new}"
    services = {
        web if name == stack.web else name: _renumbered(service, old, new)
        for name, service in stack.model["services"].items()
    }
    return replace(stack, model={**stack.model, "services": services}, web=web)


def _renumbered(service: Mapping[str, Any], old: int, new: int) -> dict[str, Any]:
    changed = dict(service)
    if RELEASE in service.get("labels", {}):
        changed["labels"] = {**service["labels"], RELEASE: str(new)}
    if (service.get("environment") or {}).get(RELEASE_VARIABLE) == str(old):
        changed["environment"] = {**service["environment"], RELEASE_VARIABLE: str(new)}
    return changed


def _named(service: Mapping[str, Any], alias: str) -> dict[str, Any]:
    default = (service.get("networks") or {}).get("default") or {}
    aliases = list(dict.fromkeys([*(default.get("aliases") or ()), alias]))
    return {**service, "networks": {"default": {**default, "aliases": aliases}}}


def _without_wait(service: Mapping[str, Any], awaited: str) -> dict[str, Any]:
    """Web is up before everything that may wait for it, and no longer of that name."""
    kept = {name: how for name, how in depends_on(service).items() if name != awaited}
    rest = {key: value for key, value in service.items() if key != "depends_on"}
    return {**rest, "depends_on": kept} if kept else rest


def _lasting(labels: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in labels.items() if key not in (RELEASE, COMMIT)}
