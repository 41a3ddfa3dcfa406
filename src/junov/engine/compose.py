"""The Compose runtime: argument lists by pure functions, run in one place."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from junov.engine.buildkit import no_engine
from junov.engine.runtime import Line
from junov.errors import CommandError
from junov.process import TIMED_OUT, Result, run
from junov.secret import Secret

_REMOVE_SECONDS = 30
WAIT_SECONDS = 180

# Containers of other releases stand beside a release's own until they are removed, by label.
# Compose would warn of them, and advise to remove what serves.
_BESIDE_OTHERS = {"COMPOSE_IGNORE_ORPHANS": "1"}


def run_once_argv(
    compose: Sequence[str],
    stack: Path,
    service: str,
    command: Sequence[str],
    name: str,
    variables: Iterable[str] = (),
) -> list[str]:
    """The command line of a one-off container of that name.

    Of its variables the names are enough: Compose takes their values from its own environment,
    where no other process can read them.
    """
    return [
        *_on(compose, stack),
        "run", "--rm", "--no-deps", "--no-TTY", "--quiet-pull", "--name", name,
        *(word for variable in variables for word in ("--env", variable)), service, *command,
    ]  # fmt: skip


def run_to_end_argv(compose: Sequence[str], stack: Path, service: str) -> list[str]:
    """The command line that runs a service with what it depends on, and keeps its container."""
    return [*_on(compose, stack), "run", "--no-TTY", "--quiet-pull", service]


def up_argv(compose: Sequence[str], stack: Path, services: Sequence[str]) -> list[str]:
    """The command line that starts services of a stack."""
    return [
        *_on(compose, stack),
        "up", "--detach", "--no-deps", "--no-build", "--quiet-pull", *services,
    ]  # fmt: skip


def up_and_wait_argv(compose: Sequence[str], stack: Path) -> list[str]:
    """The command line that starts a whole stack and waits until it is healthy."""
    return [
        *_on(compose, stack),
        "up", "--detach", "--no-build", "--pull", "never", "--remove-orphans",
        "--wait", "--wait-timeout", str(WAIT_SECONDS),
    ]  # fmt: skip


def logs_argv(
    compose: Sequence[str], name: str, services: Sequence[str], *, follow: bool, tail: str
) -> list[str]:
    """The command line that shows a stack's logs; it needs no file."""
    argv = [*compose, "--project-name", name, "logs", "--tail", tail]
    return [*argv, *(["--follow"] if follow else []), *services]


def exec_argv(
    docker: Sequence[str],
    container: str,
    command: Sequence[str],
    variables: Iterable[str] = (),
    *,
    terminal: bool = True,
) -> list[str]:
    """The command line that runs a command in a container.

    Args:
        docker: how the docker client is called.
        container: the container.
        command: the command.
        variables: the names of variables; the client takes their values from its own environment.
        terminal: whether it is for a person, on a terminal where there is one.
    """
    on = ["--interactive"] + (["--tty"] if terminal and sys.stdin.isatty() else [])
    given = [word for variable in variables for word in ("--env", variable)]
    return [*docker, "exec", *on, *given, container, *command]


def _on(compose: Sequence[str], stack: Path) -> list[str]:
    # An env file of nothing keeps Compose from reading a stray .env beside the stack.
    return [*compose, "--progress", "plain", "--env-file", "/dev/null", "--file", str(stack)]


class Compose:
    """Runs stacks with Docker Compose on this machine.

    Args:
        argv: how Compose is called, as `engine.client` found it.
        env: variables that it needs, such as DOCKER_HOST.
        docker: how the docker client is called.
    """

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str], docker: Sequence[str] = ("docker",)
    ) -> None:
        self._argv = list(argv)
        self._docker = list(docker)
        self._env = dict(env)

    def run_once(
        self,
        stack: Path,
        service: str,
        *,
        command: Sequence[str] = (),
        timeout: float,
        on_line: Line,
        variables: Mapping[str, str | Secret] | None = None,
    ) -> int:
        """See `Runtime.run_once`."""
        name = f"{service}-once-{secrets.token_hex(6)}"
        argv = run_once_argv(self._argv, stack, service, command, name, variables or ())
        values = {
            key: value.reveal() if isinstance(value, Secret) else value
            for key, value in (variables or {}).items()
        }
        ended = False
        try:
            result = self._run(argv, timeout=timeout, on_line=on_line, env=values | _BESIDE_OTHERS)
            code = result.exit_code
            ended = code != TIMED_OUT
        finally:
            if not ended:
                # Compose was ended, its container was not: a migration that nobody watches.
                run([*self._docker, "rm", "--force", "--volumes", name], timeout=_REMOVE_SECONDS)
        return code

    def run_to_end(self, stack: Path, service: str, *, timeout: float, on_line: Line) -> int:
        """Run a service to its end, with what it depends on; its container stays, to be read.

        Returns:
            Its exit code; 124 where its time was up.
        """
        argv = run_to_end_argv(self._argv, stack, service)
        return self._run(argv, timeout=timeout, on_line=on_line).exit_code

    def up(self, stack: Path, services: Sequence[str], *, on_line: Line) -> None:
        """See `Runtime.up`."""
        argv = up_argv(self._argv, stack, services)
        result = self._run(argv, on_line=on_line, env=_BESIDE_OTHERS)
        if not result.ok:
            raise CommandError(
                f"the engine could not start {', '.join(services)}",
                exit_code=result.exit_code,
                detail=result.tail(),
                remedy="what Compose said stands below",
            )

    def up_and_wait(self, stack: Path, *, on_line: Line) -> None:
        """Start a whole stack and wait until it is healthy; re-create only what changed.

        Raises:
            CommandError: something of it did not start, or is not healthy in time.
        """
        result = self._run(up_and_wait_argv(self._argv, stack), on_line=on_line)
        if not result.ok:
            raise CommandError(
                "the server's containers did not come up",
                exit_code=result.exit_code,
                detail=result.tail(),
                remedy="look at them with: junov server status",
            )

    def _run(
        self,
        argv: Sequence[str],
        *,
        on_line: Line,
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        env = {**self._env, **(env or {})}
        result = run(argv, env=env, on_line=on_line, timeout=timeout)
        if not result.ok and (error := no_engine(result.tail())):
            raise error
        return result
