"""Whether a container can take requests: its health path answers, and Docker's health agrees."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from junov.engine.api import Engine
from junov.engine.inspection import Container
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
    said = "it has not answered yet"
    while time.monotonic() - began < timeout:
        now, ended = engine.container(container.id), engine.ended(container.id)
        if now is None or ended is None:
            raise _failed(engine, container, "was removed by somebody", redact)
        if now.state in ("exited", "dead"):
            if ends != "never" and ended.exit_code == 0:
                return time.monotonic() - began
            raise _failed(engine, container, str(ended), redact)
        if ended.restarts >= _TOO_MANY_RESTARTS:
            raise _failed(engine, container, f"{ended}, again and again", redact)
        answered, said = answers(health(now)) if health else (True, "")
        if answered and now.running and ends != "always":
            agrees, said = _docker_agrees(engine, now)
            if agrees:
                return time.monotonic() - began
        elif answered:
            said = f"it is {now.state}"
        time.sleep(_POLL_SECONDS)
    raise _failed(engine, container, f"was not ready after {timeout:g} s: {said}", redact)


def answers(url: str) -> tuple[bool, str]:
    """Whether an address answers with 2xx, and what it answered instead, in words."""
    import httpx2

    if not url:
        return False, "it has no address"
    try:
        answer = httpx2.get(url, timeout=_PROBE_SECONDS, trust_env=False)
    except httpx2.HTTPError as error:
        return False, f"{url} does not answer ({type(error).__name__})"
    return answer.is_success, f"{url} answered {answer.status_code}"


def _docker_agrees(engine: Engine, container: Container) -> tuple[bool, str]:
    if container.health in ("", "healthy"):
        return True, ""
    argv = engine.healthcheck(container.id)
    try:
        code, output = engine.execute(container.id, argv) if argv else (0, "")
    except CommandError as error:
        return False, error.message  # it has just ended; the next look tells how
    last = output.strip().splitlines()[-1:] or ["it printed nothing"]
    return code == 0, f"its healthcheck ends with exit code {code}: {last[0]}"


def _failed(
    engine: Engine, container: Container, what: str, redact: Callable[[str], str]
) -> StageError:
    return StageError(
        f"{container.name} {what}",
        detail=redact(engine.last_log_lines(container.id)) or "(it printed nothing)",
        remedy="its last lines stand below",
    )
