"""What an existing compose file says about the project."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError

from junov.config.yamlfile import parse_yaml

USUAL_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
"""The names that Compose looks for, in its order."""

_WEB_NAMES = ("web", "app", "api", "backend", "server", "django", "frontend", "www")
_POSTGRES = re.compile(r"(?:^|/)(?:postgres(?:ql)?|postgis|pgvector|timescaledb(?:-ha)?)(?=[:@]|$)")
_OTHER_DATABASE = re.compile(
    r"(?:^|/)(?P<name>mysql|mariadb|mongo|mssql|cockroach|percona)(?:[-\w]*)(?=[:@/]|$)"
)
_MIGRATES = re.compile(
    r"alembic\b.*\bupgrade|\bmigrate\b|\bmigrations?\b|db:migrate|flyway|liquibase", re.IGNORECASE
)
_SERVES = re.compile(r"uvicorn|gunicorn|hypercorn|runserver|flask\b.*\brun\b|npm (?:run )?start")
_MIGRATION_NAMES = ("alembic", "migrate", "migration", "migrations", "db-migrate")


class _Constructor(SafeConstructor):
    """Reads values with Compose's own tags (`!reset`, `!override`) as nothing."""


_Constructor.add_multi_constructor("!", lambda _loader, _suffix, _node: None)


@dataclass(frozen=True, slots=True)
class ComposeFile:
    """A compose file that is there.

    Args:
        name: its name in the folder.
        services: what it says of each service.
    """

    name: str
    services: Mapping[str, Mapping[str, Any]]

    @property
    def web(self) -> str | None:
        """The service that faces outwards: by its name among those that are built, else by ports.

        Returns:
            None where the file has no service that could be it.
        """
        built = [name for name, data in self.services.items() if "build" in data]
        reached = [name for name, data in self.services.items() if any(_container_ports(data))]
        both = [name for name in built if name in reached]
        named = [name for name in _WEB_NAMES if name in self.services]
        for candidates in (
            [name for name in named if name in both],
            both,
            [name for name in named if name in built],
            built,
            named,
            [name for name in reached if name != self.database],
        ):
            fitting = [name for name in candidates if name != self.migration]
            if fitting:
                return fitting[0]
        return None

    @property
    def database(self) -> str | None:
        """The service that is Postgres."""
        found = [n for n, data in self.services.items() if _POSTGRES.search(image_of(data))]
        return found[0] if found else None

    @property
    def other_database(self) -> tuple[str, str] | None:
        """A service that is a database of another make, and which."""
        for name, data in self.services.items():
            match = _OTHER_DATABASE.search(image_of(data))
            if match:
                return name, match["name"]
        return None

    @property
    def migration(self) -> str | None:
        """The service that migrates the database and exits."""
        for name, data in self.services.items():
            command = command_of(data)
            if _SERVES.search(command) or "build" not in data:
                continue
            if _MIGRATES.search(command) or name in _MIGRATION_NAMES:
                return name
        return None

    def migrates_itself(self, service: str) -> bool:
        """Whether a service migrates the database before it serves."""
        command = command_of(self.services.get(service, {}))
        return bool(_SERVES.search(command) and _MIGRATES.search(command))

    def port(self, service: str) -> int | None:
        """The port that a service listens on inside its container."""
        return next(_container_ports(self.services.get(service, {})), None)

    def build(self, service: str) -> tuple[str, str] | None:
        """Folder and Dockerfile that a service is built from; None where it isn't, or from afar."""
        build = self.services.get(service, {}).get("build")
        if isinstance(build, str):
            build = {"context": build}
        if not isinstance(build, Mapping):
            return None
        context = str(build.get("context", "."))
        if "://" in context or context.startswith("git@"):
            return None
        return re.sub(r"^\./(?=.)|(?<=.)/$", "", context), str(
            build.get("dockerfile", "Dockerfile")
        )

    def environment(self, service: str) -> dict[str, str | None]:
        """A service's variables as they are typed; None where they come from the shell."""
        raw = self.services.get(service, {}).get("environment") or {}
        if isinstance(raw, Mapping):
            return {str(k): None if v is None else _typed(v) for k, v in raw.items()}
        pairs = (str(item).partition("=") for item in raw)
        return {name: value if equals else None for name, equals, value in pairs}

    def env_files(self, service: str) -> list[str]:
        """The paths of a service's env files."""
        raw = self.services.get(service, {}).get("env_file") or []
        items = [raw] if isinstance(raw, str | Mapping) else list(raw)
        return [str(i.get("path", "")) if isinstance(i, Mapping) else str(i) for i in items]


def read_compose_file(name: str, text: str) -> ComposeFile:
    """Read a compose file.

    Raises:
        ConfigError: it is not valid YAML.
    """
    loader = YAML(typ="safe", pure=True)
    loader.Constructor = _Constructor
    loader.allow_duplicate_keys = True
    try:
        data = loader.load(text)
    except (YAMLError, ValueError):
        data = parse_yaml(text, Path(name)).data  # says where and why
    services = data.get("services") if isinstance(data, Mapping) else None
    known = services.items() if isinstance(services, Mapping) else ()
    return ComposeFile(
        name, {str(key): value if isinstance(value, Mapping) else {} for key, value in known}
    )


def image_of(service: Mapping[str, Any]) -> str:
    """The image that a service runs, where it isn't built."""
    return str(service.get("image") or "")


def command_of(service: Mapping[str, Any]) -> str:
    """A service's entrypoint and command as one line."""
    parts = []
    for key in ("entrypoint", "command"):
        value = service.get(key)
        if value is not None:
            parts.append(value if isinstance(value, str) else " ".join(map(str, value)))
    return " ".join(parts)


def _typed(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _container_ports(service: Mapping[str, Any]) -> Iterator[int]:
    for port in service.get("ports") or ():
        if isinstance(port, Mapping):
            found = str(port.get("target", ""))
        else:
            # `:` inside `${PORT:-8000}` separates nothing.
            found = re.sub(r"\$\{\w+:?-([^}]*)\}", r"\1", str(port)).rpartition(":")[2]
        match = re.match(r"\d+", found)
        if match:
            yield int(match[0])
    for port in service.get("expose") or ():
        match = re.match(r"\d+", str(port))
        if match:
            yield int(match[0])
