"""Doing what a plan says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from junov.errors import StageError
from junov.gitlab.action import Action
from junov.gitlab.api import Data, GitLabApi
from junov.secret import Secret


@dataclass(frozen=True, slots=True)
class Given:
    """A token that GitLab has shown, once.

    Args:
        name: what it is called in the action that made it (`Action.gives`).
        secret: the token.
        id: GitLab's number for what it belongs to; None where the answer doesn't say.
        user: the name that goes with it, of a deploy token; else empty.
    """

    name: str
    secret: Secret
    id: int | None
    user: str


class Applier:
    """Does the actions of one plan, in its order: later ones need tokens that earlier ones give.

    Args:
        api: the project.
        project_id: the project's number.
        keep: given each token as soon as there is one: whatever fails after that, it is not lost.
    """

    def __init__(self, api: GitLabApi, project_id: int, keep: Callable[[Given], None]) -> None:
        self._api = api
        self._project_id = project_id
        self._keep = keep
        self._secrets: dict[str, Secret] = {}

    def do(self, action: Action) -> None:
        """Do one action.

        Raises:
            JunovError: as `GitLabApi`; what was done before stays, and another plan leaves it out.
        """
        answer: Data = {}
        for request in action.requests:
            path = request.path.replace("{project}", str(self._project_id))
            body = dict(request.body)
            if action.takes:
                body["value"] = self._secrets[action.takes].reveal()
            doing = action.sentence.partition(":")[0]
            answer = self._api.send(request.method, path, doing, body)
        if action.gives:
            self._take(action, answer)

    def _take(self, action: Action, answer: Data) -> None:
        if not answer.get("token"):
            raise StageError(
                f"GitLab has shown no token for {action.name}",
                remedy="remove it on GitLab, and run this again",
            )
        secret = Secret(str(answer["token"]))
        self._secrets[action.gives] = secret
        self._api.hide(secret)
        self._keep(Given(action.gives, secret, answer.get("id"), str(answer.get("username") or "")))
