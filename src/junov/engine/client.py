"""Finding the docker client and Compose.

A machine may have several docker clients, and the first on PATH is not always one that can build:
a client from 23 on needs the buildx plugin for BuildKit, an older one has it within. What is there
is asked in one place; which of it to use is decided by pure functions.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType

from junov import process
from junov.errors import UnavailableError

BUILDKIT = MappingProxyType({"DOCKER_BUILDKIT": "1"})
BUILDKIT_MOVED_OUT = (23,)  # from this version on, `docker build` needs the buildx plugin
OLDEST_COMPOSE = (2, 24)  # the first with `!reset` and `!override`, and `depends_on` that restarts
PROBE_SECONDS = 10.0

NO_CLIENT = (
    "Install Docker; on Debian and Ubuntu, as root, `junov server engine --install` does it."
)
NO_BUILDX = (
    "Install the buildx plugin: the package docker-buildx-plugin of Docker's own repository, or "
    "docker-buildx of Debian 13 and Ubuntu."
)
NO_COMPOSE = (
    "Install the plugin (docker-compose-plugin of Docker's own repository, docker-compose-v2 of "
    "Ubuntu), or `pip install 'junov[compose]'`."
)


@dataclass(frozen=True, slots=True)
class Client:
    """One docker client of this machine.

    Args:
        path: where it is.
        version: its own, such as `28.2.2`; empty where the program could not say.
        buildx: whether its buildx plugin works.
        server: the version of the engine that answered it; empty where none did.
    """

    path: str
    version: str
    buildx: bool
    server: str = ""


@dataclass(frozen=True, slots=True)
class Compose:
    """A Compose that can be run.

    Args:
        command: how it is called: `(docker, "compose")` or `(docker-compose,)`.
        version: its own, such as `5.6.1`.
    """

    command: tuple[str, ...]
    version: str


@dataclass(frozen=True, slots=True)
class Tools:
    """The programs that junov runs containers with.

    Args:
        docker: how the docker client is called.
        compose: how Compose is called.
        env: variables that both need on top of this process's own.
        buildx: whether `docker buildx` works; without it, `docker build` with `env` is BuildKit.
        docker_version: the client's.
        compose_version: Compose's.
    """

    docker: tuple[str, ...]
    compose: tuple[str, ...]
    buildx: bool
    docker_version: str
    compose_version: str
    env: Mapping[str, str] = field(default_factory=lambda: BUILDKIT)


@cache
def find_tools() -> Tools:
    """The docker client and Compose of this machine, looked for once per process.

    Returns:
        The two commands, the variables they need and their versions.

    Raises:
        UnavailableError: one of them is missing or cannot do what junov needs.
    """
    client = find_client()
    # Its own plugin first, so that both read one configuration.
    found = (probe_compose(command) for command in compose_commands([client.path]))
    compose = choose_compose(found)
    return Tools(
        docker=(client.path,),
        compose=compose.command,
        buildx=client.buildx,
        docker_version=client.version,
        compose_version=compose.version,
    )


@cache
def find_client() -> Client:
    """The docker client to use, looked for once per process.

    Raises:
        UnavailableError: there is none, or none that can build images.
    """
    return choose_client([probe_client(path) for path in docker_paths()])


@cache
def find_compose() -> Compose:
    """Compose alone, for machines without an engine: reading files needs no docker client.

    Raises:
        UnavailableError: there is no Compose from 2.24 on.
    """
    return choose_compose(probe_compose(command) for command in compose_commands(docker_paths()))


def choose_client(clients: Sequence[Client]) -> Client:
    """Which of the clients builds images with BuildKit.

    Args:
        clients: in the order of preference.

    Returns:
        The first whose buildx works, else the first that is older than 23. Where an engine
        answers, only clients that it answered count: one can be too new for it.

    Raises:
        UnavailableError: none qualifies; the remedy says what to install.
    """
    known = [client for client in clients if client.version]
    heard = [client for client in known if client.server] or known
    for client in heard:
        if client.buildx:
            return client
    for client in heard:
        if _numbers(client.version) < BUILDKIT_MOVED_OUT:
            return client
    if not known:
        raise UnavailableError("there is no docker client on this machine", remedy=NO_CLIENT)
    names = ", ".join(f"{client.path} ({client.version})" for client in heard)
    raise UnavailableError(
        f"no docker client here can build images: {names} lacks the buildx plugin",
        remedy=NO_BUILDX,
    )


def choose_compose(found: Iterable[Compose]) -> Compose:
    """The first Compose that is new enough.

    Args:
        found: in the order of preference; read only as far as needed. An empty version means
            that the command is not there.

    Raises:
        UnavailableError: none is new enough; the message names those that are too old.
    """
    too_old = []
    for compose in found:
        if _numbers(compose.version) >= OLDEST_COMPOSE:
            return compose
        if compose.version:
            too_old.append(f"{process.show(compose.command)} is {compose.version}")
    wanted = ".".join(map(str, OLDEST_COMPOSE))
    what = f": {', '.join(too_old)}" if too_old else ""
    raise UnavailableError(f"there is no Docker Compose from {wanted} on{what}", remedy=NO_COMPOSE)


def docker_paths(search: str | None = None) -> list[str]:
    """Every docker client of this machine, those on PATH first, each once.

    Args:
        search: the folders to look in, as in PATH; without it, this process's own PATH.
    """
    return _programs("docker", _folders(search), [Path("/usr/bin")])


def compose_commands(docker: Sequence[str], search: str | None = None) -> list[tuple[str, ...]]:
    """Every way to call Compose that is worth a try, in the order of preference.

    Args:
        docker: the docker clients whose plugin may be there.
        search: the folders to look in for the binary, as in PATH; without it, PATH and the
            folder of this Python, where PyPI's binary lies.
    """
    beside = [Path(sys.executable).parent] if search is None else []
    binaries = _programs("docker-compose", _folders(search), beside)
    return [*((path, "compose") for path in docker), *((path,) for path in binaries)]


def probe_client(path: str) -> Client:
    """Ask one docker client what it is and whether an engine answers it."""
    asked = process.run([path, "version", "--format", "{{json .}}"], timeout=PROBE_SECONDS)
    version, server = client_versions(asked.stdout)
    if not version:
        # An engine far away that keeps silent takes the first answer with it.
        asked = process.run([path, "--version"], timeout=PROBE_SECONDS)
        version = first_version(asked.stdout)
    buildx = process.run([path, "buildx", "version"], timeout=PROBE_SECONDS)
    return Client(path, version, buildx.ok, server)


def probe_compose(command: tuple[str, ...]) -> Compose:
    """Ask one Compose for its version; empty where the command is not there."""
    asked = process.run([*command, "version", "--short"], timeout=PROBE_SECONDS)
    return Compose(command, first_version(asked.stdout) if asked.ok else "")


def client_versions(answer: str) -> tuple[str, str]:
    """The client's and the engine's version from `docker version --format '{{json .}}'`.

    Returns:
        Both as docker says them; empty where there is none.
    """
    try:
        data = json.loads(answer)
        client, server = data["Client"], data.get("Server")
        return client["Version"], (server or {}).get("Version", "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", ""


def first_version(text: str) -> str:
    """The first version number in a text, such as `2.24.0`; empty where there is none."""
    found = re.search(r"\d+(\.\d+)+", text)
    return found.group() if found else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in first_version(version).split(".") if number)


def _folders(search: str | None) -> list[Path]:
    path = os.environ.get("PATH", os.defpath) if search is None else search
    return [Path(folder) for folder in path.split(os.pathsep) if folder]


def _programs(name: str, *places: Sequence[Path]) -> list[str]:
    # By what they really are: on today's systems /bin is /usr/bin.
    found: dict[Path, str] = {}
    for folder in (folder for group in places for folder in group):
        program = folder / name
        if program.is_file() and os.access(program, os.X_OK):
            found.setdefault(program.resolve(), str(program))
    return list(found.values())
