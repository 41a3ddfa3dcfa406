"""Whether a project on GitLab has what its pipelines need, and the mend for what it lacks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from urllib.parse import urlsplit

from junov.config.home import Home
from junov.config.project import Project
from junov.errors import JunovError, StageError
from junov.gitlab.action import Action
from junov.gitlab.api import GitLabApi
from junov.gitlab.desired import Desired, Runner, desired_of
from junov.gitlab.found import Found, find
from junov.gitlab.plan import found_runner, plan
from junov.images.reference import is_loopback
from junov.server.doctor import Finding
from junov.server.gitlab_setup import APART, on_the_server, uses_registry
from junov.server.runners import config_file, held_tokens

_EXPIRES_SOON_DAYS = 14
_SETUP = "let junov do it: junov gitlab setup"


def examine(
    home: Home, project: Project, api: GitLabApi, *, notes: bool = True, today: date | None = None
) -> Iterator[Finding]:
    """Run every check; where GitLab can't be asked, that is the last one.

    Args:
        home: this machine's state, to see what else it is.
        project: its `junov.yaml`.
        api: the project on GitLab.
        notes: whether jobs write notes on merge requests.
        today: the day to compare with; the real one without it.
    """
    today = today or datetime.now(UTC).date()
    try:
        yield _address(api)
        yield _token(api, today)
        found = find(api, access_tokens=notes)
    except JunovError as error:
        yield Finding("gitlab", "failed", error.message, error.remedy)
        return
    desired = desired_of(
        project,
        host="",
        default_branch=found.default_branch,
        today=today,
        notes=notes,
        own_registry=uses_registry(project, found),
    )
    yield from _compared(desired, found)
    for runner in desired.runners:
        yield _runner(runner, found)
    yield _apart(home, project, desired, found)
    yield _secrets(desired, found)


def _address(api: GitLabApi) -> Finding:
    version = api.get("/version", "read GitLab's version").get("version")
    parts = urlsplit(api.url)
    said = f"GitLab {version} answers at {api.url}"
    if parts.scheme == "http" and not is_loopback(parts.netloc):
        remedy = "give GitLab a certificate, and use its https address"
        return Finding("gitlab", "warning", f"{said}, where anybody can read the token", remedy)
    return Finding("gitlab", "ok", said)


def _token(api: GitLabApi, today: date) -> Finding:
    """What the token says of itself: https://docs.gitlab.com/api/personal_access_tokens/."""
    try:
        token = api.get("/personal_access_tokens/self", "read the token's scopes")
    except StageError:
        raise
    except JunovError:
        return Finding("token", "warning", "the token says nothing of itself", "")
    scopes = [str(each) for each in token.get("scopes") or ()]
    if "api" not in scopes:
        said = f"the token's scopes are {', '.join(scopes) or 'none'}"
        return Finding("token", "failed", said, "make one with the scope api")
    ends = token.get("expires_at")
    if ends and (left := (date.fromisoformat(ends) - today).days) <= _EXPIRES_SOON_DAYS:
        said = f"the token that you use ends in {left} days"
        return Finding("token", "warning", said, "make another in time; jobs don't use it")
    return Finding("token", "ok", "the token has the scope api")


_CHECKS = {
    "setting": ("merge requests", "merge requests may use the shell runner"),
    "branch": ("branches", "the branches of environments are protected as they have to be"),
    "tag": ("tags", "the tags of environments and versions are protected"),
    "runner": ("runners", "both runners are set up as they have to be"),
    "token": ("notes", "jobs can write notes on merge requests"),
    "schedule": ("schedule", "a pipeline starts every night"),
    "cleanup": ("cleanup", "no image that an environment can run is ever removed"),
}


def _compared(desired: Desired, found: Found) -> Iterator[Finding]:
    """What setup would do, as findings: it is the same comparison."""
    by_check: dict[str, list[Action]] = {what: [] for what in _CHECKS}
    for action in plan(desired, found, None):
        by_check["token" if action.what == "variable" else action.what].append(action)
    for what, (check, good) in _CHECKS.items():
        actions = by_check[what]
        if actions:
            said = "still to be done: " + "; ".join(each.sentence for each in actions)
            yield Finding(check, "failed", said, _SETUP)
        elif what == "setting" and found.protects_merge_requests is None:
            yield Finding(
                check,
                "warning",
                "this GitLab's API doesn't say whether pipelines of merge requests may use "
                "protected runners",
                "see that they may: Settings > CI/CD > Variables, below `Access protected "
                "resources in merge request pipelines` (GitLab 18.1 and later)",
            )
        else:
            yield Finding(check, "ok", good)
    if desired.cleanup is None:
        yield Finding("registry", "ok", "the images are not in GitLab's registry")


def _runner(wanted: Runner, found: Found) -> Finding:
    check = f"{wanted.executor} runner"
    there = found_runner(wanted, found, None)
    if there is None:
        where = "on the server" if wanted.executor == "shell" else "on the machine for builds"
        remedy = f"{where}, run: junov gitlab setup --runner {wanted.executor}"
        return Finding(check, "failed", f"the project has no {wanted.executor} runner", remedy)
    if there.paused:
        remedy = "let it go on: Settings > CI/CD > Runners"
        return Finding(check, "failed", f"`{there.description}` is paused", remedy)
    if not there.online:
        status = (there.status or "offline").replace("_", " ")
        said = f"`{there.description}` is not online; GitLab says: {status}"
        look = "systemctl status junov-gitlab-runner" if wanted.executor == "shell" else "docker ps"
        remedy = f"look at it on its machine ({look}), or start it: junov gitlab setup"
        return Finding(check, "failed", said, remedy)
    return Finding(check, "ok", f"`{there.description}` is online")


def _apart(home: Home, project: Project, desired: Desired, found: Found) -> Finding:
    """Whether the two runners are on one machine: by their names, and by what is on this one."""
    hosts = [
        {r.description.removeprefix(w.begins) for r in found.runners if _is(w, r.description)}
        for w in desired.runners
    ]
    shared = sorted(set.intersection(*hosts)) if hosts else []
    try:
        held = held_tokens([config_file(home, "docker")])
    except JunovError as error:
        return Finding("docker host", "failed", error.message, error.remedy)
    if home.server_file.exists() and any(f"junov {project.project} docker on " in n for n in held):
        shared = shared or ["this machine"]
    if shared:
        return Finding("docker host", "warning", on_the_server(shared[0]), APART)
    return Finding("docker host", "ok", "the docker runner is not on the server")


def _is(wanted: Runner, description: str) -> bool:
    return description.startswith(wanted.begins)


def _secrets(desired: Desired, found: Found) -> Finding:
    lacking = [
        f"{variable} ({scope})"
        for variable, scope in desired.secrets
        if not any(each.key == variable and _covers(each.scope, scope) for each in found.variables)
    ]
    if lacking:
        return Finding(
            "secrets",
            "failed",
            f"junov.yaml requires variables that GitLab doesn't have: {', '.join(lacking)}",
            "add them under Settings > CI/CD > Variables, masked, protected, and for that "
            "environment alone",
        )
    keys = {variable for variable, _ in desired.secrets}
    plain = sorted({v.key for v in found.variables if v.key in keys and not v.masked})
    if plain:
        said = f"not masked, so logs may show them: {', '.join(plain)}"
        return Finding("secrets", "warning", said, "mask them: Settings > CI/CD > Variables")
    return Finding("secrets", "ok", "every secret that junov.yaml requires is a variable")


def _covers(scope: str, wanted: str) -> bool:
    """Whether a variable of one scope is there for the jobs of another one's environments."""
    head, star, _ = scope.partition("*")
    return scope == wanted or (bool(star) and scope.endswith("*") and wanted.startswith(head))
