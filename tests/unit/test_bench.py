"""The benchmark: how its figures come about, and the stack that it compares with."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bench import baseline, machine, subject
from bench.concurrency import Concurrency
from bench.subject import Timing
from bench.wall_time import Compared, WallTime
from junov.config.project import read_project


def test_the_seconds_of_a_deploy_are_those_of_its_steps() -> None:
    lines = [
        {"event": "started", "step": "web", "title": "Start web"},
        {"event": "line", "step": "web", "text": "Creating"},
        {"event": "done", "step": "web", "seconds": 2.5, "note": ""},
        {"event": "done", "step": "drain", "seconds": 1.5, "note": ""},
        {"event": "result", "release": 2},
    ]
    steps = subject.steps_of("\n".join(map(json.dumps, lines)))
    assert steps == {"web": 2.5, "drain": 1.5}
    timing = Timing(wall=5, steps=steps)
    assert (timing.waited, timing.worked) == (1.5, 3.5), "waiting for others does not count"


def test_the_stack_of_compose_alone_runs_the_same_image_with_everything_labelled() -> None:
    model = {
        "services": {
            "web": {"build": {"target": "release"}, "environment": {"A": "1"}, "healthcheck": {}},
            "db": {"image": "postgres:15-bookworm", "labels": {"own": "1"}},
        },
        "volumes": {"data": None},
        "networks": {"default": {"name": "notes_default"}},
    }
    stack = baseline.with_image(
        model, name="notes-compose", image="r@sha256:1", variables={"B": "2"}, labels={"run": "x"}
    )
    assert stack["services"]["web"] == {
        "image": "r@sha256:1",
        "environment": {"A": "1", "B": "2"},
        "healthcheck": {},
        "labels": {"run": "x"},
    }
    assert stack["services"]["db"]["image"] == "postgres:15-bookworm"
    assert stack["services"]["db"]["labels"] == {"own": "1", "run": "x"}
    assert stack["volumes"] == {"data": {"name": "notes-compose_data", "labels": {"run": "x"}}}
    assert stack["networks"]["default"] == {"name": "notes-compose", "external": True}


def test_compose_alone_reads_the_files_of_production() -> None:
    notes = read_project(subject.NOTES.source)
    argv = baseline.config_argv(["docker", "compose"], notes)
    names = [Path(word).name for word in argv if word.startswith("/")]
    assert names == ["base.env", "prod.env", "compose.yaml", "compose.prod.yaml"]
    assert baseline.up_argv(["docker-compose"], Path("s.yaml")) == [
        *("docker-compose", "--file", "s.yaml", "up", "--detach", "--wait")
    ]


@pytest.mark.parametrize("application", [subject.ORDERS, subject.NOTES])
def test_the_change_of_an_application_can_be_made(application: subject.Application) -> None:
    assert application.change[0] in (application.source / application.file).read_text()


def test_a_machine_is_as_busy_as_its_cores() -> None:
    before, after = "cpu  100 0 100 700 100 0 0 0 0 0\n", "cpu  150 0 150 750 150 0 0 0 0 0\n"
    assert machine.busy_part(before, after) == pytest.approx(0.5)
    assert machine.busy_part(before, before) == 0


def test_the_processor_has_a_name_where_the_kernel_tells_one() -> None:
    assert machine.processor("processor\t: 0\nmodel name\t: Xeon 9\n") == "Xeon 9"
    assert machine.processor("processor\t: 0\nBogoMIPS\t: 50\n") == os.uname().machine


def test_the_tables_have_the_ratios() -> None:
    timings = tuple(Timing(wall, {"web": wall - 1, "observe": 1.0}) for wall in (3.0, 5.0, 4.0))
    compared = Compared("bench/app", timings, (6.0, 5.0, 7.0), (0.0,))
    assert compared.ratio == pytest.approx(3 / 6), "medians, and the observing not counted"
    assert (
        "| bench/app | 3.00 s | 1.00 s | 6.00 s | **0.50** |" in WallTime((compared,)).to_markdown()
    )

    together = Concurrency(timings, timings, together=5.5, cores=2, healthy=3)
    assert together.ratio == pytest.approx((5.5 - 1) / ((2 + 4 + 3) / 2))
    assert "**1.00**" in together.to_markdown()
