"""The pipeline: which jobs there are, when each runs, and what each waits for. Pure."""

from junov.pipeline.events import EVENTS, Event, EventName
from junov.pipeline.jobs import Job, Needed, Target
from junov.pipeline.model import SERVER_BRANCH, STAGES, Pipeline, pipeline_of
from junov.pipeline.rules import Rule, Start

__all__ = [
    "EVENTS",
    "SERVER_BRANCH",
    "STAGES",
    "Event",
    "EventName",
    "Job",
    "Needed",
    "Pipeline",
    "Rule",
    "Start",
    "Target",
    "pipeline_of",
]
