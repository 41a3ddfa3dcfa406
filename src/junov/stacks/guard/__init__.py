"""The guard: reads a resolved stack before anything is touched, and says what the wall forbids."""

from junov.stacks.guard.check import ALL_RULES, guard, refuse, stale_waivers
from junov.stacks.guard.context import Context, Foreign, ImageFacts
from junov.stacks.guard.rule import Finding, Rule

__all__ = [
    "ALL_RULES",
    "Context",
    "Finding",
    "Foreign",
    "ImageFacts",
    "Rule",
    "guard",
    "refuse",
    "stale_waivers",
]
