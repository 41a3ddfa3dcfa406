"""Whether a container can take requests: its health path answers, and Docker's health agrees."""

from __future__ import annotations

import time
from collections.abc import Callable

from junov.engine.api import Container, Engine
from junov.errors import StageError

_POLL_SECONDS = 0.1
_PROBE_SECONDS = 5.0


def wait_ready(
    engine: Engine,
    container: Container,
    *,
    url: str | None,
    timeout: float,
    redact: Callable[[str], str],
    may_end: bool = False,
) -> float:
    """Wait until a container is ready.

    The health path is polled fast and by us; Docker's own healthcheck, where there is one, has to
    agree, but its interval is not waited out between our polls.

    Args:
        engine: the engine.
        container: the container that was started.
        url: its health path, reached directly; None where only Docker's health is asked.
        timeout: seconds until it counts as failed.
        redact: takes secrets out of its log before that becomes part of an error.
        may_end: whether ending with exit code 0 is its readiness.

    Returns:
        How many seconds it took.

    Raises:
        StageError: it ended, or wasn't ready in time; with its last log lines.
    """
    began = time.monotonic()
    said = "it has not answered yet"
    while time.monotonic() - began < timeout:
        now = engine.container(container.id)
        if now is None or now.state in ("exited", "dead", "removing"):
            code = engine.exit_code(container.id) if now else None
            if may_end and code == 0:
                break
            raise _failed(engine, container, f"ended with exit code {code}", redact)
        answered, said = _answers(url) if url else (True, "")
        if answered and now.running and not may_end and now.health in ("", "healthy"):
            break
        if answered:
            said = f"its healthcheck says {now.health or now.state}"
        time.sleep(_POLL_SECONDS)
    else:
        raise _failed(engine, container, f"was not ready after {timeout:g} s: {said}", redact)
    return time.monotonic() - began


def _answers(url: str) -> tuple[bool, str]:
    import httpx2

    try:
        answer = httpx2.get(url, timeout=_PROBE_SECONDS, trust_env=False)
    except httpx2.HTTPError as error:
        return False, f"{url} does not answer ({type(error).__name__})"
    return answer.is_success, f"{url} answered {answer.status_code}"


def _failed(
    engine: Engine, container: Container, what: str, redact: Callable[[str], str]
) -> StageError:
    return StageError(
        f"{container.name} {what}",
        detail=redact(engine.last_log_lines(container.id)),
        remedy="its last lines are above; what ran before goes on serving",
    )
