"""From what a project has on GitLab to what it needs: which calls, in which order. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from junov.gitlab.action import NOTE_TOKEN, PULL_TOKEN, Action, Held, Request
from junov.gitlab.desired import (
    DEVELOPER,
    NO_ONE,
    NOTE_VARIABLE,
    Branch,
    Cleanup,
    Desired,
    NoteToken,
    Runner,
    Schedule,
    Tag,
)
from junov.gitlab.found import Found, FoundRunner, FoundToken

_ROLES = {30: "developers", 40: "maintainers"}


def runner_token(runner: Runner) -> str:
    """What a runner's token is called in actions."""
    return f"runner {runner.description}"


def plan(desired: Desired, found: Found, held: Held | None) -> list[Action]:
    """What is missing or otherwise than it has to be.

    What the team has made stricter than needed is left, and so is what junov doesn't know of.

    Args:
        desired: what the project needs.
        found: what it has.
        held: which tokens are on this machine; None not to look at them, and to take the runners
            of every machine for the project's.
    """
    return [
        *_settings(found),
        *(action for each in desired.branches for action in _branch(each, found)),
        *(action for each in desired.tags for action in _tag(each, found)),
        *(action for each in desired.runners for action in _runner(each, found, held)),
        *(_notes(desired.note_token, found) if desired.note_token else ()),
        *(_pulls(desired.pull_token, found, held) if desired.pull_token and held else ()),
        *_schedule(desired.schedule, found),
        *(_cleanup(desired.cleanup, found) if desired.cleanup else ()),
    ]


def found_runner(runner: Runner, found: Found, held: Held | None) -> FoundRunner | None:
    """The runner on GitLab that is this one: by the number that is here, else by description."""
    number = held.runners.get(runner.description) if held else None
    for each in found.runners:
        if number is not None and each.id == number:
            return each
    alike = [
        each
        for each in found.runners
        if each.description == runner.description
        or (held is None and each.description.startswith(runner.begins))
    ]
    return max(alike, key=lambda each: (each.online, -each.id), default=None)


def _settings(found: Found) -> Iterator[Action]:
    if found.protects_merge_requests is False:
        yield Action(
            "setting",
            "protect_merge_request_pipelines",
            "let pipelines of merge requests between protected branches use the shell runner and "
            "protected variables: without it, no merge request gets an environment",
            (Request("PUT", "/projects/{project}", {"protect_merge_request_pipelines": True}),),
        )


def _branch(wanted: Branch, found: Found) -> Iterator[Action]:
    there = next((each for each in found.branches if each.name == wanted.name), None)
    making = Request(
        "POST",
        "/projects/{project}/protected_branches",
        {
            "name": wanted.name,
            "push_access_level": wanted.push,
            "merge_access_level": wanted.merge,
            "allow_force_push": wanted.force_push,
        },
    )
    place = f"/projects/{{project}}/protected_branches/{quote(wanted.name, safe='')}"
    who = _ROLES[wanted.push]
    if there is None:
        rewritten = ", and rewrite them" if wanted.force_push else "; nobody rewrites it"
        yield Action(
            "branch",
            wanted.name,
            f"protect {wanted.name}: {who} push{rewritten}. The shell runner takes jobs of "
            "protected branches only",
            (making,),
        )
    elif _weaker(there.push, wanted.push):
        # What may be changed by a PATCH depends on GitLab's edition; this works in all of them.
        yield Action(
            "branch",
            wanted.name,
            f"protect {wanted.name} anew, so that only {who} push: now roles below that may",
            (Request("DELETE", place), making),
        )
    elif there.force_push and not wanted.force_push:
        yield Action(
            "branch",
            wanted.name,
            f"let nobody rewrite {wanted.name}: what was delivered from it must stay in it",
            (Request("PATCH", place, {"allow_force_push": False}),),
        )


def _tag(wanted: Tag, found: Found) -> Iterator[Action]:
    there = next((each for each in found.tags if each.name == wanted.name), None)
    making = Request(
        "POST",
        "/projects/{project}/protected_tags",
        {"name": wanted.name, "create_access_level": wanted.create},
    )
    who = _ROLES[wanted.create]
    if there is None:
        sentence = f"protect the tags {wanted.name}: {who} make them, and nobody moves them"
        yield Action("tag", wanted.name, sentence, (making,))
    elif _weaker(there.create, wanted.create):
        place = f"/projects/{{project}}/protected_tags/{quote(wanted.name, safe='')}"
        yield Action(
            "tag",
            wanted.name,
            f"protect the tags {wanted.name} anew, so that only {who} make them",
            (Request("DELETE", place), making),
        )


def _weaker(roles: tuple[int, ...], wanted: int) -> bool:
    """Whether a role below the one that is wanted is let in; `no one` is above them all."""
    return any(NO_ONE < role < wanted for role in roles)


def _runner(wanted: Runner, found: Found, held: Held | None) -> Iterator[Action]:
    there = found_runner(wanted, found, held)
    settings = {
        "description": wanted.description,
        "tag_list": [wanted.tag],
        "run_untagged": False,
        "locked": True,
        "access_level": wanted.access_level,
    }
    takes = (
        "jobs of protected branches and tags"
        if wanted.access_level == "ref_protected"
        else "all jobs"
    )
    if there is None:
        body = {"runner_type": "project_type", "project_id": found.id, **settings}
        yield Action(
            "runner",
            wanted.description,
            f"make the runner `{wanted.description}` with the tag {wanted.tag}, for {takes}",
            (Request("POST", "/user/runners", body),),
            gives=runner_token(wanted),
        )
        return
    now = {
        "tag_list": list(there.tags),
        "run_untagged": there.run_untagged,
        "locked": there.locked,
        "access_level": there.access_level,
    }
    wrong = {key: settings[key] for key, value in now.items() if value != settings[key]}
    if wrong:
        said = ", ".join(f"{key} is {now[key]}" for key in wrong)
        yield Action(
            "runner",
            there.description,
            f"give the runner `{there.description}` the tag {wanted.tag} alone, for {takes}: "
            f"{said}",
            (Request("PUT", f"/runners/{there.id}", wrong),),
        )
    if held is not None and not _holds_token(held, wanted, there):
        yield Action(
            "runner",
            wanted.description,
            f"give the runner `{wanted.description}` a new token, because its token is not on this "
            "machine and GitLab shows it only once. Whatever still runs with the old one stops",
            (Request("POST", f"/runners/{there.id}/reset_authentication_token"),),
            gives=runner_token(wanted),
        )


def _holds_token(held: Held, wanted: Runner, there: FoundRunner) -> bool:
    """Whether the token of this very runner is here, and not of one that is no more."""
    if wanted.description not in held.runners:
        return False
    return held.runners[wanted.description] in (None, there.id)


def _notes(wanted: NoteToken, found: Found) -> Iterator[Action]:
    there = _newest(wanted.name, found.access_tokens)
    expires = wanted.expires.isoformat()
    have = {each.scope: each for each in found.variables if each.key == NOTE_VARIABLE}
    missing = [scope for scope in wanted.scopes if scope not in have]
    if there is None:
        why = f"make the access token `{wanted.name}` (developer, until {expires})"
        request = Request(
            "POST",
            "/projects/{project}/access_tokens",
            {
                "name": wanted.name,
                "scopes": ["api"],
                "access_level": DEVELOPER,
                "expires_at": expires,
            },
        )
    elif missing or (there.expires and there.expires < wanted.renewed_from):
        ends = f"it ends on {there.expires}" if there.expires else ""
        reason = f"{', '.join(missing)} have no {NOTE_VARIABLE} yet" if missing else ends
        why = f"renew the access token `{wanted.name}` until {expires}: {reason}"
        request = Request(
            "POST",
            f"/projects/{{project}}/access_tokens/{there.id}/rotate",
            {"expires_at": expires},
        )
    else:
        yield from (
            Action(
                "variable",
                f"{NOTE_VARIABLE} ({scope})",
                f"mask and protect {NOTE_VARIABLE} of {scope}",
                (Request("PUT", _variable(scope), {"protected": True, "masked": True}),),
            )
            for scope in wanted.scopes
            if not (have[scope].protected and have[scope].masked)
        )
        return
    sentence = f"{why}: jobs write their notes on merge requests by it"
    yield Action("token", wanted.name, sentence, (request,), gives=NOTE_TOKEN)
    for scope in wanted.scopes:
        settings = {"environment_scope": scope, "protected": True, "masked": True, "raw": True}
        new = Request("POST", "/projects/{project}/variables", {"key": NOTE_VARIABLE, **settings})
        yield Action(
            "variable",
            f"{NOTE_VARIABLE} ({scope})",
            f"tell it to the jobs of {scope} as {NOTE_VARIABLE}, masked and protected",
            (Request("PUT", _variable(scope), settings) if scope in have else new,),
            takes=NOTE_TOKEN,
        )


def _variable(scope: str) -> str:
    filtered = quote(scope, safe="")
    return (
        f"/projects/{{project}}/variables/{NOTE_VARIABLE}?filter%5Benvironment_scope%5D={filtered}"
    )


def _pulls(name: str, found: Found, held: Held) -> Iterator[Action]:
    if held.pulls:
        return
    old = [each for each in found.deploy_tokens if each.name == name]
    lost = ", in place of one whose password is not here" if old else ""
    yield Action(
        "deploy token",
        name,
        f"make the deploy token `{name}`{lost}, and log this machine in to GitLab's registry with "
        "it, for reading only: commands that are run here by hand have no job's credentials",
        (
            *(Request("DELETE", f"/projects/{{project}}/deploy_tokens/{t.id}") for t in old),
            Request(
                "POST",
                "/projects/{project}/deploy_tokens",
                {"name": name, "scopes": ["read_registry"]},
            ),
        ),
        gives=PULL_TOKEN,
    )


def _schedule(wanted: Schedule, found: Found) -> Iterator[Action]:
    if not wanted.ref:
        return
    there = next((s for s in found.schedules if s.description == wanted.description), None)
    if there is None:
        body = {
            "description": wanted.description,
            "ref": f"refs/heads/{wanted.ref}",
            "cron": wanted.cron,
            "cron_timezone": "UTC",
            "active": True,
        }
        yield Action(
            "schedule",
            wanted.description,
            f"start a pipeline on {wanted.ref} every night ({wanted.cron}, UTC), which sweeps "
            "expired environments and takes the backups that are due",
            (Request("POST", "/projects/{project}/pipeline_schedules", body),),
        )
        return
    wrong: dict[str, Any] = {}
    if there.ref.removeprefix("refs/heads/") != wanted.ref:
        wrong["ref"] = f"refs/heads/{wanted.ref}"
    if not there.active:
        wrong["active"] = True
    if wrong:
        yield Action(
            "schedule",
            wanted.description,
            f"let the schedule `{wanted.description}` start pipelines on {wanted.ref} again",
            (Request("PUT", f"/projects/{{project}}/pipeline_schedules/{there.id}", wrong),),
        )


def _cleanup(wanted: Cleanup, found: Found) -> Iterator[Action]:
    there = found.cleanup
    removes = there.get("name_regex_delete") or there.get("name_regex")
    same = (removes, there.get("name_regex_keep")) == (wanted.removes, wanted.keeps)
    if there.get("enabled") and same:
        return
    before = f"now it removes what matches `{removes}`" if there.get("enabled") else "now it is off"
    policy = {
        "enabled": True,
        "cadence": wanted.cadence,
        "older_than": wanted.older_than,
        "keep_n": wanted.keep_n,
        "name_regex_delete": wanted.removes,
        "name_regex_keep": wanted.keeps,
    }
    yield Action(
        "cleanup",
        "container_expiration_policy",
        f"let GitLab remove debug images of commits older than {wanted.older_than}, and no image "
        f"that an environment can run; {before}",
        (
            Request(
                "PUT", "/projects/{project}", {"container_expiration_policy_attributes": policy}
            ),
        ),
    )


def _newest(name: str, tokens: tuple[FoundToken, ...]) -> FoundToken | None:
    return max((each for each in tokens if each.name == name), key=lambda t: t.id, default=None)
