"""The journal: what happened to environments, step by step, in one SQLite file.

What runs is asked of the engine, what is routed of the edge, and what exists of Postgres; the
journal says what was done, by whom, when, and how it ended. Environments go on serving without it.
"""

from junov.journal.journal import Journal
from junov.journal.records import (
    EnvironmentRecord,
    Event,
    Outcome,
    Overview,
    Release,
    Status,
    Step,
    StepState,
)
from junov.journal.schema import JournalError, TakenError

__all__ = [
    "EnvironmentRecord",
    "Event",
    "Journal",
    "JournalError",
    "Outcome",
    "Overview",
    "Release",
    "Status",
    "Step",
    "StepState",
    "TakenError",
]
