"""HTTP to a registry: bounded in time and size, and its failures as errors that a user can read."""

from __future__ import annotations

import time
from dataclasses import dataclass

import httpx2

from junov import __version__
from junov.errors import JunovError, StageError, UnavailableError
from junov.images.manifest import read_object
from junov.images.reference import Repository, is_loopback, registry_url

CONNECT_SECONDS = 5.0
RETRY_PAUSES = (0.2, 0.6)  # seconds

# What a registry answers under load and means nothing of: the next answer may be another.
_PASSING = frozenset({500, 502, 503, 504})
_REPEATABLE = frozenset({"GET", "HEAD"})
_BROKEN_OFF = (httpx2.ReadError, httpx2.RemoteProtocolError)
_BROKEN = (httpx2.ConnectError, *_BROKEN_OFF)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a registry answered.

    Args:
        status: the HTTP status.
        headers: its headers.
        content: its body, whole.
        url: where it came from in the end.
        next_url: where the list goes on, if it does.
    """

    status: int
    headers: httpx2.Headers
    content: bytes
    url: httpx2.URL
    next_url: httpx2.URL | None = None


def client_for(host: str, timeout: float, auth: httpx2.Auth | None = None) -> httpx2.Client:
    return httpx2.Client(
        auth=auth,
        timeout=httpx2.Timeout(timeout, connect=CONNECT_SECONDS),
        headers={"User-Agent": f"junov/{__version__}"},
        follow_redirects=True,
        # A proxy is for the world outside: it cannot reach this machine's own registry.
        trust_env=not is_loopback(host),
    )


def send(client: httpx2.Client, host: str, request: httpx2.Request, limit: int) -> Answer:
    """Send a request; one that changes nothing is sent again where the connection broke.

    Args:
        client: the client for the registry.
        host: the registry's host, for messages.
        request: the request.
        limit: how many bytes the answer may have.

    Raises:
        UnavailableError: the registry does not answer.
        StageError: its answer is larger than the limit.
    """
    pauses = list(RETRY_PAUSES) if request.method in _REPEATABLE else []
    while True:
        try:
            answer = _receive(client.send(request, stream=True), limit)
            if answer.status not in _PASSING or not pauses:
                return answer
            time.sleep(pauses.pop(0))
        except _BROKEN as error:
            if not pauses:
                raise _unavailable(host, error) from None
            time.sleep(pauses.pop(0))
        except httpx2.RequestError as error:
            raise _unavailable(host, error) from None


def _receive(response: httpx2.Response, limit: int) -> Answer:
    content = bytearray()
    try:
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > limit:
                raise StageError(
                    f"{response.url} has more than the {limit // 1024 // 1024} MiB that junov reads"
                )
    finally:
        response.close()
    link = response.links.get("next", {}).get("url")
    next_url = response.url.join(link) if link else None
    return Answer(response.status_code, response.headers, bytes(content), response.url, next_url)


def _unavailable(host: str, error: httpx2.RequestError) -> UnavailableError:
    # A token may come from another host than the images.
    asked, own = error.request.url, httpx2.URL(registry_url(host))
    where = f"the registry {host}"
    if asked.netloc != own.netloc:
        where = f"{asked.netloc.decode()}, which the registry {host} needs,"
    why = "it kept silent" if isinstance(error, httpx2.TimeoutException) else str(error)
    if isinstance(error, _BROKEN_OFF):
        return UnavailableError(
            f"{where} breaks off its answers: {why or type(error).__name__}",
            remedy="look at its log; where it has lost a part of an image, build and push that "
            "again",
        )
    if "CERTIFICATE_VERIFY_FAILED" in why:
        remedy = "name the file of its authority in SSL_CERT_FILE"
    elif is_loopback(host):
        remedy = "if it is this server's own, start it with: junov server up"
    else:
        remedy = f"check the host in junov.yaml, and the network: curl {registry_url(host)}/v2/"
    return UnavailableError(
        f"{where} does not answer: {why or type(error).__name__}", remedy=remedy
    )


def failed(repository: Repository, method: str, answer: Answer) -> JunovError:
    """The error for an answer that is no success."""
    message = (
        f"the registry {repository.host} answered {answer.status} to {method} in "
        f"{repository.path}{reason_of(answer)}"
    )
    if answer.status == httpx2.codes.METHOD_NOT_ALLOWED and method == "DELETE":
        return StageError(
            message, remedy="let it delete: REGISTRY_STORAGE_DELETE_ENABLED=true (distribution)"
        )
    if answer.status == httpx2.codes.TOO_MANY_REQUESTS or answer.status >= 500:
        return UnavailableError(message, remedy="look at its log, or try again in a while")
    return StageError(message, remedy="look at the log of the registry")


def reason_of(answer: Answer) -> str:
    """What the registry itself says, in the form that the specification gives to errors.

    Returns:
        A colon and the messages; empty where it says nothing.
    """
    try:
        errors = read_object(answer.content, "").get("errors") or []
        said = [f"{error.get('message') or error['code']}" for error in errors]
    except (JunovError, KeyError, TypeError, AttributeError):
        return ""
    return f": {', '.join(said)}" if said else ""
