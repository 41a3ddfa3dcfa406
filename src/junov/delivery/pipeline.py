"""The whole way of a branch or tag: lint, build, test, promote, deploy."""

from __future__ import annotations

from typing import Any

from junov.delivery.build import build
from junov.delivery.deploy import deploy
from junov.delivery.lint import lint
from junov.delivery.promote import promote
from junov.delivery.source import Source
from junov.delivery.testing import run_tests
from junov.site import Site
from junov.steps import Steps


def run(source: Source, site: Site, steps: Steps, *, wait: float | None = None) -> dict[str, Any]:
    """Take a commit through every stage.

    What was done for this very commit before is recognised in the registry and not done again. A
    ref that no environment is for ends after its tests.

    Args:
        source: the commit.
        site: the server.
        steps: shows what is done.
        wait: as for `deploy`.

    Returns:
        What came of the last stage.
    """
    config = source.folder.config
    if config.lint:
        steps.stage("Lint")
        lint(source, steps)
    steps.stage("Build")
    image = build(source, site, steps)
    result = image.to_json()
    if config.test:
        steps.stage("Test")
        result = run_tests(source, site, steps).to_json()
    if source.environment is None:
        steps.stage("Deploy")
        with steps.step("environment", "Environment") as step:
            step.note = f"none is for the {source.ref}"
        return result
    steps.stage("Promote")
    promote(source, site, steps)
    steps.stage("Deploy")
    return deploy(source, site, steps, wait=wait)
