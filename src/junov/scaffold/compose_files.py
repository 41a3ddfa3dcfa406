"""The compose files and env files that a project lacks."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from typing import Any

from junov.config.project import Project
from junov.scaffold.decide import Decision
from junov.scaffold.existing_compose import ComposeFile
from junov.scaffold.facts import Facts

_LOCAL_USER = "app"
_DATA = "/var/lib/postgresql/data"


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
        *_build(project, project.build.release, "  "),
        "  env_file:",
        f"    - {_env(project, 'base')}",
    ]
    if database:
        lines += [
            "  environment:",
            "    # In a deployed environment junov sets its own database, role and password here.",
            *(f"    {name}: {_text(_local(value, database.service))}"
              for name, value in database.variables.items()),
        ]  # fmt: skip
    lines += ["", "services:", f"  {web.service}:", "    <<: *app"]
    waits = {database.service: "service_healthy"} if database else {}
    if migrate:
        waits[migrate.service] = "service_completed_successfully"
    lines += _depends_on(waits)
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
            *_depends_on({database.service: "service_healthy"}),
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
        lines += [f"  {_key(name)}:"]
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


def write_test(facts: Facts, decision: Decision) -> str:
    """`compose.test.yaml`: the service that runs the tests."""
    project, base = decision.project, decision.base
    compose, service = project.compose, project.test.service if project.test else "tests"
    command = decision.application.test or ("true",)
    lines = [
        "# The tests: the debug image, with a database of their own where there is one.",
        "#",
        f"#   docker compose -f {compose.base} -f {compose.test} run --rm {service}",
        "",
        "# Not the name of the base: a test run beside a running laptop stack must not touch it.",
        f"name: {project.project}-test",
        "",
        "services:",
        f"  {service}:",
        f"    image: {project.project}:local-debug",
        *_build(project, project.build.debug, "    "),
    ]
    if not decision.application.test:
        lines += ["    # Put the command that runs your tests here; this one always succeeds."]
    lines += [f"    command: {json.dumps(command)}", "    env_file:"]
    own = [
        path
        for path in (base.env_files(project.web.service) if base else [])
        if path in facts.files
    ]
    lines += [f"      - {_text(path)}" for path in own]
    lines += [f"      - {_env(project, 'base')}", f"      - {_env(project, 'test')}"]
    variables: Mapping[str, str | None] = {}
    if base:
        variables = base.environment(project.web.service)
    elif project.database:
        variables = {
            name: _local(value, project.database.service)
            for name, value in project.database.variables.items()
        }
    if variables:
        lines += ["    environment:"]
        lines += [
            f"      {name}:{'' if v is None else f' {_text(v)}'}" for name, v in variables.items()
        ]
    if project.database:
        lines += _depends_on({project.database.service: "service_healthy"})
        lines += ["", f"  {_key(project.database.service)}:"]
        lines += ["    # Nothing here has to survive a crash."]
        lines += ["    command: [postgres, -c, fsync=off, -c, full_page_writes=off]"]
        lines += ["    volumes:", "      - type: tmpfs", f"        target: {_DATA}"]
        if base and "healthcheck" not in base.services[project.database.service]:
            lines += _healthcheck()
    lines += _reset_mounts(base)
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
        f"  {_key(web.service)}:",
    ]
    body: list[str] = []
    if base is None:
        if application.reloading:
            body += [f"    command: {json.dumps(application.reloading)}"]
        if application.python:
            body += ["    volumes:", f"      - {_text(f'{_folder(project)}:/app')}"]
    body += _laptop_secrets(project)
    if base is None or not base.services.get(web.service, {}).get("ports"):
        body += ["    ports:", f'      - "127.0.0.1:${{WEB_PORT:-{web.port}}}:{web.port}"']
    if base is None and project.migrate and project.secrets:
        body += ["", f"  {_key(project.migrate.service)}:", *_laptop_secrets(project)]
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
    return {_env(project, name): text for name, text in files.items()}


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
    return lines + _without_mounts(data)


def _without_mounts(data: Mapping[str, Any]) -> list[str]:
    mounts = list(data.get("volumes") or ())
    kept = [mount for mount in mounts if not _is_bind(mount)]
    if len(kept) == len(mounts):
        return []
    note = "    # What is in the image runs, not what is in a folder."
    if not kept:
        return [note, "    volumes: !reset []"]
    return [note, "    volumes: !override", *(f"      - {_text(mount)}" for mount in kept)]


def _reset_mounts(base: ComposeFile | None) -> list[str]:
    lines = []
    for name, data in base.services.items() if base else ():
        mounts = _without_mounts(data)
        if mounts and name != (base.database if base else None):
            lines += ["", f"  {_key(name)}:", *mounts]
    return lines


def _is_bind(mount: Any) -> bool:
    if isinstance(mount, Mapping):
        return mount.get("type") == "bind"
    source, colon, _ = str(mount).partition(":")
    return bool(colon) and source.startswith((".", "/", "~", "$"))


def _build(project: Project, target: str, indent: str) -> list[str]:
    lines = [f"{indent}build:", f"{indent}  context: {_text(project.build.context)}"]
    if project.build.dockerfile != "Dockerfile":
        lines += [f"{indent}  dockerfile: {_text(project.build.dockerfile)}"]
    return [*lines, f"{indent}  target: {_text(target)}"]


def _postgres(service: str) -> list[str]:
    return [
        f"  # On the server this service is left out: one shared Postgres answers to `{service}`.",
        f"  {service}:",
        "    image: postgres:15-bookworm",
        "    environment:",
        f"      POSTGRES_USER: {_LOCAL_USER}",
        f"      POSTGRES_PASSWORD: {_LOCAL_USER}",
        f"      POSTGRES_DB: {_LOCAL_USER}",
        "    volumes:",
        f"      - {service}-data:{_DATA}",
        *_healthcheck(),
        "",
        "volumes:",
        f"  {service}-data:",
    ]


def _healthcheck() -> list[str]:
    return [
        "    healthcheck:",
        "      # Over TCP: while Postgres initialises itself, the socket would say yes too early.",
        "      test: [CMD-SHELL, 'pg_isready -h 127.0.0.1 -U \"$${POSTGRES_USER:-postgres}\"']",
        "      interval: 1s",
        "      timeout: 3s",
        "      retries: 30",
        "      start_period: 30s",
    ]


def _depends_on(waits: Mapping[str, str]) -> list[str]:
    lines = ["    depends_on:"] if waits else []
    for service, condition in waits.items():
        lines += [f"      {_key(service)}:", f"        condition: {condition}"]
    return lines


def _probe(port: int, path: str) -> str:
    code = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{port}{path}', timeout=3)"
    return json.dumps(["CMD", "python", "-c", code])


def _local(template: str, service: str) -> str:
    """A template of `database.variables` with the values of the laptop's own Postgres."""
    user = _LOCAL_USER
    return template.format(user=user, password=user, host=service, port=5432, name=user)


def _folder(project: Project) -> str:
    context = posixpath.normpath(project.build.context)
    return context if context.startswith((".", "/")) else f"./{context}"


def _env(project: Project, name: str) -> str:
    return posixpath.join(project.compose.env, f"{name}.env")


def _key(name: str) -> str:
    return (
        name if re.fullmatch(r"[A-Za-z][\w.-]*", name) and not _is_word(name) else json.dumps(name)
    )


def _text(value: Any) -> str:
    """A value as YAML that reads back as the same text, list or mapping."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z./][\w./@+-]*(?:[:=]+[\w./@+-]+)*", value):
        return json.dumps(value) if _is_word(value) else value
    return json.dumps(value, ensure_ascii=False)


def _is_word(text: str) -> bool:
    return text.lower() in {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "~"}
