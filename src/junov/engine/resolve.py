"""The real Compose's reading of layered files: one model, as it would run them."""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml.nodes import ScalarNode

from junov import process
from junov.config.yamlfile import Loc
from junov.errors import ConfigError, Place, Problem, UnavailableError
from junov.secret import Secret, redact
from junov.stacks.documents import find
from junov.stacks.guard.placeholders import is_secret_name
from junov.stacks.layers import Layers, revealed

SECONDS = 60.0
"""How long Compose may take to read files."""


def resolve(
    compose_argv: Sequence[str],
    layers: Layers,
    *,
    stack_name: str,
    environ: Mapping[str, str] = os.environ,
) -> dict[str, Any]:
    """Let Compose merge, interpolate and validate the layers. Needs no engine.

    Args:
        compose_argv: how Compose is called here, such as `["docker", "compose"]`.
        layers: what it reads.
        stack_name: the name of the Compose project.
        environ: the caller's environment, of which Compose sees nothing.

    Returns:
        The model that `docker compose config --format json` prints, with `$$` read as `$` and
        without `x-` keys. Services whose profile is not active are not in it, nor what only they
        use.

    Raises:
        ConfigError: Compose refuses the files; with the place that it means, and its own words.
        UnavailableError: Compose cannot be run.
    """
    home = environ.get("HOME", "/")
    # The plugin of `docker compose` is looked for here; HOME itself stays outside.
    docker_config = environ.get("DOCKER_CONFIG") or str(Path(home) / ".docker")
    result = process.run(
        config_argv(compose_argv, layers, stack_name, environ),
        env={"DOCKER_CONFIG": docker_config, **revealed(layers.variables)},
        stdin=layers.overlay or None,
        timeout=SECONDS,
    )
    if result.exit_code in (process.TIMED_OUT, process.NOT_FOUND):
        raise UnavailableError(
            "Docker Compose could not be run to read the compose files",
            remedy="see what is missing with: junov server doctor",
            detail=result.tail(),
        )
    if not result.ok:
        raise ConfigError([_problem(redact(result.stderr, _secrets(layers)), layers)])
    # Compose doubles every `$` of its output, keys and all.
    return _without_extensions(json.loads(result.stdout.replace("$$", "$")))


def config_argv(
    compose_argv: Sequence[str], layers: Layers, stack_name: str, environ: Mapping[str, str]
) -> list[str]:
    """The command that prints the resolved model of the layers.

    In Compose the shell's variables win over every env file, so a variable that somebody happened
    to export could reach a deployed environment. All of them are taken away first.

    Args:
        compose_argv, layers, stack_name: as for `resolve`.
        environ: the environment that the command would inherit.
    """
    kept = {"DOCKER_CONFIG", *layers.variables}
    program = shutil.which(compose_argv[0], path=environ.get("PATH")) or compose_argv[0]
    # Without an --env-file, Compose reads `.env` by itself.
    env_files = [str(path) for path in layers.env_files] or [os.devnull]
    return [
        "env",
        *(f"--unset={name}" for name in sorted(set(environ) - kept)),
        program,
        *compose_argv[1:],
        "--project-name",
        stack_name,
        "--project-directory",
        str(layers.project_dir),
        *(word for path in env_files for word in ("--env-file", path)),
        *(word for path in layers.files for word in ("-f", str(path))),
        *(("-f", "-") if layers.overlay else ()),
        "config",
        "--format",
        "json",
    ]


def _secrets(layers: Layers) -> list[Secret]:
    """What Compose may not repeat in its complaints."""
    given = [value for value in layers.variables.values() if isinstance(value, Secret)]
    return given + [Secret(v) for name, v in layers.values.items() if is_secret_name(name)]


def _without_extensions(model: dict[str, Any]) -> dict[str, Any]:
    """The model without `x-` keys where these are extensions, and no labels of that name."""
    sections = ("services", "networks", "volumes", "configs", "secrets")
    clean = {key: value for key, value in model.items() if not key.startswith("x-")}
    for section in sections:
        for name, value in clean.get(section, {}).items():
            if isinstance(value, Mapping):
                clean[section][name] = {k: v for k, v in value.items() if not k.startswith("x-")}
    return clean


# What Compose says, and where in the files it means. The first that fits is taken.
_POSITION = re.compile(r"(?P<file>\S+): .*?\bL(?P<line>\d+)\.C(?P<column>\d+)")
_REPEATED = re.compile(r"failed to parse (?P<file>\S+): .*line (?P<line>\d+): mapping key .* alr")
_UNKNOWN_KEY = re.compile(r"(?P<path>[\w.-]+) false schema|additional properties '(?P<key>[^']+)'")
_REFERS = re.compile(
    r'service "(?P<service>[^"]+)" (?P<verb>depends on|refers to) undefined '
    r"(?P<kind>\w+) \"?(?P<name>[^\s\":]+)"
)
_REFERENCES = {
    "service": "depends_on",
    "network": "networks",
    "volume": "volumes",
    "secret": "secrets",
    "config": "configs",
}
_DECODED = re.compile(r"'services\[(?P<service>[^\]]+)\]\.(?P<path>[\w.\[\]-]+)'")
_PATH = re.compile(r"\b(?P<path>(?:services|networks|volumes|secrets|configs)\.[\w.-]+[\w-])")
_SERVICE = re.compile(r'service "?(?P<service>[^\s",]+)|detected: (?P<circle>\S+) ->')
_ENV_FILE = re.compile(r"env[ _]file (?P<file>.+?)(?: not found|: )")

_SERVICE_KEYS = [
    "annotations",
    "attach",
    "build",
    "cap_add",
    "cap_drop",
    "cgroup",
    "command",
    "configs",
    "container_name",
    "cpus",
    "depends_on",
    "deploy",
    "devices",
    "dns",
    "entrypoint",
    "env_file",
    "environment",
    "expose",
    "extends",
    "extra_hosts",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "ipc",
    "labels",
    "links",
    "logging",
    "mem_limit",
    "network_mode",
    "networks",
    "pid",
    "platform",
    "ports",
    "privileged",
    "profiles",
    "pull_policy",
    "read_only",
    "restart",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "user",
    "volumes",
    "working_dir",
    "services",
    "networks",
    "volumes",
    "configs",
    "secrets",
    "include",
    "name",
]


def _problem(stderr: str, layers: Layers) -> Problem:
    warning = 'level=warning msg="'
    lines = [line for line in stderr.splitlines() if line.strip() and warning not in line]
    said = " ".join(line.strip() for line in lines) or "it gives no reason"
    shown = said.replace(f"{layers.project_dir}/", f"{layers.shown_dir}/".removeprefix("./"))
    unknown = _UNKNOWN_KEY.search(said)
    if unknown:
        key = unknown["key"] or unknown["path"].rpartition(".")[2]
        near = difflib.get_close_matches(key, _SERVICE_KEYS, n=1, cutoff=0.6)
        remedy = f"did you mean `{near[0]}`?" if near else f"remove `{key}`"
        message = f"Compose knows no key `{key}` here (it says: {shown})"
        return Problem(message, _place_of_key(unknown, said, layers), remedy)
    return Problem(f"Compose refuses this: {shown}", _place(said, layers), _remedy(said))


def _remedy(said: str) -> str:
    if "required variable" in said:
        return "give the variable a value in an env file, or a default: ${NAME:-default}"
    if "undefined" in said:
        return "declare it, or correct the name"
    if "interpolation format" in said:
        return "write $$ for a dollar sign that is no variable"
    return ""


def _place_of_key(match: re.Match[str], said: str, layers: Layers) -> Place:
    if match["path"]:
        return _at(_split(match["path"]), layers, key=True)
    path = _PATH.search(said)
    loc: Loc = (*(_split(path["path"]) if path else ()), match["key"])
    return _at(loc, layers, key=True)


def _place(said: str, layers: Layers) -> Place:
    if match := (_POSITION.search(said) or _REPEATED.search(said)):
        column = int(match.groupdict().get("column") or 0)
        return Place(layers.shown(Path(match["file"])), int(match["line"]), column)
    if match := _REFERS.search(said):
        key = _REFERENCES.get(match["kind"], "")
        loc: Loc = ("services", match["service"], key)
        return _at((*loc, match["name"]), layers, text=match["name"])
    if match := _DECODED.search(said):
        return _at(("services", match["service"], *match["path"].split(".")), layers)
    if match := _ENV_FILE.search(said):
        place = _containing([match["file"], Path(match["file"]).name], layers)
        if place:
            return place
    if match := _PATH.search(said):
        return _at(_split(match["path"]), layers)
    if match := _SERVICE.search(said):
        return _at(("services", match["service"] or match["circle"]), layers, key=True)
    # Some complaints name a value only, such as `invalid hostPort: 99999`.
    return _containing(said.split()[-1:], layers) or Place(layers.shown(layers.files[0]))


def _split(path: str) -> Loc:
    return tuple(int(step) if step.isdigit() else step for step in path.split("."))


def _at(loc: Loc, layers: Layers, *, text: str = "", key: bool = False) -> Place:
    """The place of the longest part of `loc` that the files have."""
    for length in range(len(loc), 1, -1):
        for origin in layers.documents.origins(loc[:length]):
            pair = (origin.key, origin.node) if length == 2 else find(origin.node, loc[2:length])
            if pair:
                if text and length < len(loc):
                    return origin.document.place(pair[1], text)
                at_key = (key and length == len(loc)) or not isinstance(pair[1], ScalarNode)
                return origin.document.place(pair[0] if at_key else pair[1])
    for document in reversed(layers.documents.layers):
        pair = find(document.root, loc[:1])
        if pair:
            return document.place(pair[0])
    return Place(layers.shown(layers.files[0]))


def _containing(words: Iterable[str], layers: Layers) -> Place | None:
    for word in words:
        for document in reversed(layers.documents.layers):
            if document.root is not None and word in document.text:
                return document.place(document.root, word)
    return None
