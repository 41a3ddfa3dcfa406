"""What the double of GitLab in `gitlab_stub.py` keeps, and what it answers to each request."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

PATH = "team/notes"
PROJECT = 5
ADMINISTRATOR = 60

Data = dict[str, Any]
Answer = tuple[int, Any]


@dataclass
class Fault:
    """What the double answers instead of what it should.

    Args:
        method, path: which requests; `path` is a regular expression of what follows `/api/v4`.
        status, body, headers: the answer.
        times: how often.
    """

    method: str
    path: str
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1


@dataclass
class Ask:
    """A request: the parts of its path, its body, its query, and who sends it in which role."""

    place: Data
    body: Data
    query: dict[str, str]
    user: int = 1
    role: int = 40

    @property
    def permissions(self) -> Data:
        """What GitLab tells of the sender's rights in a project."""
        member = {"access_level": self.role} if self.role < ADMINISTRATOR else None
        return {"project_access": member, "group_access": None}


@dataclass
class GitLabStub:
    """What the double keeps, and what was asked of it.

    Args:
        url: where it answers.
        asked: every request as `METHOD path`, without queries.
        sent: the bodies of the requests that change something.
    """

    url: str = ""
    version: str = "18.11.2-ee"
    project: Data = field(default_factory=dict)
    users: dict[str, tuple[int, int, list[str]]] = field(default_factory=dict)
    runners: dict[int, Data] = field(default_factory=dict)
    runner_tokens: dict[int, str] = field(default_factory=dict)
    branches: dict[str, Data] = field(default_factory=dict)
    tags: dict[str, Data] = field(default_factory=dict)
    variables: list[Data] = field(default_factory=list)
    access_tokens: dict[int, Data] = field(default_factory=dict)
    deploy_tokens: dict[int, Data] = field(default_factory=dict)
    schedules: dict[int, Data] = field(default_factory=dict)
    notes: dict[int, Data] = field(default_factory=dict)
    traces: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    sent: list[Data] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    last: int = 100

    @property
    def written(self) -> list[str]:
        """The requests that change something."""
        return [each for each in self.asked if not each.startswith("GET ")]

    def number(self) -> int:
        """The next number of anything."""
        self.last += 1
        return self.last

    def secret(self, prefix: str) -> str:
        """A token, which is remembered as shown."""
        self.shown.append(f"{prefix}{secrets.token_hex(10)}")
        return self.shown[-1]

    def reply(self, method: str, url: str, token: str | None, body: Data) -> Answer:
        """The answer to one request."""
        parts = urlsplit(url)
        path = parts.path.removeprefix("/api/v4")
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        if token not in self.users:
            return 401, {"message": "401 Unauthorized"}
        user, role, scopes = self.users[token]
        if path == "/version":
            return 200, {"version": self.version, "revision": "abc123"}
        if path == "/user":
            return 200, {"id": user, "username": f"user{user}"}
        if path == "/personal_access_tokens/self":
            return 200, {"id": user, "scopes": scopes, "expires_at": "2027-06-30", "active": True}
        for pattern, handler, least in _ROUTES:
            found = re.fullmatch(rf"{method} {pattern}", f"{method} {path}")
            if found and handler.__name__.startswith(f"_{method.lower()}"):
                place = {key: unquote(value) for key, value in found.groupdict().items()}
                if place.get("project") not in (None, PATH, str(PROJECT)):
                    return 404, {"message": "404 Project Not Found"}
                if role < least:
                    return 403, {"message": "403 Forbidden"}
                return handler(self, Ask(place, body, query, user, role))
        return 404, {"error": "404 Not Found"}

    def _get_project(self, ask: Ask) -> Answer:
        return 200, {**self.project, "permissions": ask.permissions}

    def _put_project(self, ask: Ask) -> Answer:
        policy = ask.body.pop("container_expiration_policy_attributes", None)
        self.project.update(ask.body)
        if policy:
            policy["name_regex"] = policy.pop("name_regex_delete")
            self.project["container_expiration_policy"].update(policy)
        return 200, self.project

    def _post_user_runners(self, ask: Ask) -> Answer:
        if "runner_type" not in ask.body:
            return 400, {"error": "runner_type is missing"}
        if ask.body["runner_type"] == "project_type" and ask.body.get("project_id") != PROJECT:
            return 400, {"error": "project_id is missing"}
        number = self.number()
        self.runners[number] = {
            "id": number,
            "description": ask.body["description"],
            "active": True,
            "paused": False,
            "is_shared": False,
            "runner_type": "project_type",
            "name": None,
            "online": False,
            "status": "never_contacted",
            "tag_list": ask.body["tag_list"],
            "run_untagged": ask.body["run_untagged"],
            "locked": ask.body["locked"],
            "access_level": ask.body["access_level"],
            "maximum_timeout": None,
        }
        self.runner_tokens[number] = self.secret("glrt-")
        token = self.runner_tokens[number]
        return 201, {"id": number, "token": token, "token_expires_at": None}

    def _get_runners(self, ask: Ask) -> Answer:
        assert ask.query["type"] == "project_type"
        hidden = ("tag_list", "access_level", "locked", "run_untagged", "maximum_timeout")
        return 200, [
            {key: value for key, value in runner.items() if key not in hidden}
            for runner in self.runners.values()
        ]

    def _get_runner(self, ask: Ask) -> Answer:
        found = self.runners.get(int(ask.place["id"]))
        return (200, found) if found else (404, {"message": "404 Not found"})

    def _put_runner(self, ask: Ask) -> Answer:
        self.runners[int(ask.place["id"])].update(ask.body)
        return 200, self.runners[int(ask.place["id"])]

    def _post_reset(self, ask: Ask) -> Answer:
        self.runner_tokens[int(ask.place["id"])] = self.secret("glrt-")
        token = self.runner_tokens[int(ask.place["id"])]
        return 201, {"token": token, "token_expires_at": None}

    def _get_branches(self, _: Ask) -> Answer:
        return 200, list(self.branches.values())

    def _post_branches(self, ask: Ask) -> Answer:
        name = ask.body["name"]
        if name in self.branches:
            return 409, {"message": f"Protected branch '{name}' already exists"}
        self.branches[name] = {
            "id": self.number(),
            "name": name,
            "push_access_levels": [level(ask.body.get("push_access_level", 40))],
            "merge_access_levels": [level(ask.body.get("merge_access_level", 40))],
            "allow_force_push": ask.body.get("allow_force_push", False),
            "code_owner_approval_required": False,
        }
        return 201, self.branches[name]

    def _patch_branch(self, ask: Ask) -> Answer:
        if ask.place["name"] not in self.branches:
            return 404, {"message": "404 Not found"}
        self.branches[ask.place["name"]].update(ask.body)
        return 200, self.branches[ask.place["name"]]

    def _delete_branch(self, ask: Ask) -> Answer:
        found = self.branches.pop(ask.place["name"], None)
        return (204, None) if found else (404, {"message": "404 Not found"})

    def _get_tags(self, _: Ask) -> Answer:
        return 200, list(self.tags.values())

    def _post_tags(self, ask: Ask) -> Answer:
        if ask.body["name"] in self.tags:
            return 422, {"message": ["Name has already been taken"]}
        levels = [level(ask.body.get("create_access_level", 40))]
        self.tags[ask.body["name"]] = {"name": ask.body["name"], "create_access_levels": levels}
        return 201, self.tags[ask.body["name"]]

    def _delete_tag(self, ask: Ask) -> Answer:
        found = self.tags.pop(ask.place["name"], None)
        return (204, None) if found else (404, {"message": "404 Not found"})

    def _get_variables(self, _: Ask) -> Answer:
        return 200, self.variables

    def _post_variables(self, ask: Ask) -> Answer:
        made = {"variable_type": "env_var", "hidden": False, "description": None, **ask.body}
        key = (made["key"], made.setdefault("environment_scope", "*"))
        if key in [(each["key"], each["environment_scope"]) for each in self.variables]:
            return 400, {"message": {"key": [f"({key[0]}) has already been taken"]}}
        if made.get("masked") and not re.fullmatch(r"[\w+/=@:.~-]{8,}", made["value"]):
            return 400, {"message": {"value": ["is invalid"]}}
        self.variables.append(made)
        return 201, made

    def _put_variable(self, ask: Ask) -> Answer:
        scope = ask.query.get("filter[environment_scope]")
        found = [each for each in self.variables if each["key"] == ask.place["key"]]
        if scope is None and len(found) > 1:
            said = "There are multiple variables with provided parameters. "
            return 409, {"message": f"{said}Please use 'filter[environment_scope]'"}
        found = [each for each in found if scope in (None, each["environment_scope"])]
        if not found:
            return 404, {"message": "404 Variable Not Found"}
        found[0].update(ask.body)
        return 200, found[0]

    def _get_access_tokens(self, ask: Ask) -> Answer:
        assert ask.query["state"] == "active"
        return 200, [each for each in self.access_tokens.values() if each["active"]]

    def _post_access_tokens(self, ask: Ask) -> Answer:
        number = self.number()
        self.access_tokens[number] = {
            "id": number, "user_id": 166, "name": ask.body["name"], "scopes": ask.body["scopes"],
            "access_level": ask.body.get("access_level", 40), "expires_at": ask.body["expires_at"],
            "active": True, "revoked": False, "created_at": "2026-11-24T02:00:00.000Z",
        }  # fmt: skip
        return 201, {**self.access_tokens[number], "token": self.secret("glpat-")}

    def _post_rotate(self, ask: Ask) -> Answer:
        old = self.access_tokens[int(ask.place["id"])]
        old.update(active=False, revoked=True)
        number = self.number()
        new = {**old, "id": number, "active": True, "revoked": False, **ask.body}
        self.access_tokens[number] = new
        return 200, {**new, "token": self.secret("glpat-")}

    def _get_deploy_tokens(self, _: Ask) -> Answer:
        return 200, list(self.deploy_tokens.values())

    def _post_deploy_tokens(self, ask: Ask) -> Answer:
        number = self.number()
        self.deploy_tokens[number] = {
            "id": number, "name": ask.body["name"], "username": f"gitlab+deploy-token-{number}",
            "expires_at": None, "revoked": False, "expired": False, "scopes": ask.body["scopes"],
        }  # fmt: skip
        return 201, {**self.deploy_tokens[number], "token": self.secret("gldt-")}

    def _delete_deploy_token(self, ask: Ask) -> Answer:
        found = self.deploy_tokens.pop(int(ask.place["id"]), None)
        return (204, None) if found else (404, {"message": "404 Deploy Token Not Found"})

    def _get_schedules(self, _: Ask) -> Answer:
        return 200, list(self.schedules.values())

    def _post_schedules(self, ask: Ask) -> Answer:
        missing = [key for key in ("cron", "description", "ref") if not ask.body.get(key)]
        if missing:
            return 400, {"error": f"{missing[0]} is missing"}
        number = self.number()
        self.schedules[number] = {
            "id": number,
            "next_run_at": "2026-11-25T03:17:00.000Z",
            **ask.body,
        }
        return 201, self.schedules[number]

    def _put_schedule(self, ask: Ask) -> Answer:
        self.schedules[int(ask.place["id"])].update(ask.body)
        return 200, self.schedules[int(ask.place["id"])]

    def _get_notes(self, ask: Ask) -> Answer:
        mine = [n for n in self.notes.values() if n["noteable_iid"] == int(ask.place["iid"])]
        return 200, mine

    def _post_notes(self, ask: Ask) -> Answer:
        number = self.number()
        self.notes[number] = {
            "id": number,
            "body": ask.body["body"],
            "author": {"id": ask.user},
            "system": False,
            "noteable_type": "MergeRequest",
            "noteable_iid": int(ask.place["iid"]),
        }
        return 201, self.notes[number]

    def _put_note(self, ask: Ask) -> Answer:
        note = self.notes[int(ask.place["id"])]
        if note["author"]["id"] != ask.user:
            return 403, {"message": "403 Forbidden"}
        note["body"] = ask.body["body"]
        return 200, note

    def _get_trace(self, ask: Ask) -> Answer:
        found = self.traces.get(ask.place["id"])
        return (200, found) if found is not None else (404, {"message": "404 Not found"})


def level(number: int) -> Data:
    """An access level as GitLab's lists have it."""
    return {"id": 1, "access_level": number, "access_level_description": f"level {number}"}


_HERE = r"/projects/(?P<project>[^/]+)"
Handler = Callable[[GitLabStub, Ask], Answer]
_S = GitLabStub
_ROUTES: list[tuple[str, Handler, int]] = [
    (_HERE, _S._get_project, 0),
    (_HERE, _S._put_project, 40),
    (r"/user/runners", _S._post_user_runners, 40),
    (rf"{_HERE}/runners", _S._get_runners, 40),
    (r"/runners/(?P<id>\d+)", _S._get_runner, 40),
    (r"/runners/(?P<id>\d+)", _S._put_runner, 40),
    (r"/runners/(?P<id>\d+)/reset_authentication_token", _S._post_reset, 40),
    (rf"{_HERE}/protected_branches", _S._get_branches, 30),
    (rf"{_HERE}/protected_branches", _S._post_branches, 40),
    (rf"{_HERE}/protected_branches/(?P<name>[^/]+)", _S._patch_branch, 40),
    (rf"{_HERE}/protected_branches/(?P<name>[^/]+)", _S._delete_branch, 40),
    (rf"{_HERE}/protected_tags", _S._get_tags, 30),
    (rf"{_HERE}/protected_tags", _S._post_tags, 40),
    (rf"{_HERE}/protected_tags/(?P<name>[^/]+)", _S._delete_tag, 40),
    (rf"{_HERE}/variables", _S._get_variables, 40),
    (rf"{_HERE}/variables", _S._post_variables, 40),
    (rf"{_HERE}/variables/(?P<key>[^/]+)", _S._put_variable, 40),
    (rf"{_HERE}/access_tokens", _S._get_access_tokens, 40),
    (rf"{_HERE}/access_tokens", _S._post_access_tokens, 40),
    (rf"{_HERE}/access_tokens/(?P<id>\d+)/rotate", _S._post_rotate, 40),
    (rf"{_HERE}/deploy_tokens", _S._get_deploy_tokens, 40),
    (rf"{_HERE}/deploy_tokens", _S._post_deploy_tokens, 40),
    (rf"{_HERE}/deploy_tokens/(?P<id>\d+)", _S._delete_deploy_token, 40),
    (rf"{_HERE}/pipeline_schedules", _S._get_schedules, 20),
    (rf"{_HERE}/pipeline_schedules", _S._post_schedules, 30),
    (rf"{_HERE}/pipeline_schedules/(?P<id>\d+)", _S._put_schedule, 30),
    (rf"{_HERE}/merge_requests/(?P<iid>\d+)/notes", _S._get_notes, 10),
    (rf"{_HERE}/merge_requests/(?P<iid>\d+)/notes", _S._post_notes, 10),
    (rf"{_HERE}/merge_requests/(?P<iid>\d+)/notes/(?P<id>\d+)", _S._put_note, 10),
    (rf"{_HERE}/jobs/(?P<id>\d+)/trace", _S._get_trace, 10),
]
