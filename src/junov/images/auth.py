"""Logging in to a registry: Basic, or the token flow that GitLab and Docker Hub use.

The flow is that of https://distribution.github.io/distribution/spec/auth/token/: the registry
answers 401 and names a realm, which gives a short-lived token for a scope.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

import httpx2

from junov.errors import StageError
from junov.images.credentials import Credentials
from junov.images.manifest import read_object
from junov.images.reference import is_loopback, registry_url
from junov.secret import Secret

# A token without a lifetime is good for a minute, says the specification.
TOKEN_SECONDS = 60
LEEWAY_SECONDS = 5

_PARAMETER = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_PUSHING = frozenset({"PUT", "POST", "PATCH", "DELETE"})

Requests = Generator[httpx2.Request, httpx2.Response, None]


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a registry wants before it answers.

    Args:
        scheme: `bearer` or `basic`.
        parameters: what it says about it, such as `realm`, `service` and `scope`.
    """

    scheme: str
    parameters: Mapping[str, str]


def parse_challenge(headers: Sequence[str]) -> Challenge | None:
    """The best challenge among a response's `WWW-Authenticate` headers: Bearer before Basic."""
    found = {}
    for header in headers:
        scheme, _, rest = header.strip().partition(" ")
        found[scheme.lower()] = dict(_PARAMETER.findall(rest))
    for scheme in ("bearer", "basic"):
        if scheme in found:
            return Challenge(scheme, found[scheme])
    return None


class RegistryAuth(httpx2.Auth):
    """Answers one registry's challenges, and remembers its tokens while they last.

    Args:
        host: the registry; nothing is ever sent to another host but to its realm.
        credentials: finds the credentials for it; called once, when the registry first asks.
    """

    def __init__(self, host: str, credentials: Callable[[], Credentials | None]) -> None:
        self._host = host
        self._origin = _origin(httpx2.URL(registry_url(host)))
        self._find = credentials
        self._asked = False
        self._credentials: Credentials | None = None
        self._headers: dict[tuple[str, bool], tuple[Secret, float]] = {}

    def tried(self) -> str:
        """Whose credentials the registry was asked with, for messages."""
        return str(self._credentials) if self._credentials else "no credentials"

    def sync_auth_flow(self, request: httpx2.Request) -> Requests:
        """As httpx wants it: gives requests, is sent their responses."""
        if _origin(request.url) != self._origin:
            yield request
            return
        key = (_repository(request.url.path), request.method in _PUSHING)
        header, expires = self._headers.get(key, (None, 0.0))
        if header and expires > time.monotonic():
            request.headers["Authorization"] = header.reveal()
        response = yield request
        challenge = parse_challenge(response.headers.get_list("WWW-Authenticate"))
        if response.status_code != httpx2.codes.UNAUTHORIZED or not challenge:
            return
        credentials = self._known_credentials()
        if challenge.scheme == "basic":
            if not credentials:
                return
            header, lifetime = basic_header(credentials), float("inf")
        else:
            answer = yield self._token_request(challenge, credentials)
            answer.read()
            header, lifetime = self._token(answer)
        self._headers[key] = (header, time.monotonic() + lifetime)
        request.headers["Authorization"] = header.reveal()
        yield request

    def _known_credentials(self) -> Credentials | None:
        if not self._asked:
            self._credentials, self._asked = self._find(), True
        return self._credentials

    def _token_request(
        self, challenge: Challenge, credentials: Credentials | None
    ) -> httpx2.Request:
        realm = httpx2.URL(challenge.parameters.get("realm", ""))
        if realm.scheme != "https" and not (realm.scheme == "http" and is_loopback(self._host)):
            raise StageError(
                f"the registry {self._host} wants its password sent to `{realm}`, which is not "
                "encrypted",
                remedy="have its token realm served over https",
            )
        query: dict[str, str | list[str]] = {}
        if "scope" in challenge.parameters:
            query["scope"] = challenge.parameters["scope"].split()
        if "service" in challenge.parameters:
            query["service"] = challenge.parameters["service"]
        headers = {}
        if credentials:
            headers["Authorization"] = basic_header(credentials).reveal()
        return httpx2.Request("GET", realm.copy_merge_params(query), headers=headers)

    def _token(self, answer: httpx2.Response) -> tuple[Secret, float]:
        realm = answer.request.url.host
        if not answer.is_success:
            raise StageError(
                f"{realm} gave no token for the registry {self._host}: it answered "
                f"{answer.status_code} to {self.tried()}",
                remedy=login_remedy(self._host),
            )
        data = read_object(answer.content, f"the token of {realm}")
        token = data.get("token") or data.get("access_token")
        if not isinstance(token, str):
            raise StageError(f"{realm} gave no token for the registry {self._host}")
        lifetime = data.get("expires_in")
        seconds = lifetime if isinstance(lifetime, int) else TOKEN_SECONDS
        return Secret(f"Bearer {token}"), seconds - LEEWAY_SECONDS


def basic_header(credentials: Credentials) -> Secret:
    """The value of an `Authorization` header (RFC 7617)."""
    text = f"{credentials.user}:{credentials.password.reveal()}"
    return Secret(f"Basic {base64.b64encode(text.encode()).decode()}")


def login_remedy(host: str) -> str:
    """What mends refused credentials."""
    return (
        f"log in with: docker login {host}; in a CI job, CI_REGISTRY_USER and "
        f"CI_REGISTRY_PASSWORD are taken where CI_REGISTRY is {host}"
    )


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _repository(path: str) -> str:
    return re.split(r"/(?:manifests|blobs|tags)/", path, maxsplit=1)[0]
