"""The local runner: which jobs it takes, in which order, and what is seen of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from junov.cli.progress import PlainLines
from junov.delivery.in_turn import InTurn
from junov.delivery.pipeline import Ended, walk
from junov.environments import Ref, claim
from junov.errors import StageError
from junov.pipeline import Event, Job, Needed, pipeline_of
from junov.pipeline.matrix import events
from junov.steps import Steps
from tests.unit.pipeline.cases import NAMES, project


def job(name: str, *needs: str, optional: bool = False) -> Job:
    needed = tuple(Needed(need, optional) for need in needs)
    return Job(name, name, "check", ("junov", name), "docker", (), needed)


def outcomes(ended: list[Ended]) -> dict[str, str]:
    return {each.job.name: each.outcome for each in ended}


Ran = Callable[[Job, Steps], Mapping[str, Any]]


def noting(order: list[str], *, failing: str = "") -> Ran:
    def ran(job: Job, _: Steps) -> Mapping[str, Any]:
        order.append(job.name)
        if job.name == failing:
            raise StageError(f"{job.name} failed")
        return {}

    return ran


def test_each_job_comes_after_those_that_it_needs() -> None:
    jobs = [job("lint"), job("build"), job("test", "build"), job("deploy", "lint", "test")]
    order: list[str] = []
    ended = walk(jobs, PlainLines(verbose=True), noting(order))
    assert outcomes(ended) == dict.fromkeys(("lint", "build", "test", "deploy"), "succeeded")
    assert order.index("build") < order.index("test") < order.index("deploy")
    assert order[-1] == "deploy"


def test_jobs_that_do_not_need_each_other_run_at_once() -> None:
    both = threading.Barrier(2, timeout=20)

    def ran(_: Job, __: Steps) -> Mapping[str, Any]:
        both.wait()  # raises where the other isn't under way
        return {}

    ended = walk([job("lint"), job("build")], PlainLines(verbose=True), ran)
    assert outcomes(ended) == {"lint": "succeeded", "build": "succeeded"}


def test_what_needs_a_failed_job_is_skipped_and_all_else_runs() -> None:
    jobs = [job("lint"), job("build"), job("test", "build"), job("deploy", "lint", "test")]
    order: list[str] = []
    ended = walk(jobs, PlainLines(verbose=True), noting(order, failing="lint"))
    assert outcomes(ended) == {
        "lint": "failed",
        "build": "succeeded",
        "test": "succeeded",
        "deploy": "skipped",
    }
    assert "deploy" not in order


def test_a_job_that_cannot_even_begin_is_not_waited_for() -> None:
    class Full(PlainLines):
        def stage(self, name: str) -> None:
            raise OSError(28, f"no room for {name}")

    with pytest.raises(OSError, match="no room"):
        walk([job("lint"), job("build")], Full(verbose=True), noting([]))


def test_a_job_that_is_not_there_is_not_waited_for() -> None:
    ended = walk([job("deploy", "promote", optional=True)], PlainLines(verbose=True), noting([]))
    assert outcomes(ended) == {"deploy": "succeeded"}


def test_what_runs_at_once_is_shown_one_after_the_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def seen() -> list[str]:
        return [line for line in capsys.readouterr().err.splitlines() if line]

    turns = InTurn(PlainLines(verbose=True), ["lint", "build", "test"])
    lint, build, test = (turns.of(name) for name in ("lint", "build", "test"))
    build.stage("build")
    lint.stage("lint")
    test.stage("test")
    build.started("one", "Build it")
    assert seen() == ["lint"]
    turns.over("build")
    lint.started("two", "Lint it")
    assert seen() == ["• Lint it"]
    turns.over("lint")
    assert seen() == ["build", "• Build it", "test"]
    test.started("three", "As it comes")
    assert seen() == ["• As it comes"]


@pytest.mark.parametrize(
    ("event", "ref", "by_itself", "by_hand"),
    [
        ("push", Ref("branch", "main"), "lint build test promote", "deploy:prod rollback:prod"),
        ("push", Ref("branch", "topic"), "lint build test", ""),
        ("push", Ref("tag", "v1"), "promote", ""),
        ("schedule", Ref("branch", "main"), "sweep backup prune prune:builds", ""),
        ("push", Ref("tag", "nightly"), "", ""),
    ],
)
def test_which_jobs_an_event_has(
    event: Any, ref: Ref, by_itself: str, by_hand: str, tmp_path: Path
) -> None:
    selected = pipeline_of(project("manual-production", tmp_path)).selected(Event(event, ref))
    assert " ".join(job.name for job, start in selected if start == "automatic") == by_itself
    assert " ".join(job.name for job, start in selected if start == "manual") == by_hand


@pytest.mark.parametrize("name", NAMES)
def test_what_a_job_needs_is_in_its_pipeline_and_stands_before_it(
    name: str, tmp_path: Path
) -> None:
    found = project(name, tmp_path)
    for event in events(found):
        names = [job.name for job, _ in pipeline_of(found).selected(event)]
        for job, _ in pipeline_of(found).selected(event):
            for need in job.needs:
                assert need.optional or need.job in names
                if need.job in names:
                    assert names.index(need.job) < names.index(job.name)


@pytest.mark.parametrize("name", NAMES)
def test_a_ref_is_delivered_to_the_environment_that_claims_it(name: str, tmp_path: Path) -> None:
    found = project(name, tmp_path)
    for event in events(found):
        delivered = [
            job.target.kind_name
            for job, _ in pipeline_of(found).selected(event)
            if job.target and job.target.action == "start"
        ]
        claimed = claim(found, event.ref)
        suppressed = (
            event.name == "schedule" or event.from_fork or (not pipeline_of(found).selected(event))
        )
        assert delivered == ([claimed.kind] if claimed and not suppressed else [])


@pytest.mark.parametrize("name", NAMES)
def test_a_push_has_one_pipeline(name: str, tmp_path: Path) -> None:
    """With an open merge request GitLab is asked twice: for the branch, and for the request."""
    found = project(name, tmp_path)
    for event in events(found):
        if event.name == "merge_request" and not event.from_fork:
            push = Event("push", event.ref, open_merge_request=True)
            asked = [pipeline_of(found).selected(each) for each in (event, push)]
            assert sum(bool(each) for each in asked) == 1
