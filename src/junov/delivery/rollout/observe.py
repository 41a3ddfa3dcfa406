"""The time after the switch in which a release has to prove itself, with the old one kept ready."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from junov.config.fields import format_duration
from junov.delivery.delivered import Delivered
from junov.delivery.rollout.containers import containers_of, health_url, web_of
from junov.delivery.rollout.readiness import ask
from junov.edge import Answers, Route
from junov.engine.inspection import Container
from junov.errors import StageError
from junov.secret import redact
from junov.site import Site
from junov.steps import Step

LEAST_ERRORS = 5
"""Fewer answers with 5xx than this don't end an observation, whatever their share."""

LEAST_SHARE = 0.05
"""Nor does a smaller share of all answers than this."""

TIMES_AS_BAD = 2
"""Nor does a share that is smaller than this many times that of the release before it."""

SILENT_SECONDS = 3.0
"""So long a health path may go without an answer of 2xx, even if the time is up meanwhile."""

_LOOK_SECONDS = 0.2
_ANSWER_SECONDS = 2.0
_TOO_MANY_RESTARTS = 2  # of a background service; one of web is enough


def observe(site: Site, delivered: Delivered, route: Route, usual: float, step: Step) -> None:
    """Watch a release that has just begun to serve, by its health and by what the edge answers.

    Args:
        site: the server.
        delivered: the release.
        route: its route.
        usual: the share of 5xx of the release before it, which can still take over.
        step: told what came of it.

    Raises:
        StageError: a web container ended or stopped answering, a background service keeps ending,
            or the edge counts too many answers with 5xx.
    """
    seconds = delivered.web.observe
    if not seconds:
        step.note = "not asked for"
        return
    step.say(f"the release before is kept for {format_duration(seconds)}")
    watch = _Watch(site, delivered, route, usual)
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0 or watch.silent_since:
        watch.look()
        time.sleep(max(0.0, min(_LOOK_SECONDS, left)))
    seen = site.edge_api.answers(route)
    step.note = f"{seconds} s, {seen.total} answers, {seen.failed} of them 5xx"


@dataclass
class _Watch:
    site: Site
    delivered: Delivered
    route: Route
    usual: float
    silent_since: dict[str, float] = field(default_factory=dict)

    def look(self) -> None:
        stack = self.delivered.stack
        for container in containers_of(self.site, self.delivered.environment.identity):
            if container.service in (stack.web, *stack.background):
                self._look_at(container, is_web=container.service == stack.web)
        if len(web_of(self.site, self.delivered)) < len(self.route.servers):
            raise self._failed("one of its web containers was removed by somebody", None)
        problem = too_many_errors(self.site.edge_api.answers(self.route), self.usual)
        if problem:
            raise self._failed(problem, None)

    def _look_at(self, container: Container, *, is_web: bool) -> None:
        ended = self.site.engine.ended(container.id)
        if ended is None or (container.ended_well and not is_web):
            return
        if ended.restarts >= (1 if is_web else _TOO_MANY_RESTARTS) or container.state in (
            "exited",
            "dead",
        ):
            raise self._failed(f"{container.name} {ended}", container)
        if container.health == "unhealthy":
            raise self._failed(f"{container.name} says it is unhealthy", container)
        if is_web:
            asked = time.monotonic()
            answer = ask(health_url(container, self.delivered), _ANSWER_SECONDS)
            if answer.is_well:
                self.silent_since.pop(container.id, None)
            elif time.monotonic() - self.silent_since.setdefault(container.id, asked) > (
                SILENT_SECONDS
            ):
                raise self._failed(f"{container.name} stopped answering: {answer}", container)

    def _failed(self, what: str, container: Container | None) -> StageError:
        log = self.site.engine.last_log_lines(container.id) if container else ""
        return StageError(
            f"release {self.delivered.release} served, and failed while it was observed: {what}",
            detail=redact(log, self.delivered.stack.secrets),
            remedy="the step before this says what serves now; how long a release is observed, "
            "`web.observe` in junov.yaml",
        )


def too_many_errors(seen: Answers, usual: float) -> str:
    """Why a release answers with too many 5xx; empty where it doesn't.

    Args:
        seen: what the edge has answered for it.
        usual: the share of 5xx of the release before it.
    """
    if seen.failed < LEAST_ERRORS or seen.share < max(LEAST_SHARE, TIMES_AS_BAD * usual):
        return ""
    return f"{seen.failed} of {seen.total} answers were 5xx, through the edge"
