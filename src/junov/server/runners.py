"""The project's runners on this machine: their configuration, and the programs that run them."""

from __future__ import annotations

import json
import pwd
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from junov import process
from junov.config.home import Home, write_private
from junov.environments.labels import PART
from junov.errors import CommandError, StageError, UnavailableError
from junov.gitlab.desired import Executor
from junov.gitlab.runner_config import DOCKER_SOCKET, RunnerEntry, is_current, tokens, with_runner
from junov.secret import Secret
from junov.server.images import PULL_SILENCE_SECONDS
from junov.site import Site

SERVICE = "junov-gitlab-runner"
"""The service of the shell runner, and the Compose project of the docker runner."""

PROGRAM = "gitlab-runner"
_PROGRAM_SECONDS = 60

INSTALL = (
    "install it from GitLab's own package repository "
    "(https://docs.gitlab.com/runner/install/linux-repository/), then run this again"
)


def config_file(home: Home, executor: Executor) -> Path:
    """Where the configuration of the runners with one executor is, unless the user says where."""
    return home.path / "gitlab-runner" / executor / "config.toml"


def held_tokens(files: Iterable[Path]) -> dict[str, tuple[int | None, Secret]]:
    """The runners whose tokens are in these files, by description.

    Raises:
        ConfigError: a file isn't TOML.
    """
    held: dict[str, tuple[int | None, Secret]] = {}
    for file in files:
        held |= tokens(_read(file), file=file)
    return held


def is_written(file: Path, entry: RunnerEntry) -> bool:
    """Whether a runner is in a file as it should be."""
    return is_current(_read(file), entry)


def write_runner(file: Path, entry: RunnerEntry) -> None:
    """Put a runner into its file, which only its owner may read."""
    write_private(file, with_runner(_read(file), entry))


def builds_folder(home: Home) -> Path:
    """Where jobs of the shell runner work."""
    return home.path / "gitlab-runner" / "builds"


def is_running(site: Site, executor: Executor) -> bool:
    """Whether the runner's program runs."""
    if executor == "docker":
        return bool(site.engine.containers({PART: SERVICE}, all_states=False))
    return process.run(status_argv(), timeout=_PROGRAM_SECONDS).ok


def start(
    site: Site, executor: Executor, file: Path, image: str, *, say: Callable[[str], None]
) -> None:
    """Start the runner's program.

    Args:
        site: has the engine.
        executor: which of the two.
        file: its configuration.
        image: of GitLab Runner; for the docker runner.
        say: takes lines of output.

    Raises:
        StageError: GitLab Runner isn't installed.
        UnavailableError: its image can't be had.
        CommandError: it doesn't start.
    """
    if executor == "docker":
        _start_container(site, file, image, say)
    else:
        _start_service(site.home, file)


def _start_container(site: Site, file: Path, image: str, say: Callable[[str], None]) -> None:
    if site.engine.image_labels(image) is None:
        say(f"pull {image}")
        why = site.engine.pull(image, silence=PULL_SILENCE_SECONDS)
        if why is not None:
            raise UnavailableError(
                f"the image {image} can't be had",
                remedy="see that the engine reaches its registry, bring the image by `docker "
                "load`, or name another with --runner-image; then run this again",
                detail=why,
            )
    stack = site.home.path / "gitlab-runner" / "stack.yaml"
    write_private(stack, json.dumps(runner_stack(image, file.parent), indent=2))
    try:
        site.runtime.up_and_wait(stack, on_line=say)
    except CommandError as error:
        raise CommandError(
            "the docker runner does not start",
            exit_code=error.ended_with,
            detail=error.detail,
            remedy=f"look at it with: docker logs {SERVICE}-runner-1",
        ) from None


def runner_stack(image: str, folder: Path) -> Mapping[str, Any]:
    """The compose model of the docker runner.

    Args:
        image: of GitLab Runner.
        folder: has its `config.toml`; it writes there who it is.
    """
    return {
        "name": SERVICE,
        "services": {
            "runner": {
                "image": image,
                "restart": "unless-stopped",
                # It only calls out, and needs no network of its own.
                "network_mode": "bridge",
                "labels": {PART: SERVICE},
                "volumes": [
                    {"type": "bind", "source": str(folder), "target": "/etc/gitlab-runner"},
                    {"type": "bind", "source": DOCKER_SOCKET, "target": DOCKER_SOCKET},
                ],
                "logging": {
                    "driver": "json-file",
                    "options": {"max-size": "10m", "max-file": "3"},
                },
                "stop_grace_period": "60s",
            }
        },
    }


def _start_service(home: Home, file: Path) -> None:
    if shutil.which(PROGRAM) is None:
        raise StageError(
            f"{PROGRAM} is not installed on this machine, so the shell runner does not run",
            remedy=INSTALL,
        )
    builds = builds_folder(home)
    builds.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Its jobs work on the server's state, which only its owner may read.
    user = pwd.getpwuid(home.path.stat().st_uid).pw_name
    process.run(uninstall_argv(), timeout=_PROGRAM_SECONDS)  # of another folder's, or a broken one
    for doing, argv in (
        ("install the service of the shell runner", install_argv(file, builds, user)),
        ("start the shell runner", start_argv()),
    ):
        process.check(argv, doing=doing, remedy="run this as root", timeout=_PROGRAM_SECONDS)


def status_argv() -> list[str]:
    """The command line that tells whether the shell runner runs."""
    return [PROGRAM, "status", "--service", SERVICE]


def uninstall_argv() -> list[str]:
    """The command line that forgets the shell runner's service."""
    return [PROGRAM, "uninstall", "--service", SERVICE]


def install_argv(file: Path, builds: Path, user: str) -> list[str]:
    """The command line that makes a service of the shell runner.

    Args:
        file: its configuration, which holds the token.
        builds: where its jobs work.
        user: who they run as.
    """
    return [
        PROGRAM, "install", "--service", SERVICE, "--config", str(file),
        "--working-directory", str(builds), "--user", user,
    ]  # fmt: skip


def start_argv() -> list[str]:
    """The command line that starts the shell runner."""
    return [PROGRAM, "start", "--service", SERVICE]


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
