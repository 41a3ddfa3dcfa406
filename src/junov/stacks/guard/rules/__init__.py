"""The rules of the wall, by subject."""

from junov.stacks.guard.rule import Rule
from junov.stacks.guard.rules import (
    files,
    host,
    images,
    networks,
    routing,
    structure,
    values,
    volumes,
)

RULES: tuple[Rule, ...] = (
    *structure.RULES,
    *networks.RULES,
    *volumes.RULES,
    *files.RULES,
    *host.RULES,
    *images.RULES,
    *values.RULES,
    *routing.RULES,
)
"""In the order in which the documentation shows them."""
