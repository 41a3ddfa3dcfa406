"""The base, the deploy and the local compose file, and the env files, that a project lacks."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from typing import Any

from junov.config.project import Project
from junov.scaffold.decide import Decision
from junov.scaffold.lines import (
    DATA,
    LOCAL_USER,
    build,
    depends_on,
    env_path,
    healthcheck,
    key,
    local_value,
    text,
)
from junov.scaffold.mounts import without_mounts


def write_base(decision: Decision) -> str:
    """`compose.yaml`, for a project that has no compose file."""
    project = decision.project
    web, database, migrate = project.web, project.database, project.migrate
    lines = [
        "# The base: what the application is made of, wherever it runs.",
        "#",
        f"#   laptop       {project.compose.base} + {project.compose.local}",
        f"#   tests        {project.compose.base} + {project.compose.test}",
        f"#   deployed     {project.compose.base} + {project.compose.deploy}   (by junov)",
        "",
        f"name: {project.project}",
        "",
        "# Everything that runs the project's own image. By `build:` junov knows these services,",
        "# and puts the tested image in its place.",
        "x-app: &app",
        f"  image: {project.project}:local",
        *build(project, project.build.release, "  "),
        "  env_file:",
        f"    - {env_path(project, 'base')}",
    ]
    if database:
        lines += [
            "  environment:",
            "    # In a deployed environment junov sets its own database, role and password here.",
            *(f"    {name}: {text(local_value(value, database.service))}"
              for name, value in database.variables.items()),
        ]  # fmt: skip
    lines += ["", "services:", f"  {web.service}:", "    <<: *app"]
    waits = {database.service: "service_healthy"} if database else {}
    if migrate:
        waits[migrate.service] = "service_completed_successfully"
    lines += depends_on(waits)
    lines += [
        "    stop_grace_period: 35s",
        "    healthcheck:",
        f"      test: {_probe(web.port, web.health)}",
        "      interval: 2s",
        "      timeout: 5s",
        "      retries: 3",
        "      start_period: 20s",
    ]
    if migrate and database:
        lines += [
            "",
            f"  {migrate.service}:",
            "    <<: *app",
            f"    command: {json.dumps(decision.application.migrate or ('true',))}",
            '    restart: "no"',
            *depends_on({database.service: "service_healthy"}),
        ]
    if database:
        lines += ["", *_postgres(database.service)]
    return "\n".join(lines) + "\n"


def write_deploy(decision: Decision) -> str:
    """`compose.prod.yaml`: what deployed environments have on top."""
    project = decision.project
    lines = ["# Every deployed environment: prod, stage and the branches alike.", "", "services:"]
    for name, data in _services(decision).items():
        if project.database and name == project.database.service:
            continue
        lines += [f"  {key(name)}:"]
        once = project.migrate is not None and name == project.migrate.service
        lines += ['    restart: "no"' if once else "    restart: unless-stopped"]
        lines += ["    init: true"] if "build" in data else []
        if name == project.web.service and decision.base is None:
            lines += [
                "    environment:",
                "      # Only the edge reaches this port, so what it says of the client is true.",
                '      FORWARDED_ALLOW_IPS: "*"',
            ]
        lines += _off_the_host(data)
        lines += [
            "    logging:",
            "      driver: json-file",
            '      options: {max-size: 10m, max-file: "3"}',
        ]
    return "\n".join(lines) + "\n"


def write_local(decision: Decision) -> str:
    """`compose.local.yaml`: ports and the source, for the laptop."""
    project, base, application = decision.project, decision.base, decision.application
    web = project.web
    lines = [
        "# The laptop: ports, and the source from this folder.",
        "#",
        f"#   docker compose -f {project.compose.base} -f {project.compose.local} up",
        "",
        "services:",
        f"  {key(web.service)}:",
    ]
    body: list[str] = []
    if base is None:
        if application.reloading:
            body += [f"    command: {json.dumps(application.reloading)}"]
        if application.python:
            body += ["    volumes:", f"      - {text(f'{_folder(project)}:/app')}"]
    body += _laptop_secrets(project)
    if base is None or not base.services.get(web.service, {}).get("ports"):
        body += ["    ports:", f'      - "127.0.0.1:${{WEB_PORT:-{web.port}}}:{web.port}"']
    if base is None and project.migrate and project.secrets:
        body += ["", f"  {key(project.migrate.service)}:", *_laptop_secrets(project)]
    if not body:
        lines[-1] += " {}"
        lines.insert(-1, f"  # {project.compose.base} has its ports already.")
    return "\n".join(lines + body) + "\n"


def write_env_files(project: Project) -> dict[str, str]:
    """The env files by path: one for all, one for each kind of environment, one for tests."""
    files = {
        "base": "# Every environment, the laptop included. No secrets: these files are in git.\n"
    }
    for name, kind in project.environments.items():
        what = "branch" if kind.branch else "tag"
        which = f"Any {what}" if kind.is_pattern else f"The {what}"
        files[name] = f"# {which} `{kind.pattern}`: what differs from base.env.\n"
    files["test"] = "# The test run: what differs from base.env.\n" + "".join(
        f"{name}=only-for-tests\n" for name in project.secrets
    )
    return {env_path(project, name): content for name, content in files.items()}


def _laptop_secrets(project: Project) -> list[str]:
    lines = [f"      {name}: only-for-this-laptop" for name in project.secrets]
    return ["    environment:", *lines] if lines else []


def _services(decision: Decision) -> Mapping[str, Mapping[str, Any]]:
    if decision.base:
        return decision.base.services
    project = decision.project
    names = [project.web.service] + ([project.migrate.service] if project.migrate else [])
    return {name: {"build": "."} for name in names}


def _off_the_host(data: Mapping[str, Any]) -> list[str]:
    """What takes back the parts of a service that only the laptop may have."""
    lines = []
    if data.get("ports"):
        lines += [
            "    # The edge reaches it by its name; a port of the server can be had only once."
        ]
        lines += ["    ports: !reset []"]
    if data.get("container_name"):
        lines += ["    container_name: !reset null"]
    return lines + without_mounts(data)


def _postgres(service: str) -> list[str]:
    return [
        f"  # On the server this service is left out: one shared Postgres answers to `{service}`.",
        f"  {service}:",
        "    image: postgres:15-bookworm",
        "    environment:",
        f"      POSTGRES_USER: {LOCAL_USER}",
        f"      POSTGRES_PASSWORD: {LOCAL_USER}",
        f"      POSTGRES_DB: {LOCAL_USER}",
        "    volumes:",
        f"      - {service}-data:{DATA}",
        *healthcheck(),
        "",
        "volumes:",
        f"  {service}-data:",
    ]


def _probe(port: int, path: str) -> str:
    code = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{port}{path}', timeout=3)"
    return json.dumps(["CMD", "python", "-c", code])


def _folder(project: Project) -> str:
    context = posixpath.normpath(project.build.context)
    return context if context.startswith((".", "/")) else f"./{context}"
