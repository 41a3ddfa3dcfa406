"""What a project has on GitLab, as its API tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from junov.errors import StageError
from junov.gitlab.api import Data, GitLabApi
from junov.gitlab.desired import MAINTAINER


@dataclass(frozen=True, slots=True)
class FoundRunner:
    """A runner of the project alone; not one of a group or the whole GitLab.

    Args:
        id: GitLab's number for it.
        description: what it is found by.
        tags: its tags.
        access_level: `ref_protected` or `not_protected`.
        run_untagged: whether it takes jobs without tags.
        locked: whether it can't be given to other projects.
        paused: whether it takes no jobs.
        online: whether GitLab has heard of it lately.
        status: GitLab's word: online, offline, stale, never_contacted.
    """

    id: int
    description: str
    tags: tuple[str, ...]
    access_level: str
    run_untagged: bool
    locked: bool
    paused: bool
    online: bool
    status: str


@dataclass(frozen=True, slots=True)
class FoundBranch:
    """A protected branch or pattern.

    Args:
        name: the branch or pattern.
        push: the roles that may push. Users, groups and deploy keys that may beside them are
            not among them: those were given the right one by one.
        force_push: whether those who may push may also rewrite it.
    """

    name: str
    push: tuple[int, ...]
    force_push: bool


@dataclass(frozen=True, slots=True)
class FoundTag:
    """A protected tag or pattern, and the roles that may make such tags."""

    name: str
    create: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FoundVariable:
    """A variable of CI, without its value."""

    key: str
    scope: str
    protected: bool
    masked: bool


@dataclass(frozen=True, slots=True)
class FoundToken:
    """An access token or a deploy token that is in force, and its last day if it has one."""

    id: int
    name: str
    expires: date | None
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FoundSchedule:
    """A pipeline that GitLab starts by itself."""

    id: int
    description: str
    ref: str
    active: bool


@dataclass(frozen=True, slots=True)
class Found:
    """All of it.

    Args:
        id: the project's number.
        default_branch: the project's; empty for an empty repository.
        image_prefix: what the names of its images in GitLab's registry begin with; empty where it
            has none there.
        cleanup: the cleanup policy, as GitLab has it.
        protects_merge_requests: whether pipelines of merge requests between protected branches
            count as protected; None where this GitLab doesn't know such a setting.
    """

    id: int
    default_branch: str
    image_prefix: str
    cleanup: Mapping[str, Any]
    protects_merge_requests: bool | None
    runners: tuple[FoundRunner, ...]
    branches: tuple[FoundBranch, ...]
    tags: tuple[FoundTag, ...]
    variables: tuple[FoundVariable, ...]
    access_tokens: tuple[FoundToken, ...]
    deploy_tokens: tuple[FoundToken, ...]
    schedules: tuple[FoundSchedule, ...]


def find(api: GitLabApi, *, access_tokens: bool = True) -> Found:
    """Read what the project has.

    Args:
        api: the project.
        access_tokens: whether its access tokens are looked at.

    Raises:
        StageError: the token's user is no maintainer, and may not see all of it.
        JunovError: as `GitLabApi`.
    """
    here = api.project_path
    project = api.get(here, f"read the project {api.path}")
    _require_maintainer(api, project)
    mine = api.list(f"{here}/runners", "list the project's runners", type="project_type")
    runners = [api.get(f"/runners/{each['id']}", "read a runner") for each in mine]
    branches = api.list(f"{here}/protected_branches", "list protected branches")
    tags = api.list(f"{here}/protected_tags", "list protected tags")
    variables = api.list(f"{here}/variables", "list the project's variables")
    for each in variables:
        each.pop("value", None)
    tokens = (
        api.list(f"{here}/access_tokens", "list the project's access tokens", state="active")
        if access_tokens
        else []
    )
    deploy_tokens = api.list(f"{here}/deploy_tokens", "list deploy tokens", active="true")
    schedules = api.list(f"{here}/pipeline_schedules", "list pipeline schedules")
    return Found(
        id=int(project["id"]),
        default_branch=project.get("default_branch") or "",
        image_prefix=_image_prefix(project),
        cleanup=project.get("container_expiration_policy") or {},
        protects_merge_requests=project.get("protect_merge_request_pipelines"),
        runners=tuple(map(_runner, runners)),
        branches=tuple(
            FoundBranch(
                each["name"],
                _roles(each.get("push_access_levels")),
                bool(each.get("allow_force_push")),
            )
            for each in branches
        ),
        tags=tuple(FoundTag(t["name"], _roles(t.get("create_access_levels"))) for t in tags),
        variables=tuple(
            FoundVariable(
                each["key"],
                each.get("environment_scope") or "*",
                bool(each.get("protected")),
                bool(each.get("masked")),
            )
            for each in variables
        ),
        access_tokens=_in_force(tokens),
        deploy_tokens=_in_force(deploy_tokens),
        schedules=tuple(
            FoundSchedule(
                int(each["id"]), each["description"] or "", each["ref"], bool(each["active"])
            )
            for each in schedules
        ),
    )


def _require_maintainer(api: GitLabApi, project: Data) -> None:
    granted = (project.get("permissions") or {}).values()
    # An administrator of the whole GitLab may be no member at all.
    roles = [int(each["access_level"]) for each in granted if each]
    if roles and max(roles) < MAINTAINER:
        raise StageError(
            f"the token's user is no maintainer of {api.path}",
            remedy="use a personal access token, with the scope api, of somebody who is",
        )


def _image_prefix(project: Data) -> str:
    if project.get("container_registry_access_level") == "disabled":
        return ""
    return project.get("container_registry_image_prefix") or ""


def _runner(raw: Data) -> FoundRunner:
    return FoundRunner(
        id=int(raw["id"]),
        description=raw.get("description") or "",
        tags=tuple(raw.get("tag_list") or ()),
        access_level=raw.get("access_level") or "not_protected",
        run_untagged=bool(raw.get("run_untagged")),
        locked=bool(raw.get("locked")),
        paused=bool(raw.get("paused")),
        online=bool(raw.get("online")),
        status=raw.get("status") or "",
    )


def _roles(levels: Sequence[Data] | None) -> tuple[int, ...]:
    ones = ("user_id", "group_id", "deploy_key_id", "member_role_id")
    return tuple(
        int(each["access_level"])
        for each in levels or ()
        if each.get("access_level") is not None and not any(each.get(one) for one in ones)
    )


def _in_force(tokens: Sequence[Data]) -> tuple[FoundToken, ...]:
    return tuple(
        FoundToken(
            int(each["id"]),
            each["name"],
            date.fromisoformat(each["expires_at"][:10]) if each.get("expires_at") else None,
            tuple(each.get("scopes") or ()),
        )
        for each in tokens
        if not each.get("revoked") and not each.get("expired") and each.get("active", True)
    )
