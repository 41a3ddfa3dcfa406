"""Parts that several of the compose files have, as lines of YAML."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from typing import Any

from junov.config.project import Project

LOCAL_USER = "app"
"""User, password and database of the laptop's own Postgres."""

DATA = "/var/lib/postgresql/data"
"""Where Postgres has its data inside its container."""


def build(project: Project, target: str, indent: str) -> list[str]:
    """The `build:` of a service that runs the project's own image."""
    lines = [f"{indent}build:", f"{indent}  context: {text(project.build.context)}"]
    if project.build.dockerfile != "Dockerfile":
        lines += [f"{indent}  dockerfile: {text(project.build.dockerfile)}"]
    return [*lines, f"{indent}  target: {text(target)}"]


def healthcheck() -> list[str]:
    """The healthcheck of a Postgres."""
    return [
        "    healthcheck:",
        "      # Over TCP: while Postgres initialises itself, the socket would say yes too early.",
        "      test: [CMD-SHELL, 'pg_isready -h 127.0.0.1 -U \"$${POSTGRES_USER:-postgres}\"']",
        "      interval: 1s",
        "      timeout: 3s",
        "      retries: 30",
        "      start_period: 30s",
    ]


def depends_on(waits: Mapping[str, str]) -> list[str]:
    """What a service waits for, by service."""
    lines = ["    depends_on:"] if waits else []
    for service, condition in waits.items():
        lines += [f"      {key(service)}:", f"        condition: {condition}"]
    return lines


def local_value(template: str, service: str) -> str:
    """A template of `database.variables` with the values of the laptop's own Postgres."""
    user = LOCAL_USER
    return template.format(user=user, password=user, host=service, port=5432, name=user)


def env_path(project: Project, name: str) -> str:
    """The path of an env file."""
    return posixpath.join(project.compose.env, f"{name}.env")


def key(name: str) -> str:
    """A name as a key of YAML."""
    return (
        name if re.fullmatch(r"[A-Za-z][\w.-]*", name) and not _is_word(name) else json.dumps(name)
    )


def text(value: Any) -> str:
    """A value as YAML that reads back as the same text, list or mapping."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z./][\w./@+-]*(?:[:=]+[\w./@+-]+)*", value):
        return json.dumps(value) if _is_word(value) else value
    return json.dumps(value, ensure_ascii=False)


def _is_word(text: str) -> bool:
    return text.lower() in {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "~"}
