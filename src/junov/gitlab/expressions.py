"""Rules of a pipeline as GitLab's expressions.

See https://docs.gitlab.com/ci/jobs/job_rules/ and the predefined variables that it works with.
"""

from __future__ import annotations

import re
from typing import Any

from junov.pipeline.rules import (
    Condition,
    OnBranch,
    OnEvent,
    OnMergeRequest,
    OnOwnMergeRequest,
    OnTag,
    Rule,
)

_SOURCES = {"merge_request": "merge_request_event"}  # all others are called as they are
_SOURCE_BRANCH = "$CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"


def expression(condition: Condition) -> str:
    """A condition as the value of an `if`."""
    match condition:
        case OnEvent(event):
            return f'$CI_PIPELINE_SOURCE == "{_SOURCES.get(event, event)}"'
        case OnBranch(pattern, open_merge_request):
            branch = _is("$CI_COMMIT_BRANCH", pattern) if pattern else "$CI_COMMIT_BRANCH"
            if open_merge_request is None:
                return branch
            there = "$CI_OPEN_MERGE_REQUESTS"
            return f"{branch} && {there}" if open_merge_request else f"{branch} && {there} == null"
        case OnTag(pattern):
            return _is("$CI_COMMIT_TAG", pattern)
        case OnMergeRequest(pattern):
            return _is(_SOURCE_BRANCH, pattern)
        case OnOwnMergeRequest(pattern):
            own = "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_MERGE_REQUEST_PROJECT_ID"
            return f"{own} && {_is(_SOURCE_BRANCH, pattern)}"


def workflow_rule(rule: Rule) -> dict[str, Any]:
    """One of `workflow:rules`; a pipeline as such can't be started by hand."""
    written: dict[str, Any] = {"if": expression(rule.condition)}
    if rule.start == "never":
        written["when"] = "never"
    return written


def job_rule(rule: Rule, *, blocks: bool) -> dict[str, Any]:
    """One of a job's `rules`.

    Args:
        rule: the rule.
        blocks: whether the pipeline waits for a job that is started by hand; that of a merge
            request never does, or it could not be merged.
    """
    written: dict[str, Any] = {"if": expression(rule.condition)}
    if rule.start == "never":
        written["when"] = "never"
    elif rule.start == "manual":
        in_merge_request = isinstance(rule.condition, OnOwnMergeRequest)
        written |= {"when": "manual", "allow_failure": in_merge_request or not blocks}
    return written


def _is(variable: str, pattern: str) -> str:
    if '"' in pattern:  # GitLab's strings know no escapes
        return f"{variable} =~ /^{'.+'.join(map(_quoted, pattern.split('*')))}$/"
    if "*" not in pattern:
        return f'{variable} == "{pattern}"'
    head, _, tail = pattern.partition("*")
    return f"{variable} =~ /^{_quoted(head)}.+{_quoted(tail)}$/"


def _quoted(text: str) -> str:
    """A text for one of GitLab's regular expressions (RE2 between slashes)."""
    return re.escape(text).replace("\\-", "-").replace("/", "\\/")
