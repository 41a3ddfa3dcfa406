"""What a merge request is told of a deploy: where it is, what it weighs, or why it failed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from junov.config.fields import format_duration
from junov.config.project import Project
from junov.delivery.backups.streams import megabytes
from junov.delivery.delivered import find_release
from junov.delivery.values import database_password
from junov.environments import Environment, claim
from junov.errors import JunovError, NotFoundError
from junov.git.refs import CiRef
from junov.gitlab.api import GitLabApi
from junov.gitlab.notes import LONGEST_NOTE
from junov.images import Registry, Repository
from junov.images.manifest import this_architecture
from junov.images.reference import parse_reference
from junov.images.tested import read_pass
from junov.journal import Release
from junov.secret import Secret, redact
from junov.site import Site

Outcome = Literal["delivered", "failed", "superseded", "cancelled"]

LOG_LINES = 40
_LONGEST_LINE = 500
_LONGEST_ERROR = 10_000
_LOOKED_AT = 50
# Of a job, so that it may show in its log although the job isn't supposed to print it.
_JOB_SECRETS = ("CI_JOB_TOKEN", "CI_REGISTRY_PASSWORD", "CI_DEPLOY_PASSWORD", "JUNOV_GITLAB_TOKEN")


@dataclass(frozen=True, slots=True)
class Feedback:
    """What there is to tell of one deploy.

    Args:
        project, environment: where it went.
        url: where the environment is reached.
        outcome: how it ended.
        commit: the full commit.
        subject: the first line of its message; may be empty.
        release: the release's number; None where it failed before there was one.
        seconds: how long it took; None where nobody knows.
        size: bytes of the image as the registry keeps it, compressed; None where that isn't known.
        size_before: the same of the release before it.
        release_before: that release's number; None where there is none.
        tests: how many tests of the image have passed; None where that isn't known.
        failed_step: the step that failed; empty where none did, or it isn't known.
        error: why it failed, redacted.
        log: the last lines of the log where it failed, redacted.
        serving: the number of the release that serves although this one failed; None for none.
        job_url: the job's page; empty outside of one.
    """

    project: str
    environment: str
    url: str
    outcome: Outcome
    commit: str
    subject: str = ""
    release: int | None = None
    seconds: float | None = None
    size: int | None = None
    size_before: int | None = None
    release_before: int | None = None
    tests: int | None = None
    failed_step: str = ""
    error: str = ""
    log: tuple[str, ...] = ()
    serving: int | None = None
    job_url: str = ""


def marker(project: str, environment: str) -> str:
    """The hidden text by which the note of an environment is found again."""
    return f"<!-- junov: {project} {environment} -->"


def compose(feedback: Feedback) -> str:
    """The note's text, in Markdown.

    What comes from outside, such as a commit's message or a log, stands in code, where it mentions
    nobody and is no Markdown.
    """
    text = "\n".join(_lines(feedback))
    assert len(text) <= LONGEST_NOTE  # noqa: S101 - each of its parts is bounded
    return text


def _lines(told: Feedback) -> Iterator[str]:
    yield marker(told.project, told.environment)
    yield f"### {_heading(told)}"
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| Commit | {_commit(told)} |"
    if told.release is not None:
        took = f", in {format_duration(told.seconds)}" if told.seconds is not None else ""
        yield f"| Release | {told.release}{took} |"
    if told.size is not None:
        yield f"| Image | {_size(told)} |"
    if told.tests is not None:
        yield f"| Tests | {told.tests} passed |"
    if told.job_url:
        yield f"| Job | {told.job_url} |"
    if told.outcome == "failed":
        yield from _failure(told)


def _heading(told: Feedback) -> str:
    name = f"`{told.environment}`"
    if told.outcome == "delivered":
        return f"{name} is at {told.url}"
    ended = {
        "failed": "could not be delivered",
        "superseded": "was not delivered: a newer commit is on its way",
        "cancelled": "was not delivered: the job was cancelled",
    }[told.outcome]
    if told.serving is None:
        return f"{name} {ended}"
    return f"{name} {ended}; release {told.serving} still serves at {told.url}"


def _commit(told: Feedback) -> str:
    subject = _code(told.subject.replace("|", "¦")[:200])
    return f"{told.commit[:8]} {subject}".rstrip()


def _size(told: Feedback) -> str:
    size = megabytes(told.size or 0)
    if told.size is None or told.size_before is None or told.release_before is None:
        return f"{size} compressed"
    change = told.size - told.size_before
    if megabytes(abs(change)) == megabytes(0):
        return f"{size} compressed, as release {told.release_before}"
    more = "more" if change > 0 else "less"
    than = f"{megabytes(abs(change))} {more} than release {told.release_before}"
    return f"{size} compressed, {than}"


def _failure(told: Feedback) -> Iterator[str]:
    yield ""
    if told.failed_step:
        yield f"It failed in the step `{told.failed_step}`:"
    elif told.error or not told.log:
        yield "It failed before there was a release, so nothing was changed."
    if told.error:
        yield ""
        yield from _fenced(told.error[:_LONGEST_ERROR].splitlines())
    if told.log:
        yield ""
        yield "The last lines of its log:"
        yield ""
        yield from _fenced(told.log[-LOG_LINES:])


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39))}`" if text else ""


def _fenced(lines: Iterable[str]) -> Iterator[str]:
    cut = [line[:_LONGEST_LINE] for line in lines]
    longest = max((len(run) for line in cut for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return iter([f"{fence}text", *cut, fence])


def gather(
    site: Site, project: Project, job: CiRef, api: GitLabApi, environ: Mapping[str, str]
) -> Feedback:
    """Find out what there is to tell of the deploy that a job has run.

    Args:
        site: the server.
        project: the commit's `junov.yaml`.
        job: what the job is about.
        api: the project on GitLab, for the job's log.
        environ: the job's variables.

    Raises:
        NotFoundError: no environment is for the job's branch, or it never was deployed.
    """
    environment = claim(project, job.ref)
    if environment is None:
        raise NotFoundError(f"no environment is for the {job.ref}")
    releases = site.journal.releases(environment, limit=_LOOKED_AT)
    status = environ.get("CI_JOB_STATUS", "")
    mine = _of_this_job(releases, job.commit, environ)
    if mine is None and status != "failed":
        raise NotFoundError(f"nothing was delivered to {environment.name} by this job")
    live = next((each for each in releases if each.outcome == "succeeded"), None)
    outcome = _outcome(mine, status)
    if mine is None and _overtaken(releases, job.commit, environ):
        outcome = "superseded"
    told = Feedback(
        project=project.project,
        environment=environment.name,
        url=site.server.url(environment.host),
        outcome=outcome,
        commit=mine.commit if mine else job.commit,
        subject=mine.subject if mine else environ.get("CI_COMMIT_TITLE", ""),
        release=mine.number if mine else None,
        seconds=mine.seconds if mine else None,
        serving=live.number if live and outcome != "delivered" else None,
        job_url=environ.get("CI_JOB_URL", ""),
    )
    if mine and outcome == "delivered":
        return _weighed(told, mine, _before(releases, mine))
    if outcome != "failed":
        return told
    return _explained(told, site, project, environment, mine, api, environ)


def _of_this_job(
    releases: list[Release], commit: str, environ: Mapping[str, str]
) -> Release | None:
    """The release that a job has begun; of one that had nothing to do, the one it found."""
    last = next((r for r in releases if r.commit.removesuffix("-dirty") == commit), None)
    began = environ.get("CI_JOB_STARTED_AT")
    if last is None or last is not releases[0]:
        return None
    if environ.get("CI_JOB_STATUS") == "failed" and began:
        return last if last.started_at >= datetime.fromisoformat(began) else None
    return last


def _overtaken(releases: list[Release], commit: str, environ: Mapping[str, str]) -> bool:
    """Whether another commit was delivered while the job waited."""
    began = environ.get("CI_JOB_STARTED_AT")
    if not (began and releases):
        return False
    last = releases[0]
    return last.commit != commit and last.started_at >= datetime.fromisoformat(began)


def _outcome(release: Release | None, status: str) -> Outcome:
    if release is None or release.outcome == "failed":
        return "failed"
    if release.outcome == "running":  # its run was ended before it could write down how
        return "cancelled" if status == "canceled" else "failed"
    return "delivered" if release.outcome == "succeeded" else release.outcome


def _before(releases: list[Release], mine: Release) -> Release | None:
    earlier = (r for r in releases if r.number < mine.number and r.outcome == "succeeded")
    return next(earlier, None)


def _weighed(told: Feedback, mine: Release, before: Release | None) -> Feedback:
    """With what the registry says of its image; without it where the registry says nothing."""
    with suppress(JunovError), Registry() as registry:
        reference = parse_reference(mine.image)
        told = replace(told, size=image_bytes(registry, reference.repository, mine.digest))
        record = read_pass(registry, reference.repository, mine.digest)
        told = replace(told, tests=record.tests if record else None)
        if before:
            earlier = parse_reference(before.image)
            size = image_bytes(registry, earlier.repository, before.digest)
            told = replace(told, size_before=size, release_before=before.number)
    return told


def image_bytes(registry: Registry, repository: Repository, digest: str) -> int | None:
    """How many bytes an image has in the registry, compressed, with all of its layers.

    Returns:
        None where it isn't there any more.
    """
    manifest = registry.manifest(repository, digest)
    if manifest and manifest.is_index:
        manifest = registry.manifest(repository, manifest.for_platform(this_architecture()))
    if manifest is None:
        return None
    parts = [manifest.data.get("config") or {}, *(manifest.data.get("layers") or ())]
    return sum(int(part.get("size") or 0) for part in parts)


def _explained(
    told: Feedback,
    site: Site,
    project: Project,
    environment: Environment,
    mine: Release | None,
    api: GitLabApi,
    environ: Mapping[str, str],
) -> Feedback:
    secrets = [*_secrets(site, project, environment, mine, environ)]
    step = None
    if mine:
        steps = site.journal.steps(mine)
        step = next((each for each in reversed(steps) if each.state != "done"), None)
    log = ""
    if mine and step and step.name == "migrate" and mine.migration_log:
        log = mine.migration_log.read_text(encoding="utf-8", errors="replace")
    elif environ.get("CI_JOB_ID"):
        with suppress(JunovError):
            place = f"{api.project_path}/jobs/{environ['CI_JOB_ID']}/trace"
            log = plain(api.text(place, "read the job's log"))
    return replace(
        told,
        failed_step=step.name if step else "",
        error=redact((mine.error or (step.detail if step else "")) if mine else "", secrets),
        log=tuple(redact(log, secrets).strip().splitlines()[-LOG_LINES:]),
    )


def _secrets(
    site: Site,
    project: Project,
    environment: Environment,
    mine: Release | None,
    environ: Mapping[str, str],
) -> Iterator[Secret]:
    """Everything that must not show, of the job and of the environment."""
    names = [*_JOB_SECRETS, *project.secrets]
    yield from (Secret(environ[name]) for name in names if environ.get(name))
    identity = environment.identity
    with suppress(JunovError):
        yield database_password(site, identity)
        for name in project.secrets:
            yield site.password("secret", *identity.secret_scope, name)
    if mine and (delivered := find_release(site, identity, mine.number)):
        yield from delivered.stack.secrets


_TERMINAL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_SECTION = re.compile(r"section_(?:start|end):\d+:[\w.-]+(?:\[[^\]]*\])?\r?")
# https://docs.gitlab.com/ci/jobs/job_logs/: the moment, the stream, and whether it goes on.
_MOMENT = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z \d\d[OE][+ ]?", re.MULTILINE)
_AFTER = re.compile(r"^Running after[_ -]script", re.MULTILINE)


def plain(log: str) -> str:
    """A job's log up to its `after_script`, without what only GitLab's page and a terminal read."""
    text = _SECTION.sub("", _TERMINAL.sub("", _MOMENT.sub("", log)))
    found = _AFTER.search(text)
    text = text[: found.start()] if found else text
    # Of a line that a terminal overwrites, as progress bars do, what stands there in the end.
    return "\n".join(line.rstrip().rpartition("\r")[2] for line in text.split("\n"))
