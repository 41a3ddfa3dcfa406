"""`compose.test.yaml`, for a project that has none."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping

from junov.scaffold.decide import Decision
from junov.scaffold.facts import Facts
from junov.scaffold.lines import (
    DATA,
    build,
    depends_on,
    env_path,
    healthcheck,
    key,
    local_value,
    text,
)
from junov.scaffold.mounts import without_mounts


def write_test(facts: Facts, decision: Decision) -> str:
    """`compose.test.yaml`: the service that runs the tests."""
    project, base = decision.project, decision.base
    compose, service = project.compose, project.test.service if project.test else "tests"
    command = _command(decision)
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
        *build(project, project.build.debug, "    "),
    ]
    if not decision.application.test:
        lines += ["    # Put the command that runs your tests here; this one always succeeds."]
    lines += [f"    command: {json.dumps(command)}", "    env_file:"]
    own = [
        path
        for path in (base.env_files(project.web.service) if base else [])
        if path in facts.files
    ]
    lines += [f"      - {text(path)}" for path in own]
    lines += [f"      - {env_path(project, 'base')}", f"      - {env_path(project, 'test')}"]
    variables = _variables(decision)
    if variables:
        lines += ["    environment:"]
        lines += [
            f"      {name}:{'' if v is None else f' {text(v)}'}" for name, v in variables.items()
        ]
    migrate = _migration(decision)
    waits = {project.database.service: "service_healthy"} if project.database else {}
    own_waits = {**waits, migrate: "service_completed_successfully"} if migrate else waits
    lines += depends_on(own_waits)
    if migrate:
        lines += ["", f"  {key(migrate)}:", "    env_file:"]
        lines += [f"      - {env_path(project, name)}" for name in ("base", "test")]
        lines += depends_on(waits)
        lines += without_mounts(base.services[migrate]) if base else []
    if project.database:
        lines += ["", f"  {key(project.database.service)}:"]
        lines += ["    # Nothing here has to survive a crash."]
        lines += ["    command: [postgres, -c, fsync=off, -c, full_page_writes=off]"]
        lines += ["    volumes:", "      - type: tmpfs", f"        target: {DATA}"]
        if base and "healthcheck" not in base.services.get(project.database.service, {}):
            lines += healthcheck()
    for name, data in base.services.items() if base else ():
        mounts = without_mounts(data)
        if mounts and base and name not in (base.database, migrate, service):
            lines += ["", f"  {key(name)}:", *mounts]
    return "\n".join(lines) + "\n"


def _command(decision: Decision) -> tuple[str, ...]:
    """How the tests are run; what the migration service does, they don't do again."""
    application = decision.application
    before = f"{' '.join(application.migrate)} && exec "
    if _migration(decision) and application.test[:2] == ("sh", "-c"):
        line = application.test[2]
        if application.migrate and line.startswith(before):
            return tuple(shlex.split(line.removeprefix(before)))
    return application.test or ("true",)


def _migration(decision: Decision) -> str:
    """The service that migrates the tests' database; empty where none does."""
    project, base = decision.project, decision.base
    if not (project.migrate and project.database):
        return ""
    name = project.migrate.service
    return name if base is None or name in base.services else ""


def _variables(decision: Decision) -> Mapping[str, str | None]:
    """The variables of the tests, but for the secrets, which test.env has."""
    project, base = decision.project, decision.base
    if base:
        given = base.environment(project.web.service)
        return {name: value for name, value in given.items() if name not in project.secrets}
    if project.database is None:
        return {}
    service = project.database.service
    return {name: local_value(value, service) for name, value in project.database.variables.items()}
