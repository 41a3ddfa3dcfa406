"""The stages of the pipeline, each a command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import click

from junov.cli import options
from junov.cli.pipeline import event as event_option
from junov.cli.progress import shown
from junov.cli.tables import print_result
from junov.delivery.source import Source, open_source
from junov.pipeline import Event, EventName
from junov.site import Site
from junov.steps import Steps


@click.command()
@options.stage
def lint(ref: str | None, start: Path, allow_dirty: bool, verbose: bool, as_json: bool) -> None:
    """Run the project's lint commands on this machine.

    REF is a branch or tag; without it, what is checked out. All commands are run, even after one
    has failed.
    """
    from junov.delivery.lint import lint as story

    def run_story(source: Source, steps: Steps) -> dict[str, Any]:
        return {"commands": story(source, steps)}

    del allow_dirty  # lint looks at the work tree as it is
    _run(run_story, ref, start, verbose=verbose, as_json=as_json, work_tree=True)


@click.command()
@options.stage
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the digests to this file: as JSON where its name ends in .json, otherwise as "
    "NAME=value lines, which GitLab takes as a dotenv report.",
)
def build(
    ref: str | None,
    start: Path,
    allow_dirty: bool,
    verbose: bool,
    as_json: bool,
    output: Path | None,
) -> None:
    """Build and push the images of a commit: the release target and the debug target.

    A commit that has been built before is not built again.
    """
    from junov.delivery.build import build as story

    def run_story(source: Source, steps: Steps) -> dict[str, Any]:
        image = story(source, Site(), steps)
        if output:
            as_text = json.dumps(image.to_json(), indent=2) + "\n"
            text = as_text if output.suffix == ".json" else image.to_dotenv()
            output.write_text(text, encoding="utf-8")
        return image.to_json()

    _run(run_story, ref, start, verbose=verbose, as_json=as_json, allow_dirty=allow_dirty)


@click.command()
@options.stage
@click.option("--again", is_flag=True, help="Run the tests even if this image has passed them.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the JUnit report to this file.",
)
@click.option(
    "--coverage",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the coverage report to this file.",
)
def test(
    ref: str | None,
    start: Path,
    allow_dirty: bool,
    verbose: bool,
    as_json: bool,
    again: bool,
    report: Path | None,
    coverage: Path | None,
) -> None:
    """Test a built image, pulled from the registry by its digest.

    It runs beside a throw-away Postgres in a network of its own, and nothing of it is left
    afterwards. A pass is recorded on the image in the registry.
    """
    from junov.delivery.testing import run_tests as story

    def run_story(source: Source, steps: Steps) -> dict[str, Any]:
        result = story(source, Site(), steps, again=again, report=report, coverage=coverage)
        return result.to_json()

    _run(run_story, ref, start, verbose=verbose, as_json=as_json, allow_dirty=allow_dirty)


@click.command()
@options.stage
def promote(ref: str | None, start: Path, allow_dirty: bool, verbose: bool, as_json: bool) -> None:
    """Give a tested image its environment's tag, and `latest` on the stable branch.

    Only the manifest is sent: no layer is pulled or pushed, and the digest stays the same.
    """
    from junov.delivery.promote import promote as story

    def run_story(source: Source, steps: Steps) -> dict[str, Any]:
        image, tags = story(source, Site(), steps)
        return {**image.to_json(), "tags": list(tags)}

    _run(run_story, ref, start, verbose=verbose, as_json=as_json, allow_dirty=allow_dirty)


@click.command()
@options.stage
@options.no_wait
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the URL and the release to this file as NAME=value lines, which GitLab takes as a "
    "dotenv report.",
)
def deploy(
    ref: str | None,
    start: Path,
    allow_dirty: bool,
    verbose: bool,
    as_json: bool,
    no_wait: bool,
    dry_run: bool,
    output: Path | None,
) -> None:
    """Deliver a promoted image to its environment.

    The image comes from the registry by its digest. Whatever fails until the new release has proved
    itself, the release that ran goes on serving.
    """
    from junov.delivery.deploy import deploy as story
    from junov.delivery.deploy import plan

    def run_story(source: Source, steps: Steps) -> dict[str, Any]:
        if dry_run:
            return plan(source, Site(), steps)
        result = story(source, Site(), steps, wait=0 if no_wait else None)
        if output:
            lines = {"JUNOV_URL": result["url"], "JUNOV_RELEASE": result["release"]}
            text = "".join(f"{key}={value}\n" for key, value in lines.items())
            output.write_text(text, encoding="utf-8")
        return result

    _run(run_story, ref, start, verbose=verbose, as_json=as_json, allow_dirty=allow_dirty)


@click.command()
@options.stage
@options.no_wait
@options.yes
@event_option
@click.option("--job", default="", metavar="JOB", help="This job alone, also one started by hand.")
@click.option("--from", "first", default="", metavar="JOB", help="This job and what depends on it.")
@click.option("--dry-run", is_flag=True, help="Say which jobs would run, and run none.")
def run(
    ref: str | None,
    start: Path,
    allow_dirty: bool,
    verbose: bool,
    as_json: bool,
    no_wait: bool,
    yes: bool,
    event: str,
    job: str,
    first: str,
    dry_run: bool,
) -> None:
    """Run the pipeline of a branch or tag: lint, build, test, promote and deploy.

    REF is a branch or tag; without it, what is checked out. It is what GitLab would run for the
    same event, by the same commands; jobs that don't need each other run side by side. A ref that
    no environment is for ends after its tests.
    """
    from junov.delivery.pipeline import run as story
    from junov.delivery.pipeline import select

    if job and first:
        raise click.UsageError("--job and --from can't be used together")
    with (
        shown(as_json=as_json, verbose=verbose) as progress,
        open_source(start, ref, allow_dirty=allow_dirty) as source,
    ):
        happened = Event(cast(EventName, event), source.ref)
        selection = select(source, happened, job=job, start=first)
        if dry_run:
            result: dict[str, Any] = {"would_run": [each.name for each in selection.jobs]}
        else:
            for each in selection.jobs:
                if each.confirm and not yes:
                    click.confirm(each.confirm, abort=True, err=True)
            wait = 0 if no_wait else None
            result = story(source, Site(), progress, selection, wait=wait)
    print_result(result, as_json=as_json)
    if source.environment is None and not as_json:
        click.echo(f"no environment is for the {source.ref}", err=True)


def _run(
    story: Callable[[Source, Steps], dict[str, Any]],
    ref: str | None,
    start: Path,
    *,
    verbose: bool,
    as_json: bool,
    allow_dirty: bool = False,
    work_tree: bool = False,
) -> None:
    with (
        shown(as_json=as_json, verbose=verbose) as progress,
        open_source(start, ref, allow_dirty=allow_dirty, work_tree=work_tree) as source,
    ):
        result = story(source, Steps(progress))
    print_result(result, as_json=as_json)
