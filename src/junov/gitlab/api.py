"""The part of GitLab's REST API that junov uses, through python-gitlab.

https://docs.gitlab.com/api/rest/ describes it. Where GitLab answers 429, python-gitlab waits as
long as GitLab asks for (`Retry-After`) and tries again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from junov.errors import JunovError, NotFoundError, StageError, UnavailableError
from junov.secret import Secret, redact

if TYPE_CHECKING:
    from gitlab import Gitlab

ANSWER_SECONDS = 30.0
_TRIES_UNDER_A_RATE_LIMIT = 5
_PAGE = 100  # the most that GitLab gives at once
_LONGEST_ANSWER = 500

Data = dict[str, Any]


class GitLabApi:
    """A project on GitLab, as one token sees it.

    Every method raises UnavailableError where GitLab doesn't answer or has trouble of its own,
    NotFoundError for what isn't there or is hidden from the token, and StageError for what the
    token may not do or GitLab doesn't accept.

    Args:
        url: GitLab's address, such as `https://gitlab.example.com`.
        path: the project's path there, such as `team/notes`.
        token: a personal, project or group access token.
        timeout: seconds that GitLab may keep silent.
    """

    def __init__(
        self, url: str, path: str, token: Secret, *, timeout: float = ANSWER_SECONDS
    ) -> None:
        self.url = url
        self.path = path
        self._token = token
        self._timeout = timeout
        self._secrets = [token]

    def close(self) -> None:
        """Close the connections."""
        if "_client" in self.__dict__:
            self._client.session.close()

    def hide(self, secret: Secret) -> None:
        """Keep another secret out of every message from now on."""
        self._secrets.append(secret)

    @property
    def project_path(self) -> str:
        """What the paths of everything in the project begin with, such as `/projects/a%2Fb`."""
        return f"/projects/{quote(self.path, safe='')}"

    def get(self, path: str, doing: str, **query: str) -> Data:
        """One object.

        Args:
            path: below `/api/v4`.
            doing: what it is read for, for messages: "could not <doing>".
            query: the query's parameters.
        """
        with self._told(doing):
            answer = self._client.http_get(path, query_data=dict(query))
        return self._object(answer)

    def text(self, path: str, doing: str) -> str:
        """What GitLab gives as plain text, such as a job's log."""
        with self._told(doing):
            answer: Any = self._client.http_get(path, raw=True)
        return str(answer.content.decode("utf-8", "replace"))

    def list(self, path: str, doing: str, **query: str) -> list[Data]:
        """All the objects of a list, whatever number of pages they take."""
        with self._told(doing):
            found = self._client.http_list(
                path, query_data={"per_page": _PAGE, **query}, iterator=True
            )
            return [dict(each) for each in found]

    def send(self, method: str, path: str, doing: str, body: Mapping[str, Any]) -> Data:
        """Change something.

        Args:
            method: POST, PUT, PATCH or DELETE.
            path: below `/api/v4`.
            doing: what is done, for messages.
            body: sent as JSON.

        Returns:
            What GitLab answers; nothing where it answers nothing.
        """
        with self._told(doing):
            answer = self._client.http_request(
                method.lower(), path, post_data=dict(body) or None, **self._patience
            )
            found = answer.json() if answer.content else {}
        return dict(found) if isinstance(found, dict) else {}

    @property
    def _patience(self) -> dict[str, Any]:
        return {"obey_rate_limit": True, "max_retries": _TRIES_UNDER_A_RATE_LIMIT}

    @cached_property
    def _client(self) -> Gitlab:
        import requests  # 130 ms with python-gitlab: only commands that ask GitLab pay for it
        from gitlab import Gitlab

        session = requests.Session()
        # A redirect would take the token along to wherever it points.
        session.max_redirects = 0
        return Gitlab(
            self.url,
            private_token=self._token.reveal(),
            timeout=self._timeout,
            # Else the pages after the first are asked for at the address that GitLab has for
            # itself, which may be another one, and gets the token.
            keep_base_url=True,
            session=session,
        )

    def _object(self, answer: object) -> Data:
        if isinstance(answer, dict):
            return answer
        raise UnavailableError(
            f"what answers at {self.url} is not GitLab's API",
            remedy="check GitLab's address: `gitlab.url` in junov.yaml, or --url",
        )

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        import requests
        from gitlab.exceptions import GitlabError, GitlabParsingError

        try:
            yield
        except (GitlabParsingError, requests.exceptions.JSONDecodeError):
            self._object(None)
        except GitlabError as error:
            raise self._refused(doing, error.response_code, str(error.error_message)) from None
        except requests.exceptions.RequestException as error:
            raise self._unreachable(error) from None

    def _refused(self, doing: str, status: int | None, why: str) -> JunovError:
        """The error for one of GitLab's own: https://docs.gitlab.com/api/rest/troubleshooting/."""
        said = redact(why, self._secrets).strip()[:_LONGEST_ANSWER]
        what = f"could not {doing}: GitLab answers {status}"
        if status == 401:
            return StageError(
                f"GitLab at {self.url} doesn't take the token",
                remedy="it may have expired: make another at "
                f"{self.url}/-/user_settings/personal_access_tokens with the scope api, and set "
                "JUNOV_GITLAB_TOKEN to it",
            )
        if status == 403:
            return StageError(
                f"the token may not {doing}",
                remedy=f"it takes the role Maintainer in {self.path}, and the scope api",
                detail=said,
            )
        if status == 404:
            return NotFoundError(
                f"could not {doing}: GitLab at {self.url} has no such thing, or hides it from "
                "this token",
                remedy=f"see that {self.path} is the project's path there (`gitlab.path` in "
                "junov.yaml, or --path) and that the token's user is a member",
                detail=said,
            )
        if status == 429:
            return UnavailableError(
                f"could not {doing}: GitLab's rate limit is reached, and waiting for it was no use",
                remedy="run it again in some minutes: what is done already is left as it is",
            )
        if status is None or status >= 500:
            return UnavailableError(
                what if status else f"could not {doing}",
                remedy="GitLab has trouble of its own; run it again later: what is done already "
                "is left as it is",
                detail=said,
            )
        return StageError(what, remedy="what GitLab says of it stands below", detail=said)

    def _unreachable(self, error: Exception) -> UnavailableError:
        import requests

        said = redact(str(error), self._secrets)
        elsewhere = "`gitlab.url` in junov.yaml, or --url"
        if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE" in said:
            why = "its certificate can't be verified"
            remedy = (
                "where an authority of your own has signed it, set REQUESTS_CA_BUNDLE to a file "
                "with that authority's certificate"
            )
        elif isinstance(error, requests.exceptions.TooManyRedirects):
            why, remedy = "it redirects to another address", f"give that address: {elsewhere}"
        elif isinstance(error, requests.exceptions.Timeout):
            why, remedy = f"it was silent for {self._timeout:g} s", "run it again"
        else:
            why = "no connection"
            remedy = f"check GitLab's address ({elsewhere}), and that this machine reaches it"
        return UnavailableError(
            f"GitLab at {self.url} does not answer: {why}", remedy=remedy, detail=said
        )
