"""The stack: what the engine is handed, after the guard has passed it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from junov.secret import Secret

Model = Mapping[str, Any]
"""A compose model as `docker compose config --format json` gives it, with `$$` read as `$`."""


@dataclass(frozen=True)
class Stack:
    """The fully resolved compose model of one environment and one image.

    Nothing in it is interpolated again: what was checked is what runs.

    Args:
        name: the Compose project.
        model: the model; it holds secrets, so it is written with mode 0600 and never printed.
        image: the digest reference that the project's own services run.
        web: the service that faces outwards.
        migrate: the one-off service that runs before the others, or None.
        background: the project's other services, rolled after web.
        supporting: services of other images (a cache, a queue), which web may need.
        secrets: every secret value inside the model, to redact logs and errors with.
    """

    name: str
    model: Model = field(repr=False)
    image: str
    web: str
    migrate: str | None
    background: tuple[str, ...]
    supporting: tuple[str, ...] = ()
    secrets: frozenset[Secret] = frozenset()

    def runs_once(self, service: str) -> bool:
        """Whether a service is there to end by itself."""
        return bool(self.model["services"][service].get("restart") == "no")
