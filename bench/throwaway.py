"""A server that is there for one run: real registry, Postgres and edge, gone afterwards.

Everything is named and labelled after the run, ports are free ones of loopback, and addresses come
from a pool that no other server uses, so a developer's own server on the machine is untouched.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from junov.config.home import Home
from junov.engine.reaper import reaped
from junov.environments.labels import SERVER
from junov.server.server import ensure_server_images, up
from junov.site import Site
from junov.steps import Steps

BASE_IMAGE = "python:3.11-slim-bookworm"
COMMAND_SECONDS = 240


@contextmanager
def throwaway_server(
    folder: Path, kind: str, steps: Steps, report: Callable[[str], None]
) -> Iterator[Site]:
    """A whole server for a block, removed with everything on it at the end.

    Args:
        folder: holds its state; removed as well where this process is killed.
        kind: the first word of its name.
        steps: shows how it is started.
        report: called with a line for each image that is found or made.

    Raises:
        UnavailableError: the engine, an image or a port cannot be had.
    """
    run = secrets.token_hex(3)
    home = folder / "home"
    home.mkdir()
    (home / "server.yaml").write_text(
        f"name: {kind}-{run}\n"
        "domain: localhost\n"
        f"edge: {{bind: 127.0.0.1, port: {free_port()}}}\n"
        f"registry: {{port: {free_port()}}}\n"
        f"networks: {{pool: 10.{220 + int(run[0], 16) // 2}.0.0/16}}\n"
    )
    site = Site(Home(home))
    try:
        with reaped(site.engine, {SERVER: site.server.name}, [folder]):
            ensure_server_images(site, report, also=[BASE_IMAGE])
            up(site, steps)
            yield site
    finally:
        # After the containers that run them.
        site.engine.remove_images(str(site.server.repository("")))


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environ_for(site: Site) -> dict[str, str]:
    """The variables of a shell that works with the server."""
    return {
        **os.environ,
        "JUNOV_HOME": str(site.home.path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GIT_AUTHOR_NAME": "A Developer",
        "GIT_AUTHOR_EMAIL": "dev@example.com",
        "GIT_COMMITTER_NAME": "A Developer",
        "GIT_COMMITTER_EMAIL": "dev@example.com",
    }


class Shell:
    """A person's shell in a project's folder."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self.environ = environ

    def __call__(self, *argv: str, expect: int = 0) -> str:
        """Run a command; its output, stderr first, if it ends with the expected exit code."""
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        said = done.stderr + done.stdout
        if done.returncode != expect:
            raise AssertionError(f"{argv} → {done.returncode}\n{said}")
        return done.stdout if expect == 0 and "--json" in argv else said

    def commit(self, message: str) -> str:
        """Commit everything; the commit's hash."""
        self("git", "add", "--all")
        self("git", "commit", "--quiet", "--allow-empty", "--message", message)
        return self("git", "rev-parse", "HEAD").strip()


def make_repository(source: Path, folder: Path, run: str, environ: dict[str, str]) -> Shell:
    """A copy of a project as a git repository, under a name that no other run's has.

    Args:
        source: the project's folder, with junov.yaml.
        folder: where to.
        run: what the project's name is made unique with.
        environ: the variables of the shell.
    """
    leavings = shutil.ignore_patterns("__pycache__", ".pytest_cache", ".ruff_cache")
    shutil.copytree(source, folder, dirs_exist_ok=True, ignore=leavings)
    file = folder / "junov.yaml"
    text = file.read_text()
    named = re.search(r"^project: (\S+)", text, re.MULTILINE)
    if not named:
        raise ValueError(f"{file} names no project")
    name = named[1]
    own = f"{name}-{run}"
    text = text.replace(f"project: {name}", f"project: {own}")
    file.write_text(text.replace(f"{name}.localhost", f"{own}.localhost"))
    shell = Shell(folder, environ)
    shell("git", "init", "--quiet", "--initial-branch=main")
    shell.commit(f"{name}: the beginning")
    return shell
