"""A model without some of its services."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from junov.stacks.stack import Model

_SECTIONS = ("networks", "configs", "secrets", "volumes")


def without_services(model: Model, dropped: Collection[str]) -> dict[str, Any]:
    """The model without these services, and without what only they used.

    Args:
        model: a resolved model.
        dropped: names of services; those that aren't there don't matter.
    """
    services = {
        name: _independent(service, dropped)
        for name, service in model.get("services", {}).items()
        if name not in dropped
    }
    pruned: dict[str, Any] = {**model, "services": services}
    for section in _SECTIONS:
        if section in model:
            used = {name for service in services.values() for name in _used(service, section)}
            pruned[section] = {k: v for k, v in model[section].items() if k in used}
            if not pruned[section]:
                del pruned[section]
    return pruned


def depends_on(service: Mapping[str, Any]) -> dict[str, Any]:
    """What a service waits for, by service."""
    return dict(service.get("depends_on") or {})


def _independent(service: Mapping[str, Any], dropped: Collection[str]) -> dict[str, Any]:
    """The service, no longer waiting for those that are dropped."""
    kept = {name: how for name, how in depends_on(service).items() if name not in dropped}
    rest = {key: value for key, value in service.items() if key != "depends_on"}
    return {**rest, "depends_on": kept} if kept else rest


def _used(service: Mapping[str, Any], section: str) -> list[str]:
    """The names of a section's things that a service uses."""
    uses = service.get(section) or ()
    if isinstance(uses, Mapping):
        return list(uses)
    return [
        str(use["source"])
        for use in uses
        if use.get("source") and (section != "volumes" or use.get("type") == "volume")
    ]
