"""The pipeline: which jobs there are, when each runs, and what each waits for. Pure."""

from junov.pipeline.events import EVENTS, Event, EventName
from junov.pipeline.jobs import Job, Needed
from junov.pipeline.model import SERVER_BRANCH, STAGES, Pipeline, pipeline_of
from junov.pipeline.rules import OnBranch, OnOwnMergeRequest, OnTag, Rule, Source, Start

__all__ = [
    "EVENTS",
    "SERVER_BRANCH",
    "STAGES",
    "Event",
    "EventName",
    "Job",
    "Needed",
    "OnBranch",
    "OnOwnMergeRequest",
    "OnTag",
    "Pipeline",
    "Rule",
    "Source",
    "Start",
    "pipeline_of",
]
