"""What the edge has answered for one release, read from its counters."""

from __future__ import annotations

import re
from dataclasses import dataclass

# The text format: https://prometheus.io/docs/instrumenting/exposition_formats/
_SAMPLE = re.compile(r"traefik_router_requests_total\{(.*)\} (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Answers:
    """How many requests were answered, and how.

    Args:
        total: all of them, whatever their status.
        failed: those with a status of 500 or more, said by a container or by the edge in its place.
    """

    total: int
    failed: int

    @property
    def share(self) -> float:
        """The failed ones' share, from 0 to 1; 0 where nothing was asked."""
        return self.failed / self.total if self.total else 0.0


def count_answers(metrics: str, service: str) -> Answers:
    """The answers of one of Traefik's services.

    Args:
        metrics: what Traefik says under `/metrics`.
        service: the service with its provider, such as `notes_prod-r7@file`.

    Returns:
        Nothing but zeros where the service has no counters: nobody has asked it anything.
    """
    total = failed = 0
    for line in metrics.splitlines():
        sample = _SAMPLE.match(line)
        labels = dict(_LABEL.findall(sample[1])) if sample else {}
        if sample and labels.get("service") == service:
            count = int(float(sample[2]))  # a million is 1e+06
            total += count
            failed += count if labels.get("code", "").startswith("5") else 0
    return Answers(total, failed)
