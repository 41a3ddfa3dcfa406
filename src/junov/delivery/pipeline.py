"""A project's pipeline on this machine: the jobs that GitLab would run, by the same commands."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shlex import join, quote
from typing import Any, Literal

from junov.config.validation import did_you_mean
from junov.delivery.build import build
from junov.delivery.deploy import deploy
from junov.delivery.in_turn import InTurn
from junov.delivery.lint import lint
from junov.delivery.promote import promote
from junov.delivery.source import Source
from junov.delivery.testing import run_tests
from junov.errors import JunovError, NotFoundError, StageError
from junov.pipeline import Event, Job, pipeline_of
from junov.process import run as run_program
from junov.site import Site
from junov.steps import Progress, Steps

Outcome = Literal["succeeded", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a pipeline is to run here.

    Args:
        event: what the pipeline is for.
        jobs: the jobs, each after those that it needs.
        waiting: deliveries that wait for somebody to start them by hand.
    """

    event: Event
    jobs: tuple[Job, ...]
    waiting: tuple[Job, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended.

    Args:
        job: the job.
        outcome: how; `skipped` where one that it needs did not end well.
        seconds: how long it took.
        result: what its command says.
        error: why it failed.
    """

    job: Job
    outcome: Outcome
    seconds: float = 0.0
    result: Mapping[str, Any] | None = None
    error: Exception | None = None

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "job": self.job.name,
            "outcome": self.outcome,
            "seconds": round(self.seconds, 3),
        }


def select(source: Source, event: Event, *, job: str = "", start: str = "") -> Selection:
    """The jobs of an event's pipeline that are to run here.

    Args:
        source: the commit.
        event: what happened to its ref.
        job: this one alone, also one that is started by hand.
        start: this one and all that depend on it.

    Raises:
        NotFoundError: the event has no pipeline, or there is no such job in it.
    """
    selected = pipeline_of(source.folder.config).selected(event)
    if not selected:
        raise NotFoundError(
            f"no job is for the {event.ref} on the event `{event.name}`",
            remedy="see which jobs there are: junov pipeline show",
        )
    jobs = tuple(each for each, _ in selected)
    named = _named(jobs, job or start, event) if job or start else None
    if job and named:
        return Selection(event, (named,))
    by_hand = [each for each, how in selected if how == "manual" and each != named]
    automatic = tuple(each for each in jobs if each not in by_hand)
    if named:
        automatic = _depending_on(named, automatic)
    waiting = [each for each in by_hand if each.target and each.target.action == "start"]
    return Selection(event, automatic, tuple(waiting))


def run(
    source: Source,
    site: Site,
    progress: Progress,
    selection: Selection,
    *,
    wait: float | None = None,
) -> dict[str, Any]:
    """Run jobs, side by side where none needs the other.

    What was done for this very commit before is recognised in the registry and not done again.

    Args:
        source: the commit.
        site: the server.
        progress: shows what is done.
        selection: what to run.
        wait: as for `deploy`.

    Returns:
        What came of the last job, with how each ended and how to start what waits for somebody.

    Raises:
        StageError: a job failed; those that need it were skipped, and all others were run.
        Others as the job's own command.
    """
    ended = walk(selection.jobs, progress, partial(_run_job, source, site, wait=wait))
    _raise_failures(ended)
    ref = quote(f"{'heads' if source.ref.type == 'branch' else 'tags'}/{source.ref.name}")
    last = ended[-1].result if ended else None
    return {
        **(last or {}),
        "jobs": [each.to_json() for each in ended],
        "waiting": [
            f"junov run {ref} --event {selection.event.name} --job {each.name}"
            for each in selection.waiting
        ],
    }


def _raise_failures(ended: Sequence[Ended]) -> None:
    """Raise why a job failed; where several did, all of it in one error."""
    failed = [each.error for each in ended if each.error]
    skipped = [each.job.name for each in ended if each.outcome == "skipped"]
    bug = next((error for error in failed if not isinstance(error, JunovError)), None)
    if bug or len(failed) == 1:
        raise bug or failed[0]
    if failed:
        names = ", ".join(each.job.name for each in ended if each.error)
        problems = [p for error in failed if isinstance(error, JunovError) for p in error.problems]
        left = f"; not run: {', '.join(skipped)}" if skipped else ""
        raise StageError(
            f"{len(failed)} jobs failed: {names}{left}",
            detail="\n".join(f"{p}\n→ {p.remedy}" if p.remedy else str(p) for p in problems),
        )


def _named(jobs: Sequence[Job], name: str, event: Event) -> Job:
    found = next((each for each in jobs if each.name == name), None)
    if found:
        return found
    names = [each.name for each in jobs]
    raise NotFoundError(
        f"there is no job `{name}` for the {event.ref} on the event `{event.name}`",
        remedy=did_you_mean(name, names) or f"there are: {', '.join(names)}",
    )


def _depending_on(first: Job, jobs: Iterable[Job]) -> tuple[Job, ...]:
    chosen: list[Job] = []
    for each in jobs:
        needed = {need.job for need in each.needs}
        if each == first or needed & {one.name for one in chosen}:
            chosen.append(each)
    return tuple(chosen)


def walk(
    jobs: Sequence[Job], progress: Progress, run_job: Callable[[Job, Steps], Mapping[str, Any]]
) -> list[Ended]:
    """Run each job once those that it needs have ended, as many at once as are ready.

    One of them has this thread, which gets the signals. The others' threads don't keep the process
    from ending, and their programs end with it.
    """
    shown = InTurn(progress, [job.name for job in jobs])
    ended: dict[str, Ended] = {}
    under_way: set[str] = set()
    reports: queue.SimpleQueue[Ended] = queue.SimpleQueue()

    def take(job: Job) -> Ended:
        began = time.monotonic()
        steps = Steps(shown.of(job.name))
        try:
            steps.stage(job.name)
            result = run_job(job, steps)
        except Exception as error:  # noqa: BLE001 - it is raised at the end
            return Ended(job, "failed", time.monotonic() - began, error=error)
        return Ended(job, "succeeded", time.monotonic() - began, result)

    def note(report: Ended) -> None:
        ended[report.job.name] = report
        shown.over(report.job.name)

    while len(ended) < len(jobs):
        for job in jobs:
            lost = [need.job for need in job.needs if _failed(ended.get(need.job))]
            if job.name not in ended and lost:
                note(Ended(job, "skipped"))
        names = {job.name for job in jobs}
        ready = [
            job
            for job in jobs
            if job.name not in ended
            and job.name not in under_way
            and all(need.job in ended for need in job.needs if need.job in names)
        ]
        under_way |= {job.name for job in ready}
        for job in ready[:-1]:
            beside = partial(_report, reports, take, job)
            threading.Thread(target=beside, name=job.name, daemon=True).start()
        if ready:
            note(take(ready[-1]))
        elif len(ended) < len(jobs):
            note(reports.get())
        while not reports.empty():
            note(reports.get())
    return [ended[job.name] for job in jobs]


def _report(reports: queue.SimpleQueue[Ended], take: Callable[[Job], Ended], job: Job) -> None:
    try:
        reports.put(take(job))
    except BaseException as error:  # it would be waited for, for ever
        reports.put(Ended(job, "failed", error=RuntimeError(f"{job.name} ended: {error!r}")))
        raise


def _failed(ended: Ended | None) -> bool:
    return ended is not None and ended.outcome != "succeeded"


def _run_job(
    source: Source, site: Site, job: Job, steps: Steps, *, wait: float | None
) -> Mapping[str, Any]:
    match job.name.partition(":")[0]:
        case "lint":
            return {"commands": lint(source, steps)}
        case "build":
            return build(source, site, steps).to_json()
        case "test":
            return run_tests(source, site, steps).to_json()
        case "promote":
            image, tags = promote(source, site, steps)
            return {**image.to_json(), "tags": list(tags)}
        case "deploy":
            return deploy(source, site, steps, wait=wait)
    command = job.command_for(source.ref.name)
    return _run_command(job, command, source.folder.named, steps)


def _run_command(job: Job, command: Sequence[str], folder: Path, steps: Steps) -> Mapping[str, Any]:
    """What isn't about the files of the commit is run as what it is: a command of junov."""
    with steps.step("plan", join(command)) as step:
        argv = [sys.executable, "-m", "junov", *command[1:]]
        code = run_program(argv, cwd=folder, on_line=step.say).exit_code
        if code:
            raise StageError(f"{job.name} ended with exit code {code}", remedy="see what it said")
    return {"command": join(command)}
