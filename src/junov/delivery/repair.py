"""Finishing or undoing what a run that was killed had begun.

What an environment is to run is told by its route: until the switch that is the old release, after
it the new one. So a repair makes the environment be what its route says and no more: containers of
any other release go, background services come (back) to this one. Only where the release that the
route leads to is not fit to serve, and another one that still runs is, the route is changed.

Everything is found by the environment's own labels and by its recorded releases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from junov.delivery.delivered import Delivered, find_release
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
from junov.delivery.rollout.traffic import drain, route_to, switch
from junov.edge import Route
from junov.engine.inspection import Container
from junov.environments import Identity
from junov.journal import Release
from junov.journal.records import Named
from junov.locks import who
from junov.site import Site
from junov.steps import Step, Steps


@dataclass(frozen=True)
class Findings:
    """What isn't as one healthy release would leave it.

    Args:
        identity: the environment.
        route: where its requests go; None where nothing serves.
        serving: the recorded release that they go to; None where there is none.
        cut_short: releases whose run was killed, with the step that each was in.
        strays: containers that this release doesn't have.
        one_offs: containers of commands, such as a migration, that nobody waits for any more.
    """

    identity: Identity
    route: Route | None
    serving: Delivered | None
    cut_short: tuple[tuple[Release, str], ...]
    strays: tuple[Container, ...]
    one_offs: tuple[Container, ...]

    def __bool__(self) -> bool:
        return bool(self.cut_short or self.strays or self.one_offs)

    def lines(self) -> list[str]:
        """The findings, a line each, for people."""
        return [
            *(
                f"release {release.number} was cut short{f' in its step {step}' if step else ''}"
                for release, step in self.cut_short
            ),
            *(f"{each.name} is not of the release that serves" for each in self.strays),
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
            (release, _last_step(site, release)) for release in site.journal.cut_short(environment)
        ),
        strays=tuple(each for each in containers if _is_stray(each, route, serving)),
        one_offs=tuple(one_offs_of(site, identity)),
    )


def repaired(site: Site, environment: Named, identity: Identity, steps: Steps) -> Findings:
    """Repair an environment if there is anything to repair; the caller holds its lock.

    Returns:
        What was found.

    Raises:
        As `repair`.
    """
    findings = find_damage(site, environment, identity)
    if findings:
        with steps.step("repair", "Finish or undo what a killed run left") as step:
            repair(site, environment, findings, step)
    return findings


def repair(site: Site, environment: Named, findings: Findings, step: Step) -> None:
    """Finish or undo it; afterwards the environment has what one healthy release has.

    Args:
        site: the server.
        environment: as the journal knows it.
        findings: from `find_damage`, under the same lock.
        step: told what is done.

    Raises:
        StageError: a background service doesn't come up.
        UnavailableError: the engine or the edge doesn't answer.
    """
    for line in findings.lines():
        step.say(line)
    remove(site, findings.one_offs)
    serving = _chosen(site, findings, step)
    if serving:
        if not _has_all(site, serving):
            start_supporting(site, serving, step)
            roll_background(site, serving, step)
        _drain(site, serving, findings.strays, step)
    strays = [
        each
        for each in containers_of(site, findings.identity)
        if (not belongs(each, serving) if serving else _is_stray(each, findings.route, None))
    ]
    stop_and_remove(site, strays)
    done = [f"removed {each.name}" for each in (*findings.one_offs, *strays)]
    number = serving.release if serving else findings.route.release if findings.route else None
    for release, in_step in findings.cut_short:
        where = f" in its step {in_step}" if in_step else ""
        if release.number == number:
            site.journal.end_release(
                release, "succeeded", error=f"its run was killed{where}; a later one finished it"
            )
            done.append(f"finished release {release.number}")
        else:
            site.journal.end_release(
                release, "superseded", error=f"its run was killed{where}; a later one undid it"
            )
            done.append(f"undid release {release.number}")
    site.journal.event("repaired", who=who(), environment=environment, detail="; ".join(done))
    step.note = ", ".join(done)


def _is_stray(container: Container, route: Route | None, serving: Delivered | None) -> bool:
    if serving:
        return not belongs(container, serving)
    # Without a record of what serves, its number is all there is to go by.
    number = release_of(container)
    return number is not None and number != (route.release if route else None)


def _last_step(site: Site, release: Release) -> str:
    steps = site.journal.steps(release)
    return steps[-1].name if steps else ""


def _chosen(site: Site, findings: Findings, step: Step) -> Delivered | None:
    """The release that is to be all that the environment runs, with its route made sure of."""
    serving = findings.serving
    if serving is None or not findings.cut_short or is_fit(site, serving):
        return serving
    numbers = {release_of(each) for each in findings.strays} - {None, serving.release}
    for number in sorted((number for number in numbers if number), reverse=True):
        other = find_release(site, findings.identity, number)
        if other and is_fit(site, other):
            step.say(f"release {serving.release} is not fit to serve, release {number} is")
            switch(site, route_to(other, web_of(site, other)))
            return other
    return serving


def _has_all(site: Site, serving: Delivered) -> bool:
    there = containers_of(site, serving.environment.identity)
    services = {each.service for each in there if belongs(each, serving)}
    return services.issuperset((*serving.stack.supporting, *serving.stack.background))


def _drain(site: Site, serving: Delivered, strays: Sequence[Container], step: Step) -> None:
    """Let requests end that the old web may still have: its run was killed between two steps."""
    for number in {release_of(each) for each in strays}:
        old = find_release(site, serving.environment.identity, number) if number else None
        if old:
            drain(site, web_of(site, old), old.web.port, serving.web.drain, step)
