"""Test: the debug image, from the registry by its digest, in a stack that is thrown away."""

from __future__ import annotations

import secrets
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from junov.config.home import write_private
from junov.config.project import Test
from junov.config.server import Server
from junov.delivery import exports
from junov.delivery.build import find_image, logged_in
from junov.delivery.checked import tested_stack
from junov.delivery.source import Source
from junov.engine.build import pull
from junov.engine.private_network import NETWORKS_LOCK, ensure_network
from junov.engine.reaper import reaped
from junov.environments.labels import SERVICE, TEST_RUN
from junov.errors import NotFoundError, StageError, TestsFailedError
from junov.images import Image, Registry, passed, record_pass
from junov.locks import held, who
from junov.process import TIMED_OUT
from junov.secret import redact
from junov.site import Site
from junov.stacks.assemble import render
from junov.stacks.stack import Stack
from junov.steps import Step, Steps

TEST_POOL = "10.212.0.0/16"
"""Where test runs get their subnets from, apart from every server's environments."""


@dataclass(frozen=True, slots=True)
class TestResult:
    """What came of a test run.

    Args:
        image: what was tested.
        tests, failures, skipped: how many, from the report; None where there is no report.
        seconds: how long they took, from the report.
        again: False where an earlier pass of the same image counts.
    """

    __test__ = False  # pytest takes classes of this name for its own

    image: Image
    tests: int | None
    failures: int | None
    skipped: int | None
    seconds: float | None
    again: bool

    @property
    def summary(self) -> str:
        """The result in a few words."""
        if not self.again:
            return "passed before"
        if self.tests is None:
            return "passed"
        return f"{self.tests - (self.skipped or 0)} passed, {self.skipped or 0} skipped"

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            **self.image.to_json(),
            "tests": self.tests,
            "failures": self.failures,
            "skipped": self.skipped,
            "summary": self.summary,
            "ran": self.again,
        }


def run_tests(
    source: Source,
    site: Site,
    steps: Steps,
    *,
    again: bool = False,
    report: Path | None = None,
    coverage: Path | None = None,
) -> TestResult:
    """Test a commit's image.

    Args:
        source: the commit.
        site: has the engine; says where images are kept, unless the project does.
        steps: shows what is done.
        again: run the tests even if this image has passed them.
        report: where to write the JUnit report.
        coverage: where to write the coverage report.

    Raises:
        StageError: it was not built, the project has no tests, or they failed.
        GuardError: the test stack reaches out of its wall.
    """
    config = source.folder.config.test
    if config is None:
        raise StageError(
            "this project has no tests",
            remedy="name the service that runs them under `test:` in junov.yaml",
            place=source.folder.file.place(()),
        )
    with Registry() as registry:
        with steps.step("image", f"Find the image of {source.short}") as step:
            image = find_image(source, site, registry)
            step.note = image.digest
        record = None if again or image.is_dirty else passed(registry, image)
        if record:
            with steps.step("tests", "Tests") as step:
                step.note = f"passed before, at {record.at}"
            return TestResult(image, record.tests, 0, None, None, again=False)
        with (
            steps.step("pull", "Pull the debug image by its digest") as step,
            logged_in(image.repository) as env,
        ):
            pull(site.tools, image.debug_reference, env=env)
            step.note = image.debug_reference
        result, document = _run_in_stack(source, site, steps, image, config, report, coverage)
        with steps.step("record", "Record the pass on the image"):
            record_pass(registry, image, by=who(), tests=result.tests, report=document)
    return result


def _run_in_stack(
    source: Source,
    site: Site,
    steps: Steps,
    image: Image,
    config: Test,
    report: Path | None,
    coverage: Path | None,
) -> tuple[TestResult, bytes | None]:
    run = f"{source.folder.config.project}-{source.short}-{secrets.token_hex(4)}"
    with exports.folder() as folder, reaped(site.engine, {TEST_RUN: run}, exports.of_this_run()):
        with steps.step("check", "Resolve and check the test stack"):
            stack = tested_stack(source.folder, site, image, run=run)
        with steps.step("network", "Make a network of its own") as step:
            _make_network(site, stack, run)
        file = folder / "stack.yaml"
        write_private(file, render(stack))
        with steps.step("tests", f"Run {config.service}") as step:
            code = _run_service(site, stack, file, config, step)
            document = _copied_out(site, run, config.service, config.report)
            # Of a run that failed as well: that is when they are read.
            _write(report, document)
            if coverage:
                _write(coverage, _copied_out(site, run, config.service, config.coverage))
            counts = _counts(document)
            _judge(code, config, counts, document is None, _failed_beside(site, run, config, stack))
            step.note = _words(counts)
    tests, failures, skipped, seconds = counts
    return TestResult(image, tests, failures, skipped, seconds, again=True), document


def _make_network(site: Site, stack: Stack, run: str) -> None:
    with held(_locks(site), NETWORKS_LOCK, purpose="network of a test run"):
        ensure_network(
            site.engine,
            stack.name,
            server=None,
            pool=_test_pool(site),
            size=Server().networks.size,
            labels={TEST_RUN: run},
        )


def _locks(site: Site) -> Path:
    site.home.make()
    return site.home.locks_folder


def _test_pool(site: Site) -> str:
    try:
        return site.server.networks.pool
    except NotFoundError:
        return TEST_POOL


def _run_service(site: Site, stack: Stack, file: Path, config: Test, step: Step) -> int:
    return site.runtime.run_to_end(
        file,
        config.service,
        timeout=config.timeout,
        on_line=lambda text: step.say(redact(text, stack.secrets)),
    )


def _copied_out(site: Site, run: str, service: str, path: str | None) -> bytes | None:
    if path is None:
        return None
    containers = site.engine.containers({TEST_RUN: run, SERVICE: service})
    found = (site.engine.copy_file_out(each.id, path) for each in containers)
    return next((document for document in found if document), None)


def _write(file: Path | None, document: bytes | None) -> None:
    if file and document:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(document)


Counts = tuple[int | None, int | None, int | None, float | None]


def _counts(document: bytes | None) -> Counts:
    """Tests, failures, skipped and seconds of a JUnit report; None for what it doesn't say."""
    if document is None:
        return None, None, None, None
    try:
        root = ET.fromstring(document)  # noqa: S314 - the report of the user's own tests
    except ET.ParseError:
        return None, None, None, None
    suites = [root] if root.tag == "testsuite" else list(root.iter("testsuite"))

    def total(*names: str) -> int:
        return sum(int(suite.get(name) or 0) for suite in suites for name in names)

    seconds = sum(float(suite.get("time") or 0) for suite in suites)
    return total("tests"), total("failures", "errors"), total("skipped"), seconds


def _failed_beside(site: Site, run: str, config: Test, stack: Stack) -> str:
    """The last lines of what the tests depend on and that failed, so that they never began."""
    containers = [
        each
        for each in site.engine.containers({TEST_RUN: run})
        if each.labels.get(SERVICE) != config.service
        and (each.health == "unhealthy" or (each.state == "exited" and not each.ended_well))
    ]
    logs = ((each, site.engine.last_log_lines(each.id)) for each in containers)
    said = "\n".join(f"{each.labels.get(SERVICE)}:\n{log}" for each, log in logs)
    return redact(said, stack.secrets)


def _judge(code: int, config: Test, counts: Counts, without_report: bool, beside: str) -> None:
    if code == TIMED_OUT:
        raise StageError(
            f"the tests had not ended after {config.timeout} s and were ended",
            remedy="make them faster, or set a larger `test.timeout` in junov.yaml",
        )
    if code:
        failed = f", {counts[1]} of {counts[0]} tests" if counts[1] else ""
        raise TestsFailedError(
            f"the tests failed: {config.service} ended with exit code {code}{failed}",
            code=code,
            remedy="what they depend on failed; its last lines stand below"
            if beside
            else "their output is above; run them again with: junov test",
            detail=beside,
        )
    if config.report and without_report:
        raise StageError(
            f"the tests ended well, but there is no report {config.report} in their container",
            remedy="correct `test.report` in junov.yaml, or take it out",
        )


def _words(counts: Counts) -> str:
    tests, _, skipped, seconds = counts
    if tests is None:
        return "passed"
    return f"tests: {tests}, skipped: {skipped or 0}, in {seconds or 0:.1f} s"
