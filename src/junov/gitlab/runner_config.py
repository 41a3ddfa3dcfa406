"""`config.toml` of GitLab Runner. Pure.

https://docs.gitlab.com/runner/configuration/advanced-configuration/ describes it.

One file may have the runners of several projects, and settings that somebody else has made: all
that isn't ours stays as it is. GitLab Runner writes the file anew now and then, without comments,
so ours are found by their name and not by a comment around them.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from junov.errors import ConfigError, Place, Problem
from junov.gitlab.desired import Executor
from junov.secret import Secret

CONCURRENT: Mapping[Executor, int] = {"docker": 4, "shell": 4}
"""How many jobs run at once. Deploys of one environment wait for each other by `resource_group`."""

DOCKER_SOCKET = "/var/run/docker.sock"

_SECTION = re.compile(r"^\[\[runners\]\][ \t]*(?:#.*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class RunnerEntry:
    """One runner in the file.

    Args:
        name: its description on GitLab.
        url: GitLab's address.
        executor: what it runs jobs in.
        id: GitLab's number for it; None where that isn't known.
        token: its token.
        image: the image of jobs that name none; for the docker executor.
        home: the `JUNOV_HOME` of its jobs; for the shell executor.
        builds: the folder that its jobs work in; for the shell executor.
    """

    name: str
    url: str
    executor: Executor
    id: int | None
    token: Secret
    image: str = ""
    home: str = ""
    builds: str = ""


def header(executor: Executor) -> str:
    """What a new file begins with."""
    return f"concurrent = {CONCURRENT[executor]}\ncheck_interval = 3\nshutdown_timeout = 60\n"


def section(entry: RunnerEntry) -> str:
    """The text of one runner."""
    lines = [
        "[[runners]]",
        f"  name = {_text(entry.name)}",
        f"  url = {_text(entry.url)}",
        *([f"  id = {entry.id}"] if entry.id is not None else []),
        f"  token = {_text(entry.token.reveal())}",
        f"  executor = {_text(entry.executor)}",
    ]
    return "\n".join([*lines, *(_docker(entry) if entry.executor == "docker" else _shell(entry))])


def _docker(entry: RunnerEntry) -> list[str]:
    return [
        "  [runners.feature_flags]",
        "    # A network for each job, which no other job is in.",
        "    FF_NETWORK_PER_BUILD = true",
        "  [runners.docker]",
        f"    image = {_text(entry.image)}",
        "    privileged = false",
        "    # What is pulled already will do where the registry doesn't answer.",
        '    pull_policy = ["always", "if-not-present"]',
        "    # Jobs build images, so they have this machine's Docker: every job, and whoever can",
        "    # change what it runs, is as good as root on this machine. It must not be the server.",
        f'    volumes = ["/cache", "{DOCKER_SOCKET}:{DOCKER_SOCKET}"]',
        "",
    ]


def _shell(entry: RunnerEntry) -> list[str]:
    return [
        '  shell = "bash"',
        f"  builds_dir = {_text(entry.builds)}",
        f"  environment = [{_text(f'JUNOV_HOME={entry.home}')}]",
        "",
    ]


def with_runner(text: str, entry: RunnerEntry) -> str:
    """The file with this runner in it, in its old place or at the end; all else as it was.

    Args:
        text: the file as it is; empty for a new one.
        entry: the runner.
    """
    starts = [match.start() for match in _SECTION.finditer(text)]
    new = section(entry)
    for start, end in pairwise([*starts, len(text)]):
        if tomllib.loads(text[start:end])["runners"][0].get("name") == entry.name:
            rest = text[end:]
            return f"{text[:start]}{new}{chr(10) if rest else ''}{rest}"
    before = text.rstrip("\n") or header(entry.executor).rstrip("\n")
    return f"{before}\n\n{new}"


def is_current(text: str, entry: RunnerEntry) -> bool:
    """Whether the file has this runner as it should be; what else it has doesn't matter."""
    wanted = tomllib.loads(section(entry))["runners"][0]
    there = next((e for e in _runners(text) if e.get("name") == entry.name), None)
    return there is not None and _has(there, wanted)


def tokens(text: str, *, file: Path) -> dict[str, tuple[int | None, Secret]]:
    """The number and the token of each runner in the file, by its name.

    Raises:
        ConfigError: it isn't TOML.
    """
    try:
        found = _runners(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            [Problem(f"GitLab Runner's configuration is broken: {error}", Place(file))]
        ) from None
    return {
        each["name"]: (each.get("id"), Secret(each["token"]))
        for each in found
        if each.get("name") and each.get("token")
    }


def _runners(text: str) -> list[dict[str, Any]]:
    return list(tomllib.loads(text).get("runners") or ())


def _has(there: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(
            _has(there.get(key), value) for key, value in wanted.items()
        )
    return bool(there == wanted)


def _text(value: str) -> str:
    # A basic string of TOML has the escapes of JSON.
    return json.dumps(value, ensure_ascii=False)
