"""What `junov gitlab setup` says where GitLab refuses, is not there, or is in no hurry."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import requests

from tests.gitlab_answers import ADMINISTRATOR
from tests.gitlab_stub import DEVELOPER_TOKEN, MAINTAINER_TOKEN, Fault, GitLabStub
from tests.unit.gitlab.conftest import SETUP, Call, no_token_in


def test_a_rate_limit_is_waited_for(call: Call, stub: GitLabStub) -> None:
    stub.faults.append(
        Fault("POST", "/user/runners", 429, {"message": "slow down"}, {"Retry-After": "0"}, times=2)
    )
    assert call(*SETUP).code == 0
    assert stub.written.count("POST /user/runners") == 4
    assert len(stub.runners) == 2


NEVER_MIND = {"Retry-After": "0"}


@pytest.mark.parametrize(
    ("fault", "message", "remedy"),
    [
        (
            Fault("GET", "/projects/.*", 401, {"message": "401 Unauthorized"}),
            "doesn't take the token",
            "personal_access_tokens with the scope api",
        ),
        (
            Fault("POST", "/user/runners", 403, {"message": "403 Forbidden"}),
            "the token may not make the runner",
            "it takes the role Maintainer in team/notes",
        ),
        (
            Fault("GET", "/projects/[^/]+", 404, {"message": "404 Project Not Found"}),
            "has no such thing, or hides it",
            "see that team/notes is the project's path",
        ),
        (
            Fault("POST", ".*/access_tokens", 400, {"message": {"expires_at": ["is too late"]}}),
            "GitLab answers 400",
            "what GitLab says of it stands below",
        ),
        (
            Fault("POST", ".*/protected_branches", 409, {"message": "already exists"}),
            "GitLab answers 409",
            "what GitLab says of it stands below",
        ),
        (
            Fault("GET", ".*/variables", 429, {"message": "no"}, NEVER_MIND, times=99),
            "rate limit is reached",
            "run it again in some minutes",
        ),
        (
            Fault("POST", ".*/deploy_tokens", 500, {"message": "500 Internal Server Error"}),
            "GitLab answers 500",
            "trouble of its own",
        ),
        (
            Fault("GET", "/projects/[^/]+", 200, "<html>", {"Content-Type": "text/html"}),
            "is not GitLab's API",
            "check GitLab's address",
        ),
        (
            Fault("GET", "/projects/[^/]+", 302, None, {"Location": "https://elsewhere.invalid/"}),
            "redirects to another address",
            "give that address",
        ),
    ],
    ids=["401", "403", "404", "400", "409", "429", "500", "no GitLab", "redirect"],
)
def test_each_error_says_what_to_do_and_no_token(
    call: Call, stub: GitLabStub, fault: Fault, message: str, remedy: str
) -> None:
    stub.faults.append(fault)
    outcome = call(*SETUP)
    assert outcome.code == 1
    assert message in outcome.err
    assert remedy in outcome.err
    no_token_in(outcome, stub)


def test_an_answer_that_quotes_the_token_is_not_repeated(call: Call, stub: GitLabStub) -> None:
    said = {"message": f"the token {MAINTAINER_TOKEN} is odd"}
    stub.faults.append(Fault("POST", "/user/runners", 400, said))
    outcome = call(*SETUP)
    assert outcome.code == 1
    assert "the token •••••• is odd" in outcome.err
    assert MAINTAINER_TOKEN not in outcome.said


def test_an_answer_that_quotes_a_token_it_has_just_given_is_not_repeated(
    call: Call, stub: GitLabStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.gitlab_answers.secrets.token_hex", lambda _: "0" * 20)
    said = {"message": {"value": [f"glpat-{'0' * 20} is invalid"]}}
    stub.faults.append(Fault("POST", ".*/variables", 400, said))
    outcome = call(*SETUP)
    assert outcome.code == 1
    assert "•••••• is invalid" in outcome.err
    no_token_in(outcome, stub)


def test_a_gitlab_that_is_not_there_is_told_so(call: Call, stub: GitLabStub) -> None:
    outcome = call(*SETUP, "--url", "http://127.0.0.1:1")
    assert outcome.code == 1
    assert "GitLab at http://127.0.0.1:1 does not answer: no connection" in outcome.err
    assert stub.asked == []


def test_https_where_there_is_none_is_told_so(call: Call, stub: GitLabStub) -> None:
    outcome = call(*SETUP, "--url", stub.url.replace("http:", "https:"))
    assert outcome.code == 1
    assert "does not answer: no connection" in outcome.err


@pytest.mark.parametrize(
    ("error", "why", "remedy"),
    [
        (
            requests.exceptions.SSLError("CERTIFICATE_VERIFY_FAILED: self-signed certificate"),
            "its certificate can't be verified",
            "set REQUESTS_CA_BUNDLE",
        ),
        (requests.exceptions.ReadTimeout("timed out"), "it was silent for 30 s", "run it again"),
    ],
)
def test_what_keeps_it_from_an_answer_is_told(
    call: Call, monkeypatch: pytest.MonkeyPatch, error: Exception, why: str, remedy: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(requests.Session, "request", fail)
    outcome = call(*SETUP)
    assert outcome.code == 1
    assert why in outcome.err
    assert remedy in outcome.err


def test_an_administrator_who_is_no_member_is_not_refused(call: Call, stub: GitLabStub) -> None:
    stub.users[MAINTAINER_TOKEN] = (1, 0, ["api"])
    outcome = call(*SETUP, "--dry-run")
    assert "no maintainer" in outcome.err
    stub.users[MAINTAINER_TOKEN] = (1, ADMINISTRATOR, ["api"])
    assert call(*SETUP, "--dry-run").code == 0


def test_at_a_terminal_the_token_is_asked_for_without_an_echo(
    call: Call, stub: GitLabStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, object]] = []

    def prompt(text: str, **options: object) -> str:
        asked.append({"text": text, **options})
        return f" {MAINTAINER_TOKEN}\n"

    monkeypatch.delenv("JUNOV_GITLAB_TOKEN")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("click.prompt", prompt)
    outcome = call(*SETUP, "--dry-run")
    assert outcome.code == 0
    (how,) = asked
    assert (how["hide_input"], how["err"]) == (True, True)
    assert stub.url in str(how["text"])
    assert MAINTAINER_TOKEN not in outcome.said


def test_a_developer_is_refused_before_anything_is_changed(
    call: Call, stub: GitLabStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUNOV_GITLAB_TOKEN", DEVELOPER_TOKEN)
    outcome = call(*SETUP)
    assert outcome.code == 1
    assert stub.written == []
    assert "the token's user is no maintainer of team/notes" in outcome.err
    no_token_in(outcome, stub)


def test_without_a_token_and_a_terminal_it_says_how_to_give_one(
    call: Call, stub: GitLabStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JUNOV_GITLAB_TOKEN")
    outcome = call(*SETUP)
    assert outcome.code == 1
    assert "there is no token for GitLab" in outcome.err
    assert f"{stub.url}/-/user_settings/personal_access_tokens" in outcome.err
    assert stub.asked == []


def test_the_second_name_of_the_token_will_do(
    call: Call, stub: GitLabStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JUNOV_GITLAB_TOKEN")
    monkeypatch.setenv("GITLAB_TOKEN", MAINTAINER_TOKEN)
    assert call(*SETUP, "--dry-run").code == 0
    assert stub.asked
