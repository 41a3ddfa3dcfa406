"""The text of notes on merge requests, to the letter."""

from __future__ import annotations

from dataclasses import replace

import pytest

from junov.delivery.feedback import Feedback, compose, plain
from junov.gitlab.notes import LONGEST_NOTE

DELIVERED = Feedback(
    project="notes",
    environment="feature/search",
    url="https://feature-search.notes.example.com",
    outcome="delivered",
    commit="1a2b3c4d" * 5,
    subject="Search by word",
    release=7,
    seconds=74.4,
    size=182_400_000,
    size_before=181_200_000,
    release_before=6,
    tests=42,
    job_url="https://gitlab.example.com/team/notes/-/jobs/99",
)

FAILED = Feedback(
    project="notes",
    environment="feature/search",
    url="https://feature-search.notes.example.com",
    outcome="failed",
    commit="1a2b3c4d" * 5,
    subject="Search by word",
    release=8,
    seconds=12.0,
    failed_step="migrate",
    error="alembic ended with exit code 1",
    log=("INFO  running upgrade", 'ERROR  relation "word" does not exist'),
    serving=7,
    job_url="https://gitlab.example.com/team/notes/-/jobs/100",
)


def test_a_delivered_environment_has_its_url_first() -> None:
    assert (
        compose(DELIVERED)
        == """\
<!-- junov: notes feature/search -->
### `feature/search` is at https://feature-search.notes.example.com

| | |
|---|---|
| Commit | 1a2b3c4d `Search by word` |
| Release | 7, in 1m 14s |
| Image | 182.4 MB compressed, 1.2 MB more than release 6 |
| Tests | 42 passed |
| Job | https://gitlab.example.com/team/notes/-/jobs/99 |"""
    )


def test_a_failed_deploy_says_where_why_and_what_still_serves() -> None:
    assert (
        compose(FAILED)
        == """\
<!-- junov: notes feature/search -->
### `feature/search` could not be delivered; release 7 still serves at \
https://feature-search.notes.example.com

| | |
|---|---|
| Commit | 1a2b3c4d `Search by word` |
| Release | 8, in 12s |
| Job | https://gitlab.example.com/team/notes/-/jobs/100 |

It failed in the step `migrate`:

```text
alembic ended with exit code 1
```

The last lines of its log:

```text
INFO  running upgrade
ERROR  relation "word" does not exist
```"""
    )


def test_what_nobody_knows_is_left_out() -> None:
    told = Feedback("notes", "stage", "http://stage", "delivered", "a" * 40)
    assert (
        compose(told)
        == """\
<!-- junov: notes stage -->
### `stage` is at http://stage

| | |
|---|---|
| Commit | aaaaaaaa |"""
    )


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (182_400_000, "182.4 MB compressed, as release 6"),
        (184_000_000, "182.4 MB compressed, 1.6 MB less than release 6"),
        (None, "182.4 MB compressed"),
    ],
)
def test_the_size_is_compared_with_the_release_before(before: int | None, said: str) -> None:
    assert f"| Image | {said} |" in compose(replace(DELIVERED, size_before=before))


def test_a_deploy_that_failed_before_there_was_a_release_changed_nothing() -> None:
    told = replace(FAILED, release=None, seconds=None, failed_step="", error="", log=())
    assert "It failed before there was a release, so nothing was changed." in compose(told)


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ("superseded", "was not delivered: a newer commit is on its way"),
        ("cancelled", "was not delivered: the job was cancelled"),
    ],
)
def test_what_is_no_failure_is_not_called_one(outcome: str, said: str) -> None:
    text = compose(replace(FAILED, outcome=outcome, serving=None))  # type: ignore[arg-type]
    assert f"### `feature/search` {said}\n" in text
    assert "It failed" not in text


def test_what_comes_from_outside_mentions_nobody_and_breaks_nothing() -> None:
    told = replace(
        FAILED,
        subject="`@all` | <b>look</b>",
        error="```\n@all",
        log=("````", "@everybody"),
    )
    text = compose(told)
    assert "| Commit | 1a2b3c4d `'@all' ¦ <b>look</b>` |" in text
    assert "\n````text\n```\n@all\n````\n" in text
    assert "\n`````text\n````\n@everybody\n`````" in text


def test_the_longest_note_is_one_that_gitlab_takes() -> None:
    text = compose(
        replace(FAILED, subject="s" * 10**6, error="e" * 10**6, log=("l" * 10**6,) * 10**3)
    )
    assert len(text) < LONGEST_NOTE / 20


def test_a_jobs_log_is_read_without_colours_sections_and_its_after_script() -> None:
    log = (
        "section_start:1764000000:step_script\r\x1b[0K\x1b[36;1m$ junov deploy\x1b[0;m\n"
        "2026-11-24T02:00:00.000000Z 01O • Migrate\n"
        "10 %\r50 %\r100 %\n"
        "\x1b[31merror: no\x1b[0m\n"
        "section_end:1764000001:step_script\r\x1b[0K"
        "section_start:1764000002:after_script\r\x1b[0KRunning after_script\n"
        "$ junov gitlab note\n"
    )
    assert plain(log).splitlines() == ["$ junov deploy", "• Migrate", "100 %", "error: no"]
