"""Finishing or undoing what a run that was killed had begun.

What an environment is to run is told by its route: until the switch that is the old release, after
it the new one. So a repair makes the environment be what its route says and no more: containers of
any other release go, all other services come (back) to this one. Only where that release has failed
already, or is not fit to serve, and another one that still runs is, the route is changed.

Everything is found by the environment's own labels and by its recorded releases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from junov.delivery.delivered import Delivered, find_release
from junov.delivery.generations import databases_of, settle
from junov.delivery.rollout.containers import (
    belongs,
    containers_of,
    is_fit,
    one_offs_of,
    release_of,
    remove,
    roll_background,
    start_supporting,
    stop_and_remove,
    web_of,
)
from junov.delivery.rollout.rollout import UNDO
from junov.delivery.rollout.traffic import ROUTE_SECONDS, drain, route_to, switch
from junov.edge import Route
from junov.engine.inspection import Container
from junov.environments import Identity
from junov.errors import CommandError, StageError
from junov.journal import Release
from junov.journal.records import Named
from junov.locks import who
from junov.site import Site
from junov.steps import Step, Steps


@dataclass(frozen=True)
class CutShort:
    """A release whose run was killed.

    Args:
        release: its record.
        step: the last step that it came to; empty where it came to none.
        undoing: whether it had failed, and its run was undoing it.
    """

    release: Release
    step: str
    undoing: bool

    @property
    def where(self) -> str:
        """The end of a sentence that says when it was killed."""
        return f" in its step {self.step}" if self.step else ""


@dataclass(frozen=True)
class Findings:
    """What isn't as one healthy release would leave it.

    Args:
        identity: the environment.
        route: where its requests go; None where nothing serves.
        serving: the recorded release that they go to; None where there is none.
        cut_short: releases whose run was killed.
        strays: containers that this release doesn't have.
        one_offs: containers of commands, such as a migration, that nobody waits for any more.
    """

    identity: Identity
    route: Route | None
    serving: Delivered | None
    cut_short: tuple[CutShort, ...]
    strays: tuple[Container, ...]
    one_offs: tuple[Container, ...]

    def __bool__(self) -> bool:
        return bool(self.cut_short or self.strays or self.one_offs)

    def lines(self) -> list[str]:
        """The findings, a line each, for people."""
        return [
            *(
                f"release {each.release.number} was cut short{each.where}"
                for each in self.cut_short
            ),
            *(
                f"{each.name} was never started"
                if _is_half_made(each)
                else f"{each.name} is not of the release that serves"
                for each in self.strays
            ),
            *(f"{each.name} runs for nobody" for each in self.one_offs),
        ]


def find_damage(site: Site, environment: Named, identity: Identity) -> Findings:
    """What runs that were killed have left in an environment; the caller holds its lock."""
    route = site.routes.read(identity.route)
    serving = find_release(site, identity, route.release) if route else None
    containers = containers_of(site, identity)
    return Findings(
        identity=identity,
        route=route,
        serving=serving,
        cut_short=tuple(
            _cut_short(site, release) for release in site.journal.cut_short(environment)
        ),
        strays=tuple(each for each in containers if _is_stray(each, route, serving)),
        one_offs=tuple(one_offs_of(site, identity)),
    )


def repaired(site: Site, environment: Named, identity: Identity, steps: Steps) -> Findings:
    """Repair an environment if there is anything to repair; the caller holds its lock.

    Returns:
        What was found.

    Raises:
        UnavailableError: the engine or the edge doesn't answer.
    """
    findings = find_damage(site, environment, identity)
    if findings:
        with steps.step("repair", "Finish or undo what a killed run left") as step:
            repair(site, environment, findings, step)
    return findings


def repair(site: Site, environment: Named, findings: Findings, step: Step) -> None:
    """Finish or undo it; afterwards the environment runs what one healthy release does.

    What doesn't come up is told and left as it is: what comes next may be the deploy that mends it.

    Args:
        site: the server.
        environment: as the journal knows it.
        findings: from `find_damage`, under the same lock.
        step: told what is done.

    Raises:
        UnavailableError: the engine or the edge doesn't answer.
    """
    for line in findings.lines():
        step.say(line)
    remove(site, findings.one_offs)
    # Compose would take them for the containers that they were to become.
    remove(site, [each for each in findings.strays if _is_half_made(each)])
    serving, problem = _completed(site, findings, step)
    strays = [
        each
        for each in containers_of(site, findings.identity)
        if _is_stray(each, findings.route, serving)
    ]
    if serving:
        _drain(site, serving, strays, step)
    stop_and_remove(site, strays)
    number = serving.release if serving else findings.route.release if findings.route else None
    done = [f"removed {each.name}" for each in (*findings.one_offs, *strays)]
    done += [_ended(site, each, number, problem) for each in findings.cut_short]
    site.journal.event("repaired", who=who(), environment=environment, detail="; ".join(done))
    # One database may have been about to take the place of another.
    if (
        serving
        and serving.project.database
        and findings.cut_short
        and len(databases_of(site, findings.identity)) > 1
    ):
        settle(site, serving)
    step.note = ", ".join([*done, *([problem] if problem else [])])


def _is_half_made(container: Container) -> bool:
    """Whether it was made and never started: its run was killed in between."""
    return container.state == "created"


def _is_stray(container: Container, route: Route | None, serving: Delivered | None) -> bool:
    if _is_half_made(container):
        return True
    if serving:
        return not belongs(container, serving)
    # Without a record of what serves, its number is all there is to go by.
    number = release_of(container)
    return number is not None and number != (route.release if route else None)


def _cut_short(site: Site, release: Release) -> CutShort:
    steps = site.journal.steps(release)
    undoing = any(step.name == UNDO for step in steps)
    return CutShort(release, steps[-1].name if steps else "", undoing)


def _ended(site: Site, cut: CutShort, serving: int | None, problem: str) -> str:
    """Write down how a release ended that was cut short; the same in a few words."""
    number = cut.release.number
    if number == serving:
        said = f"it was cut short{cut.where}; a later run finished it"
        site.journal.end_release(
            cut.release, "succeeded", error=f"{said}, but {problem}" if problem else said
        )
        return f"finished release {number}"
    said = f"it was cut short{cut.where}; a later run undid it"
    site.journal.end_release(cut.release, "superseded", error=said)
    return f"undid release {number}"


def _completed(site: Site, findings: Findings, step: Step) -> tuple[Delivered | None, str]:
    """The release that is to be all that the environment runs, with its route and its services.

    Returns:
        The release, None where there is no record of it; and what of it doesn't come up.
    """
    serving = findings.serving
    if serving is None or findings.route is None:
        return None, ""
    begun = [each for each in findings.cut_short if each.release.number == serving.release]
    if any(each.undoing for each in begun):
        problem = f"release {serving.release} had failed already"
    elif findings.cut_short and not is_fit(site, serving):
        problem = f"release {serving.release} is not fit to serve"
    else:
        # Its run may have been killed before the edge had read the route.
        site.edge_api.wait_until_routed(findings.route, ROUTE_SECONDS)
        problem = _bring_up(site, serving, step)
        if not problem or not begun:
            return serving, problem
    other = _find_other(site, findings, serving)
    if other is None:
        return serving, problem
    step.say(f"{problem}; release {other.release} takes over again")
    switch(site, route_to(other, web_of(site, other)))
    return other, _bring_up(site, other, step)


def _find_other(site: Site, findings: Findings, serving: Delivered) -> Delivered | None:
    """The newest other release whose web still runs and could serve."""
    numbers = {release_of(each) or 0 for each in findings.strays} - {0, serving.release}
    for number in sorted(numbers, reverse=True):
        other = find_release(site, findings.identity, number)
        if other and is_fit(site, other):
            return other
    return None


def _bring_up(site: Site, serving: Delivered, step: Step) -> str:
    """Bring all but web to what a release has; what of it doesn't come up, or nothing."""
    try:
        start_supporting(site, serving, step)
        roll_background(site, serving, step)
    except (StageError, CommandError) as error:
        return error.message
    return ""


def _drain(site: Site, serving: Delivered, strays: Sequence[Container], step: Step) -> None:
    """Let requests end that the old web may still have: its run was killed between two steps."""
    for number in {release_of(each) for each in strays}:
        old = find_release(site, serving.environment.identity, number) if number else None
        if old:
            drain(site, web_of(site, old), old.web.port, serving.web.drain, step)
