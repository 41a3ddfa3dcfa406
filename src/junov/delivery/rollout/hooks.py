"""The project's own commands around a deploy."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from junov.config.fields import format_duration
from junov.delivery.delivered import Delivered
from junov.errors import StageError
from junov.process import TIMED_OUT
from junov.secret import Secret, redact
from junov.site import Site
from junov.steps import Step


def run_hooks(site: Site, delivered: Delivered, commands: Sequence[str], step: Step) -> None:
    """Run commands one after the other, each in a container of the release's image.

    It is a container of web's service: it has its network, variables and volumes, and no requests.

    Raises:
        StageError: one of them failed or took too long; those after it were not run.
    """
    timeout = delivered.project.hooks.timeout
    for command in commands:
        step.say(f"$ {command}")
        code = run_once(site, delivered, delivered.stack.web, shlex.split(command), timeout, step)
        if code == TIMED_OUT:
            raise StageError(
                f"the hook `{command}` had not ended after {format_duration(timeout)} and was "
                "ended",
                remedy="see what it waits for, or set a larger `hooks.timeout` in junov.yaml",
            )
        if code:
            raise StageError(
                f"the hook `{command}` ended with exit code {code}",
                remedy="its last lines are above; mend it and deploy again",
            )
    step.note = ", ".join(f"`{command}`" for command in commands) or "the project has none"


def run_once(
    site: Site,
    delivered: Delivered,
    service: str,
    command: Sequence[str],
    timeout: float,
    step: Step,
    variables: Mapping[str, str | Secret] | None = None,
) -> int:
    """Run a one-off container of a release, with its secrets kept out of what it says.

    Args:
        site: the server.
        delivered: the release.
        service: the service that it is like.
        command: instead of the service's own; empty for that.
        timeout: seconds that it may take.
        step: told what it prints.
        variables: instead of the service's own of these names, or beside them.

    Returns:
        Its exit code; 124 where its time was up.
    """
    own = (value for value in (variables or {}).values() if isinstance(value, Secret))
    hidden = [*delivered.stack.secrets, *own]
    return site.runtime.run_once(
        delivered.file,
        service,
        command=command,
        timeout=timeout,
        on_line=lambda text: step.say(redact(text, hidden)),
        variables=variables,
    )
