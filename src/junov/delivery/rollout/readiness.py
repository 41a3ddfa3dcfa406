"""Whether a container can take requests: its health path answers, and Docker's health agrees."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from junov.engine.api import Engine
from junov.engine.inspection import Container, Ended
from junov.engine.sockets import listeners_in
from junov.errors import CommandError, StageError

Ends = Literal["never", "maybe", "always"]

_POLL_SECONDS = 0.1
_PROBE_SECONDS = 5.0
_TOO_MANY_RESTARTS = 3  # one may be bad luck, such as a database that was just restarting


def wait_ready(
    engine: Engine,
    container: Container,
    *,
    health: Callable[[Container], str] | None,
    timeout: float,
    redact: Callable[[str], str],
    ends: Ends = "never",
) -> float:
    """Wait until a container is ready.

    The health path is polled fast and by us. Docker's own healthcheck, where there is one, has to
    agree, but its interval is not waited out: what it would run next is run at once.

    Args:
        engine: the engine.
        container: the container that was started.
        health: gives the address of its health path, empty while it has none; None where only
            Docker's health is asked.
        timeout: seconds until it counts as failed.
        redact: takes secrets out of its log before that becomes part of an error.
        ends: whether it is there to end by itself: with `always`, only exit code 0 counts as
            ready; with `maybe`, that counts as well as running.

    Returns:
        How many seconds it took.

    Raises:
        StageError: it ended, keeps ending, or wasn't ready in time; with its last log lines.
    """
    began = time.monotonic()
    said, answer = "it has not answered yet", None
    while time.monotonic() - began < timeout:
        now, ended = engine.container(container.id), engine.ended(container.id)
        if now is None or ended is None:
            raise _failed(engine, container, "was removed by somebody", "deploy again", redact)
        if now.state in ("exited", "dead"):
            if ends != "never" and ended.exit_code == 0:
                return time.monotonic() - began
            raise _failed(engine, container, str(ended), after_end(ended), redact)
        if ended.restarts >= _TOO_MANY_RESTARTS:
            what = f"{ended}, again and again"
            raise _failed(engine, container, what, after_end(ended), redact)
        answer = ask(health(now)) if health else None
        if answer and not answer.is_well:
            said = str(answer)
        elif now.running and ends != "always":
            agrees, said = _docker_agrees(engine, now)
            if agrees:
                return time.monotonic() - began
        else:
            said = f"it is {now.state}"
        time.sleep(_POLL_SECONDS)
    remedy = _MORE_TIME
    if answer and not answer.is_well:
        said, remedy = _explained(engine, container, answer)
    raise _failed(engine, container, f"was not ready after {timeout:g} s: {said}", remedy, redact)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a health path said.

    Args:
        url: its address; empty where it has none.
        status: the status; None where there was no answer.
        error: the kind of error, where there was no answer.
    """

    url: str
    status: int | None = None
    error: str = ""

    @property
    def is_well(self) -> bool:
        """Whether it was 2xx."""
        return self.status is not None and 200 <= self.status < 300

    def __str__(self) -> str:
        if self.status is not None:
            return f"{self.url} answered {self.status}"
        return f"{self.url} does not answer ({self.error})" if self.url else "it has no address"


def ask(url: str, seconds: float = _PROBE_SECONDS) -> Answer:
    """Ask a health path, and wait so many seconds for each part of its answer."""
    import httpx2

    if not url:
        return Answer(url)
    try:
        # Plain HTTP, so no certificates are read: that would take 20 ms each time.
        answer = httpx2.get(url, timeout=seconds, trust_env=False, verify=False)
        return Answer(url, answer.status_code)
    except httpx2.HTTPError as error:
        return Answer(url, error=type(error).__name__)


def after_end(ended: Ended) -> str:
    """What to do about a container that has ended."""
    if ended.wants_memory:
        return "give its service more memory in the compose file, or find out what takes so much"
    return "its last lines stand below"


_MORE_TIME = (
    "its last lines stand below; where it only needs longer, set a larger `web.timeout` in "
    "junov.yaml"
)


def _explained(engine: Engine, container: Container, answer: Answer) -> tuple[str, str]:
    """Why a health path isn't well and what to do about it, as far as that can be told."""
    address = urlsplit(answer.url)
    if answer.status is not None:
        return str(answer), f"have {address.path} answer 2xx, or set `web.health` in junov.yaml"
    found = listeners_in(engine, container.id) if answer.url else None
    mine = [each for each in found or () if each.port == address.port]
    if found is None or any(not each.loopback for each in mine):
        return str(answer), _MORE_TIME
    if mine:
        return (
            f"it listens on port {address.port} of its own loopback only",
            "have it listen on 0.0.0.0, where the edge can reach it",
        )
    if not found:
        return f"nothing in it listens on port {address.port}", _MORE_TIME
    others = " and ".join(str(port) for port in sorted({each.port for each in found}))
    return (
        f"nothing in it listens on port {address.port}, but on {others}",
        "set `web.port` in junov.yaml to the one that answers requests",
    )


def _docker_agrees(engine: Engine, container: Container) -> tuple[bool, str]:
    if container.health in ("", "healthy"):
        return True, ""
    check = engine.healthcheck(container.id)
    if check is None:
        return True, ""
    try:
        code, output = engine.execute(container.id, check.command, timeout=check.seconds)
    except CommandError as error:
        # Its command hangs, or it has just ended; then the next look tells how.
        return False, f"its healthcheck: {error.message}"
    last = output.strip().splitlines()[-1:] or ["it printed nothing"]
    return code == 0, f"its healthcheck ends with exit code {code}: {last[0]}"


def _failed(
    engine: Engine, container: Container, what: str, remedy: str, redact: Callable[[str], str]
) -> StageError:
    return StageError(
        redact(f"{container.name} {what}"),
        detail=redact(engine.last_log_lines(container.id)) or "(it printed nothing)",
        remedy=remedy,
    )
