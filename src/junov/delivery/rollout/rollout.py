"""The gapless path: a release's containers up beside the old ones, the edge over, the old down.

Until the old ones are stopped there is a way back, and whatever fails takes it: an error, Ctrl-C, a
release that fails while it is observed. A run that is killed takes no way at all; what it leaves
is finished or undone by the next one (see `repair`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from junov.delivery.delivered import Delivered, find_release
from junov.delivery.rollout.containers import (
    belongs,
    containers_of,
    put_back,
    roll_background,
    start_supporting,
    start_web,
    stop,
    stop_and_remove,
    web_of,
)
from junov.delivery.rollout.hooks import run_hooks
from junov.delivery.rollout.observe import observe
from junov.delivery.rollout.traffic import drain, edge_runs, route_to, switch
from junov.delivery.rollout.verify import fetch_through_edge
from junov.edge import Route
from junov.errors import JunovError, UnavailableError
from junov.site import Site
from junov.steps import Step, Steps

UNDO = "undo"
"""The step that takes a release back which has failed."""


class Record(Protocol):
    """What is written down of a release while it is rolled out."""

    def serves(self) -> None:
        """There is no way back any more: from now on it is what the environment runs."""
        ...

    def needs_repair(self) -> None:
        """It has failed, and the way back as well."""
        ...


def roll_out(site: Site, delivered: Delivered, record: Record, steps: Steps) -> None:
    """Bring a release to serve, and take down whatever served before it.

    Args:
        site: the server.
        delivered: the release; its network, database and schema are there.
        record: told when there is no way back, for better or for worse.
        steps: shows what is done.

    Raises:
        StageError: it doesn't come up, or fails while it is observed; what served before does so
            again.
        HostTakenError: another environment has the host; likewise.
        UnavailableError: the engine or the edge doesn't answer.
    """
    before = _find_before(site, delivered)
    web = delivered.web
    with _undone_on_failure(site, delivered, before, record, steps):
        with steps.step("supporting", "Supporting services") as step:
            start_supporting(site, delivered, step)
        with steps.step("web", f"Start {web.service} beside the old") as step:
            route = route_to(delivered, start_web(site, delivered, step))
        with steps.step("switch", f"Switch {route.host}") as step:
            step.note = f"after {switch(site, route):.2f} s"
        switched = time.monotonic()
        with steps.step("verify", "Fetch it through the edge") as step:
            fetch_through_edge(site, delivered.environment, web, step)
        with steps.step("background", "Background services") as step:
            roll_background(site, delivered, step)
        with steps.step("after", "Hooks after") as step:
            run_hooks(site, delivered, delivered.project.hooks.after, step)
        with steps.step("observe", "Observe it, with the old kept") as step:
            if before.route:
                observe(site, delivered, route, before.share_of_errors, step)
            else:
                step.note = "there is no release to go back to"
    record.serves()
    old = [
        each
        for each in containers_of(site, delivered.environment.identity)
        if not belongs(each, delivered)
    ]
    with steps.step("drain", "Let requests to the old end") as step:
        drain(site, old, before.port, web.drain, step, since=switched)
    with steps.step("retire", "Stop the old") as step:
        stop_and_remove(site, old)
        step.note = ", ".join(each.name for each in old) or "there was none"


@dataclass(frozen=True)
class _Before:
    """What served before a rollout.

    Args:
        route: where requests went; None where nothing served.
        delivered: the release they went to; None where its record is lost.
        share_of_errors: how many of its answers were 5xx. The edge forgets that at the switch.
        ran: whether all that the route leads to ran when the rollout began.
        running: the services that ran then.
    """

    route: Route | None
    delivered: Delivered | None
    share_of_errors: float
    ran: bool = False
    running: frozenset[str] = frozenset()

    @property
    def port(self) -> int:
        """Where its web listens."""
        servers = self.route.servers if self.route else ()
        return int(servers[0].rpartition(":")[2]) if servers else 0

    def runs(self, site: Site) -> bool:
        """Whether the containers that it leads to still run."""
        servers = self.route.servers if self.route else ()
        ids = [server.removeprefix("http://").rpartition(":")[0] for server in servers]
        found = [site.engine.container(name) for name in ids]
        return bool(found) and all(each is not None and each.running for each in found)


def _find_before(site: Site, delivered: Delivered) -> _Before:
    identity = delivered.environment.identity
    route = site.routes.read(identity.route)
    if route is None:
        return _Before(None, None, 0.0)
    share = site.edge_api.answers(route).share if delivered.web.observe else 0.0
    before = _Before(route, find_release(site, identity, route.release), share)
    running = {each.service for each in containers_of(site, identity) if each.running}
    return replace(before, ran=before.runs(site), running=frozenset(running))


@contextmanager
def _undone_on_failure(
    site: Site, delivered: Delivered, before: _Before, record: Record, steps: Steps
) -> Iterator[None]:
    """Whatever fails in the block: what served before does so again, with all that it had."""
    try:
        yield
    except BaseException:
        # What failed first is what has to be told as the error.
        try:
            if not _take_back(site, delivered, before, steps):
                record.serves()
        except JunovError as error:
            record.needs_repair()
            route = site.routes.read(delivered.environment.identity.route)
            serving = f"release {route.release} serves" if route else "nothing serves"
            steps.saying("undone")(
                f"the way back failed as well: {error.message} → {error.remedy}; {serving}, and "
                "the next deploy or `junov env repair` sees to the rest"
            )
        except BaseException:
            record.needs_repair()
            steps.saying("undone")(
                "the way back was cut short; the next deploy or `junov env repair` sees to the rest"
            )
            raise
        raise


def _take_back(site: Site, delivered: Delivered, before: _Before, steps: Steps) -> bool:
    """Take a release back; whether that could be done, or else it is what serves."""
    title = f"Go back to release {before.route.release}" if before.route else "Take it back"
    step: Step | None = None
    try:
        with steps.step(UNDO, title) as step:
            return _undo(site, delivered, before, step)
    except JunovError:
        if step:
            raise
        # It can't be recorded, such as on a full disk. It has to be done all the same.
        step = Step(UNDO, steps.saying("undo"))
        is_undone = _undo(site, delivered, before, step)
        steps.saying("undone")(step.note)
        return is_undone


def _undo(site: Site, delivered: Delivered, before: _Before, step: Step) -> bool:
    identity = delivered.environment.identity
    now = site.routes.read(identity.route)
    if now != before.route and not _reroute(site, delivered, before, step):
        return False
    # From here on nobody is sent to the new containers any more.
    try:
        if before.delivered and before.ran:
            put_back(site, before.delivered, step)
    finally:
        stop_and_remove(site, web_of(site, delivered))
    if before.delivered or not before.route:
        # Where the old release's record is lost, there is nothing better than what now runs.
        there = containers_of(site, identity)
        old = before.delivered
        stop_and_remove(site, [each for each in there if not (old and belongs(each, old))])
    if before.route and before.ran:
        step.note = f"release {before.route.release} serves"
    elif before.route:
        there = containers_of(site, identity)
        stop(site, [each for each in there if each.running and each.service not in before.running])
        step.note = f"release {before.route.release} doesn't run, as before"
    return True


def _reroute(site: Site, delivered: Delivered, before: _Before, step: Step) -> bool:
    """Send requests where they went before; whether that could be done."""
    if before.route and not before.runs(site):
        step.note = "the release before doesn't run any more; the new one was left where it is"
        return False
    name = delivered.environment.identity.route
    try:
        if before.route:
            switch(site, before.route)
            drain(site, web_of(site, delivered), delivered.web.port, delivered.web.drain, step)
        else:
            site.routes.remove(name)
            site.edge_api.wait_until_gone(name)
    except UnavailableError:
        # An edge that doesn't run sends nobody anywhere, and reads the routes when it starts.
        if edge_runs(site) or site.routes.read(name) != before.route:
            raise
    return True
