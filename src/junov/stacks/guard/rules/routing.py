"""Who is reached under which name is junov's to say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from junov.config.yamlfile import Loc
from junov.stacks.guard.context import Context
from junov.stacks.guard.rule import DEPLOY, EVERYWHERE, Hit, Rule


def _labels(context: Context, prefix: str) -> Iterator[Hit]:
    for loc, where in _label_sections(context):
        labels: Any = context.stack
        for step in loc:
            labels = (labels or {}).get(step)
        for label in labels or ():
            if label.lower().startswith(prefix):
                yield Hit(f"{where} has the label `{label}`", label, (*loc, label), key=True)


def _label_sections(context: Context) -> Iterator[tuple[Loc, str]]:
    for service in context.services:
        for path in (("labels",), ("annotations",), ("deploy", "labels")):
            yield ("services", service, *path), f"service `{service}`"
    for section in ("networks", "volumes"):
        for name in context.stack.get(section, {}):
            yield (section, name, "labels"), f"`{name}`"


def _traefik_label(context: Context) -> Iterator[Hit]:
    return _labels(context, "traefik.")


def _junov_label(context: Context) -> Iterator[Hit]:
    return _labels(context, "dev.junov.")


RULES = (
    Rule(
        id="traefik-label",
        sentence="Labels for Traefik. The edge does not read containers, so they do nothing here; "
        "on a server where it did, two environments with one router name would take each other's "
        "traffic.",
        remedy="remove it; the host is in junov.yaml under `environments`, the port under `web`",
        waivable=False,
        check=_traefik_label,
        applies_to=DEPLOY,
        bad='services:\n  web:\n    labels:\n      traefik.enable: "true"\n',
        good="services:\n  web:\n    labels:\n      com.example.team: notes\n",
    ),
    Rule(
        id="junov-label",
        sentence="Labels of junov's own. They say which container belongs to which environment, "
        "and what `junov env rm` removes.",
        remedy="remove it; junov sets its labels itself",
        waivable=False,
        check=_junov_label,
        applies_to=EVERYWHERE,
        bad="services:\n  web:\n    labels:\n      dev.junov.environment: prod\n",
        good="services:\n  web:\n    labels:\n      com.example.environment: main\n",
    ),
)
