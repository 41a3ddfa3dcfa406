"""`junov gitlab note` after a deploy's job, against doubles of GitLab and of a registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from junov.config.project import read_project
from junov.environments import Environment, Ref, claim
from junov.journal import Journal, Release
from tests.gitlab_stub import DEVELOPER_TOKEN, PATH, PROJECT, Fault, GitLabStub
from tests.unit.gitlab.conftest import Call
from tests.unit.images.doubles import OCI, RegistryDouble, registry_double

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
COMMIT, OLDER = "b" * 40, "a" * 40
PASSWORD = "of-smtp-and-secret"
NOTES = f"/projects/{PATH}/merge_requests/12/notes"


@pytest.fixture
def registry() -> Iterator[RegistryDouble]:
    with registry_double() as double:
        yield double


@pytest.fixture
def journal(home: Path) -> Iterator[Journal]:
    with Journal(home / "journal.db", now=lambda: NOON) as journal:
        yield journal


@pytest.fixture
def environment(folder: Path) -> Environment:
    found = claim(read_project(folder).config, Ref("branch", "feature/search"))
    assert found
    return found


@pytest.fixture
def job(folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The job of a merge request's deploy, as GitLab describes it, on the server."""
    del folder
    home.mkdir(exist_ok=True)
    (home / "server.yaml").write_text("name: junov\n")
    (home / "key").write_text("0" * 64)
    for name, value in {
        "CI_COMMIT_SHA": COMMIT,
        "CI_COMMIT_TITLE": "Search by word",
        "CI_MERGE_REQUEST_IID": "12",
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feature/search",
        "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": str(PROJECT),
        "CI_PROJECT_ID": str(PROJECT),
        "CI_JOB_ID": "99",
        "CI_JOB_URL": "https://gitlab.example.com/team/notes/-/jobs/99",
        "CI_JOB_STATUS": "success",
        "CI_JOB_STARTED_AT": "2026-11-24T11:59:00Z",
        "JUNOV_GITLAB_TOKEN": DEVELOPER_TOKEN,
        "SMTP_PASSWORD": PASSWORD,
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("CI_COMMIT_TAG", "CI_COMMIT_BRANCH", "CI_OPEN_MERGE_REQUESTS"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def image_of(registry: RegistryDouble, size: int) -> str:
    manifest = {"mediaType": OCI, "config": {"size": 1000}, "layers": [{"size": size - 1000}]}
    digest = registry.put(json.dumps(manifest).encode(), media_type=OCI)
    return registry.repository.at(digest)


def begin(journal: Journal, environment: Environment, commit: str, image: str) -> Release:
    journal.register(environment)
    return journal.begin_release(
        environment, commit=commit, subject="Search by word", image=image, who="ci"
    )


def body(stub: GitLabStub) -> str:
    (note,) = stub.notes.values()
    return str(note["body"])


def test_a_deploy_is_told_once_and_then_kept_current(
    call: Call,
    stub: GitLabStub,
    job: pytest.MonkeyPatch,
    journal: Journal,
    environment: Environment,
    registry: RegistryDouble,
) -> None:
    del job
    first = begin(journal, environment, OLDER, image_of(registry, 100_000_000))
    journal.end_release(first, "succeeded", seconds=9)
    second = begin(journal, environment, COMMIT, image_of(registry, 102_500_000))
    journal.end_release(second, "succeeded", seconds=14)
    outcome = call("note")
    assert (outcome.code, outcome.err) == (0, "note on !12: written\n")
    assert f"### `feature/search` is at http://{environment.host}" in body(stub)
    assert "| Release | 2, in 14s |" in body(stub)
    assert "| Image | 102.5 MB compressed, 2.5 MB more than release 1 |" in body(stub)

    assert call("note").err == "note on !12: unchanged\n"
    third = begin(journal, environment, COMMIT, image_of(registry, 99_000_000))
    journal.end_release(third, "succeeded", seconds=5)
    assert call("note").err == "note on !12: updated\n"
    assert "3.5 MB less than release 2" in body(stub)
    assert stub.written == [f"POST {NOTES}", f"PUT {NOTES}/{next(iter(stub.notes))}"]


def test_somebody_who_quotes_the_note_keeps_theirs(
    call: Call,
    stub: GitLabStub,
    job: pytest.MonkeyPatch,
    journal: Journal,
    environment: Environment,
) -> None:
    del job
    quoted = "<!-- junov: notes feature/search -->\nlook at this"
    for number in range(1, 4):  # more than one page of them
        stub.notes[number] = {
            "id": number,
            "body": quoted,
            "author": {"id": 77},
            "noteable_iid": 12,
        }
    journal.end_release(begin(journal, environment, COMMIT, "r/n@sha256:1"), "succeeded")
    assert call("note").err == "note on !12: written\n"
    assert call("note").err == "note on !12: unchanged\n"
    assert [stub.notes[number]["body"] for number in (1, 2, 3)] == [quoted] * 3
    assert len(stub.notes) == 4


def test_a_failed_deploy_has_its_step_and_its_log_without_secrets(
    call: Call,
    stub: GitLabStub,
    job: pytest.MonkeyPatch,
    journal: Journal,
    environment: Environment,
) -> None:
    job.setenv("CI_JOB_STATUS", "failed")
    journal.end_release(begin(journal, environment, OLDER, "r/n@sha256:1"), "succeeded")
    release = begin(journal, environment, COMMIT, "r/n@sha256:2")
    journal.step_done(journal.step_started(release, "check"))
    journal.step_failed(journal.step_started(release, "web"), "never became ready")
    journal.end_release(release, "failed", error=f"never became ready: {PASSWORD}")
    stub.traces["99"] = f"• Start web\n  | login with {PASSWORD} and {DEVELOPER_TOKEN}\n"
    outcome = call("note")
    assert (outcome.code, outcome.err) == (0, "note on !12: written\n")
    text = body(stub)
    assert "could not be delivered; release 1 still serves at http://" in text
    assert "It failed in the step `web`:" in text
    assert "  | login with •••••• and ••••••" in text
    assert "never became ready: ••••••" in text
    for secret in (PASSWORD, DEVELOPER_TOKEN):
        assert secret not in text + outcome.said


def test_a_failed_migration_has_its_own_log(
    call: Call,
    stub: GitLabStub,
    job: pytest.MonkeyPatch,
    journal: Journal,
    environment: Environment,
    tmp_path: Path,
) -> None:
    job.setenv("CI_JOB_STATUS", "failed")
    (tmp_path / "migration.log").write_text('relation "word" does not exist\n')
    release = begin(journal, environment, COMMIT, "r/n@sha256:2")
    journal.set_stack_file(release, tmp_path / "stack.yaml")
    journal.step_failed(journal.step_started(release, "migrate"), "alembic ended")
    journal.end_release(release, "failed", error="alembic ended with exit code 1")
    assert call("note").code == 0
    assert 'relation "word" does not exist' in body(stub)
    assert [each for each in stub.asked if "trace" in each] == []


def test_a_deploy_refused_before_it_began_is_told_by_the_jobs_log(
    call: Call,
    stub: GitLabStub,
    job: pytest.MonkeyPatch,
    journal: Journal,
    environment: Environment,
) -> None:
    job.setenv("CI_JOB_STATUS", "failed")
    job.setenv("CI_JOB_STARTED_AT", "2026-11-24T12:30:00Z")
    journal.end_release(begin(journal, environment, COMMIT, "r/n@sha256:1"), "succeeded")
    stub.traces["99"] = "error: compose.yaml:4:5: host ports are the edge's\n"
    assert call("note").code == 0
    assert "`feature/search` could not be delivered; release 1 still serves" in body(stub)
    assert "error: compose.yaml:4:5: host ports are the edge's" in body(stub)


def test_a_deploy_that_a_newer_one_overtook_is_no_failure(
    call: Call,
    stub: GitLabStub,
    job: pytest.MonkeyPatch,
    journal: Journal,
    environment: Environment,
) -> None:
    job.setenv("CI_JOB_STATUS", "failed")
    journal.end_release(begin(journal, environment, OLDER, "r/n@sha256:1"), "succeeded")
    assert call("note").code == 0
    assert "was not delivered: a newer commit is on its way" in body(stub)


def test_a_branchs_own_pipeline_tells_its_open_merge_request(
    call: Call,
    stub: GitLabStub,
    job: pytest.MonkeyPatch,
    journal: Journal,
    environment: Environment,
) -> None:
    job.delenv("CI_MERGE_REQUEST_IID")
    job.delenv("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME")
    job.setenv("CI_COMMIT_BRANCH", "feature/search")
    job.setenv("CI_PROJECT_PATH", PATH)
    job.setenv("CI_OPEN_MERGE_REQUESTS", f"other/fork!3,{PATH}!12")
    journal.end_release(begin(journal, environment, COMMIT, "r/n@sha256:1"), "succeeded")
    assert call("note").err == "note on !12: written\n"
    assert body(stub)


def test_outside_of_a_merge_request_it_says_so(
    call: Call, stub: GitLabStub, job: pytest.MonkeyPatch
) -> None:
    job.delenv("CI_MERGE_REQUEST_IID")
    outcome = call("note")
    assert (outcome.code, outcome.err) == (0, "no note: this job is about no merge request\n")
    assert stub.asked == []


def test_without_its_token_it_says_so_and_takes_no_other(
    call: Call, stub: GitLabStub, job: pytest.MonkeyPatch
) -> None:
    job.delenv("JUNOV_GITLAB_TOKEN")
    job.setenv("GITLAB_TOKEN", DEVELOPER_TOKEN)
    outcome = call("note")
    assert outcome.code == 0
    assert outcome.err.startswith("no note: there is no JUNOV_GITLAB_TOKEN")
    assert stub.asked == []


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_gitlab_that_refuses_turns_no_job_red(
    call: Call,
    stub: GitLabStub,
    job: pytest.MonkeyPatch,
    journal: Journal,
    environment: Environment,
    status: int,
) -> None:
    del job
    journal.end_release(begin(journal, environment, COMMIT, "r/n@sha256:1"), "succeeded")
    stub.faults.append(Fault("POST", ".*/notes", status, {"message": "no"}))
    outcome = call("note")
    assert outcome.code == 0
    assert outcome.err.startswith("no note: ")
    assert DEVELOPER_TOKEN not in outcome.said
    assert stub.notes == {}


def test_a_merge_request_from_a_fork_turns_no_job_red(
    call: Call, stub: GitLabStub, job: pytest.MonkeyPatch
) -> None:
    job.setenv("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "99")
    outcome = call("note")
    assert outcome.code == 0
    assert "comes from a fork" in outcome.err
    assert stub.written == []


def test_a_job_that_delivered_nothing_writes_nothing(
    call: Call, stub: GitLabStub, job: pytest.MonkeyPatch
) -> None:
    del job
    outcome = call("note")
    assert outcome.code == 0
    assert "no note: nothing was delivered to feature/search by this job" in outcome.err
    assert stub.written == []
