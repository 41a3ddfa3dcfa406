"""The pipeline, shown: which jobs run when."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import click

from junov.cli import options
from junov.cli.tables import print_json, print_table
from junov.config.project import find_project, read_project
from junov.environments import Ref
from junov.git.refs import forced
from junov.pipeline import EVENTS, Event, EventName, Job, Start, pipeline_of
from junov.pipeline.drawing import mermaid, svg
from junov.pipeline.matrix import events

Selected = tuple[tuple[Job, Start], ...]

event = click.option(
    "--event",
    type=click.Choice(EVENTS),
    default="push",
    show_default=True,
    help="What has happened: a push, a merge request, a schedule, or somebody by hand (web).",
)


@click.group()
def pipeline() -> None:
    """Look at the pipeline."""


@pipeline.command()
@options.ref
@options.project_folder
@event
@click.option("--open-merge-request", is_flag=True, help="The branch has one.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "mermaid", "svg"]),
    default="table",
    show_default=True,
    help="A picture instead of a table, on stdout.",
)
@options.as_json
def show(
    ref: str | None, start: Path, event: str, open_merge_request: bool, form: str, as_json: bool
) -> None:
    """Show which jobs run for a branch or tag, and how each starts.

    REF is a branch, or a tag as tags/NAME; it needn't exist. Without it, one of each kind is shown
    with every event.
    """
    project = read_project(find_project(start)).config
    model = pipeline_of(project)
    if ref is None:
        if form != "table":
            raise click.UsageError("a picture is of one branch or tag: name it")
        found = [(each, model.selected(each)) for each in events(project)]
        _print_matrix(found, as_json=as_json)
        return
    happened = Event(cast(EventName, event), forced(ref) or Ref("branch", ref), open_merge_request)
    if happened.tag and event == "merge_request":
        raise click.UsageError("a merge request is of a branch, not of a tag")
    selected = model.selected(happened)
    if as_json:
        print_json([_as_json(job, how) for job, how in selected])
    elif form != "table":
        click.echo(mermaid(selected) if form == "mermaid" else svg(selected), nl=False)
    elif selected:
        _print_jobs(selected, happened)
    else:
        click.echo(f"no job is for the {happened.ref} on the event {event}", err=True)


def described(happened: Event) -> str:
    """An event in a few words."""
    words = {
        "push": "push",
        "merge_request": "merge request",
        "schedule": "schedule",
        "web": "by hand",
    }
    text = words[happened.name]
    if happened.from_fork:
        text += " from a fork"
    elif happened.open_merge_request and happened.name == "push":
        text += " with an open merge request"
    return text


def _print_jobs(selected: Selected, happened: Event) -> None:
    print_table(
        ("JOB", "STAGE", "STARTS", "RUNNER", "NEEDS", "COMMAND"),
        [
            (
                job.name,
                job.stage,
                how,
                job.runner,
                ", ".join(need.job for need in job.needs) or "-",
                " ".join(job.command_for(happened.ref.name)),
            )
            for job, how in selected
        ],
        spare=("STAGE", "RUNNER"),
    )


def _print_matrix(found: list[tuple[Event, Selected]], *, as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {
                    "event": each.name,
                    "ref": f"{'heads' if each.ref.type == 'branch' else 'tags'}/{each.ref.name}",
                    "open_merge_request": each.open_merge_request,
                    "from_fork": each.from_fork,
                    "jobs": {job.name: how for job, how in selected},
                }
                for each, selected in found
            ]
        )
        return
    print_table(
        ("REF", "EVENT", "BY ITSELF", "BY HAND"),
        [
            (
                str(each.ref),
                described(each),
                " ".join(job.name for job, how in selected if how == "automatic") or "-",
                " ".join(job.name for job, how in selected if how == "manual") or "-",
            )
            for each, selected in found
        ],
    )


def _as_json(job: Job, how: Start) -> dict[str, Any]:
    return {
        "job": job.name,
        "title": job.title,
        "stage": job.stage,
        "starts": how,
        "runner": job.runner,
        "needs": [need.job for need in job.needs],
        "command": list(job.command),
        "confirm": job.confirm,
    }
