"""The stages of the pipeline, each a command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from junov.cli import options
from junov.cli.progress import shown
from junov.cli.tables import print_result
from junov.delivery.source import Source, open_source
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
def test(
    ref: str | None,
    start: Path,
    allow_dirty: bool,
    verbose: bool,
    as_json: bool,
    again: bool,
    report: Path | None,
) -> None:
    """Test a built image, pulled from the registry by its digest.

    It runs beside a throw-away Postgres in a network of its own, and nothing of it is left
    afterwards. A pass is recorded on the image in the registry.
    """
    from junov.delivery.testing import run_tests as story

    def run_story(source: Source, steps: Steps) -> dict[str, Any]:
        return story(source, Site(), steps, again=again, report=report).to_json()

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
def deploy(
    ref: str | None,
    start: Path,
    allow_dirty: bool,
    verbose: bool,
    as_json: bool,
    no_wait: bool,
    dry_run: bool,
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
        return story(source, Site(), steps, wait=0 if no_wait else None)

    _run(run_story, ref, start, verbose=verbose, as_json=as_json, allow_dirty=allow_dirty)


@click.command()
@options.stage
@options.no_wait
def run(
    ref: str | None, start: Path, allow_dirty: bool, verbose: bool, as_json: bool, no_wait: bool
) -> None:
    """Lint, build, test, promote and deploy a branch or tag.

    REF is a branch or tag; without it, what is checked out. A ref that no environment is for ends
    after its tests.
    """
    from junov.delivery.pipeline import run as story

    def run_story(source: Source, steps: Steps) -> dict[str, Any]:
        return story(source, Site(), steps, wait=0 if no_wait else None)

    _run(run_story, ref, start, verbose=verbose, as_json=as_json, allow_dirty=allow_dirty)


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
