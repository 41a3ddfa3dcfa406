"""Which project a folder holds: the values of its `junov.yaml`."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from junov.config.kinds import EnvironmentKind
from junov.config.project import (
    Build,
    ComposeFiles,
    Database,
    Migrate,
    Project,
    Test,
    Web,
)
from junov.scaffold.application import Application, recognise
from junov.scaffold.dockerfile import find_targets
from junov.scaffold.existing_compose import USUAL_NAMES, ComposeFile, image_of, read_compose_file
from junov.scaffold.facts import Facts

_URL = "://{user}:{password}@{host}:{port}/{name}"
_DATABASE_VARIABLE = re.compile(
    r"(?!.*(?:MONGO|REDIS|MYSQL|MARIADB|RABBIT|ELASTIC|TEST))(?:[A-Z0-9]+_)*?"
    r"(?:DATABASE|DB|POSTGRES|POSTGRESQL|PG|SQL)_?(?:"
    r"(?P<host>HOST|HOSTNAME|SERVER)|(?P<port>PORT)|(?P<user>USER|USERNAME)|"
    r"(?P<password>PASSWORD|PASS)|(?P<name>NAME|DB|DATABASE)|(?P<url>URL|URI|DSN))"
)
_MADE_SECRET = re.compile(
    r"(?:.*_)?(?:SECRET_KEY|SECRET_KEY_BASE|(?:JWT|SESSION|COOKIE|APP|AUTH)_(?:SECRET|KEY)|SECRET|"
    r"SIGNING_KEY|ENCRYPTION_KEY)"
)
_GIVEN_SECRET = re.compile(
    r"(?:.*_)?(?:TOKEN|API_KEY|ACCESS_KEY|SECRET_ACCESS_KEY|CLIENT_SECRET|PASSWORD|PASSPHRASE)"
)
_READ_VARIABLE = re.compile(
    r"""(?:environ(?:\.get)?|getenv|env)\s*[\[(]\s*["']([A-Z][A-Z0-9_]*)["']|process\.env\.([A-Z]\w*)"""
)
_ENV_LINE = re.compile(r"^\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Decision:
    """What was made of a folder.

    Args:
        project: the values of its `junov.yaml`.
        application: what it holds.
        base: its compose file, if it has one.
        left: what is to be done by hand, in sentences.
    """

    project: Project
    application: Application
    base: ComposeFile | None
    left: tuple[str, ...] = field(default=())


def project_name(folder: str) -> str:
    """A folder's name as a project's: `My_App 2` becomes `my-app-2`."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-")
    if not re.match(r"[a-z]", name):
        name = f"project-{name}".strip("-")
    return name[:24].rstrip("-")


def decide(
    facts: Facts, *, name: str | None, domain: str, existing: Project | None = None
) -> Decision:
    """Make out the project.

    Args:
        facts: the folder.
        name: the project's name; the folder's without.
        domain: the domain of its hosts.
        existing: the project of a `junov.yaml` that is there, which is left as it is.

    Raises:
        ConfigError: the compose file that is there is not valid YAML.
    """
    application = recognise(facts)
    base_name = existing.compose.base if existing else facts.first(*USUAL_NAMES)
    base = None
    if base_name and base_name in facts.files:
        base = read_compose_file(base_name, facts.text(base_name))
    if existing:
        return Decision(existing, application, base)
    left = list(application.left)
    web_service = (base.web if base else "web") or "web"
    build, build_left = _build(facts, base, web_service)
    left += build_left
    database = _database(facts, application, base, web_service)
    migrate = _migration(application, base, database)
    web = Web(
        service=web_service,
        port=_port(facts, base, web_service, build),
        health=_health(application, base, web_service),
    )
    compose = _compose_files(facts, base)
    test, test_left = _test(facts, application, compose)
    left += [*test_left, *_more_left(base, web, database, application)]
    prod, stage = _branches(facts.branches)
    project_name_ = name or project_name(facts.name)
    root = f"{project_name_}.{domain}"
    project = Project(
        project=project_name_,
        build=build,
        compose=compose,
        lint=application.lint,
        test=test,
        web=web,
        migrate=migrate,
        database=database,
        secrets=_secrets(facts, base, web_service, database),
        stable=prod,
        environments={
            "prod": EnvironmentKind(branch=prod, host=root, tier="production"),
            "stage": EnvironmentKind(branch=stage, host=f"stage.{root}", tier="staging"),
            "feature": EnvironmentKind.model_validate(
                {"branch": "feature/*", "host": f"{{slug}}.{root}", "expires": "7d", "limit": 10}
            ),
            "tagged": EnvironmentKind.model_validate(
                {"tag": "env-*", "host": f"{{slug}}.{root}", "expires": "7d"}
            ),
        },
    )
    return Decision(project, application, base, tuple(left))


def _build(facts: Facts, base: ComposeFile | None, web: str) -> tuple[Build, list[str]]:
    context, dockerfile = (base.build(web) if base else None) or (".", "Dockerfile")
    path = posixpath.normpath(posixpath.join(context, dockerfile))
    if path not in facts.files:
        return Build(context=context, dockerfile=dockerfile), []
    targets = find_targets(path, facts.text(path))
    build = Build(
        context=context, dockerfile=dockerfile, release=targets.release, debug=targets.debug
    )
    return build, [targets.left] if targets.left else []


def _compose_files(facts: Facts, base: ComposeFile | None) -> ComposeFiles:
    def layer(usual: str, *kinds: str) -> str:
        names = [f"{stem}.{k}.{end}" for stem in ("compose", "docker-compose")
                 for k in kinds for end in ("yaml", "yml")]  # fmt: skip
        return facts.first(*names) or usual

    return ComposeFiles(
        base=base.name if base else "compose.yaml",
        deploy=layer("compose.prod.yaml", "prod", "production", "deploy"),
        test=layer("compose.test.yaml", "test", "tests"),
        local=layer("compose.local.yaml", "local", "override", "dev"),
        env=next((n for n in ("env", "envs", "deploy/env") if _is_open(facts, n)), "junov-env"),
    )


def _is_open(facts: Facts, folder: str) -> bool:
    return folder not in facts.closed and folder not in facts.files


def _port(facts: Facts, base: ComposeFile | None, web: str, build: Build) -> int:
    found = base.port(web) if base else None
    if found:
        return found
    dockerfile = facts.text(posixpath.join(build.context, build.dockerfile))
    exposed = re.findall(r"^\s*EXPOSE\s+(\d+)", dockerfile, re.IGNORECASE | re.MULTILINE)
    return int(exposed[-1]) if exposed else 8000


def _health(application: Application, base: ComposeFile | None, web: str) -> str:
    check = (
        str((base.services.get(web, {}).get("healthcheck") or {}).get("test", "")) if base else ""
    )
    match = re.search(r"https?://[^/\s\"']+(/[^\s\"'\],]*)", check)
    return (match[1] if match else "") or application.health or "/"


def _database(
    facts: Facts, application: Application, base: ComposeFile | None, web: str
) -> Database | None:
    service = base.database if base else "db" if application.uses_postgres else None
    if service is None:
        return None
    given = variables_of(facts, base, web)
    known = {**dict.fromkeys(_names_read(facts)), **given}
    templates = database_variables(known, application.database_scheme)
    if not templates:
        templates = {"DATABASE_URL": f"{application.database_scheme}{_URL}"}
    return Database(service=service, variables=templates)


def variables_of(facts: Facts, base: ComposeFile | None, service: str) -> dict[str, str | None]:
    """A service's variables, from its env files and the compose file itself."""
    if base is None:
        return {}
    found: dict[str, str | None] = {}
    for path in base.env_files(service):
        for match in _ENV_LINE.finditer(facts.text(path)):
            found[match[1]] = match[2].strip().strip("\"'")
    return {**found, **base.environment(service)}


def database_variables(known: Mapping[str, str | None], scheme: str) -> dict[str, str]:
    """Those variables that say where the database is, as templates for `database.variables`.

    Args:
        known: variables by name; None where the value isn't known.
        scheme: how a database URL begins, where its value doesn't say.
    """
    templates = {}
    for name, value in known.items():
        match = _DATABASE_VARIABLE.fullmatch(name)
        if not match:
            continue
        word = match.lastgroup
        if word == "url":
            typed = re.match(r"(postgres[\w+]*)://", value or "")
            if value and "://" in value and not typed:
                continue
            templates[name] = f"{typed[1] if typed else scheme}{_URL}"
        else:
            templates[name] = f"{{{word}}}"
    return templates


def _names_read(facts: Facts) -> Iterable[str]:
    for _, text in facts.sources():
        for match in _READ_VARIABLE.finditer(text):
            yield match[1] or match[2]


def _migration(
    application: Application, base: ComposeFile | None, database: Database | None
) -> Migrate | None:
    if base:
        return Migrate(service=base.migration) if base.migration else None
    if not application.migrate or database is None:
        return None
    if application.migrate[0] == "alembic":
        return Migrate(service="alembic", downgrade=("alembic", "downgrade", "{head}"))
    return Migrate(service="migrate")


def _test(
    facts: Facts, application: Application, compose: ComposeFiles
) -> tuple[Test | None, list[str]]:
    if compose.test not in facts.files:
        left = []
        if not application.test:
            left.append(f"{compose.test} tests nothing yet: put your tests' command there")
        return Test(service="tests", report=application.report), left
    services = read_compose_file(compose.test, facts.text(compose.test)).services
    service = next((name for name in ("tests", "test", "pytest") if name in services), None)
    if service is None:
        return None, [f"name the service of {compose.test} that runs the tests: `test.service`"]
    return Test(service=service), []


Kind = Literal["generate", "required"]


def _secrets(
    facts: Facts, base: ComposeFile | None, web: str, database: Database | None
) -> dict[str, Kind]:
    names = [*variables_of(facts, base, web), *_names_read(facts)]
    found: dict[str, Kind] = {}
    for name in dict.fromkeys(names):
        if (database and name in database.variables) or _DATABASE_VARIABLE.fullmatch(name):
            continue
        if _GIVEN_SECRET.fullmatch(name):
            found[name] = "required"
        elif _MADE_SECRET.fullmatch(name):
            found[name] = "generate"
    return found


def _branches(branches: tuple[str, ...]) -> tuple[str, str]:
    prod = next((name for name in ("main", "master") if name in branches), None)
    stages = ("dev", "develop", "development", "stage", "staging")
    stage = next((name for name in stages if name in branches), "dev")
    return prod or next((name for name in branches if name != stage), "main"), stage


def _more_left(
    base: ComposeFile | None,
    web: Web,
    database: Database | None,
    application: Application,
) -> list[str]:
    left = []
    if application.kind and web.health == "/":
        left.append(
            "`web.health` is `/`: name a path that answers 2xx only once the application and its "
            "database are ready"
        )
    if database is None and (application.migrate or "sqlalchemy" in application.packages):
        left.append(
            "there is no Postgres in the compose file and no driver among the packages, so no "
            "environment gets a database: add both, and `database` to junov.yaml"
        )
    if base is None:
        return left
    if base.web is None:
        left.append(f"no service of {base.name} faces outwards: set `web.service` in junov.yaml")
    elif "build" not in base.services[base.web]:
        left.append(
            f"{base.name}: the service `{base.web}` runs `{image_of(base.services[base.web])}`; "
            "give it `build:`, for junov delivers what it has built"
        )
    if base.migrates_itself(web.service):
        left.append(
            f"{base.name}: the service `{web.service}` migrates the database when it starts; let a "
            "service of its own do that and exit, and name it under `migrate` in junov.yaml"
        )
    if base.other_database:
        service, make = base.other_database
        left.append(
            f"{base.name}: `{service}` is {make}; junov gives environments a database of Postgres "
            f"only, so each environment would run a `{service}` and keep its data in a volume"
        )
    others = [
        name
        for name in base.services
        if base.build(name) and base.build(name) != base.build(web.service)
    ]
    if others:
        left.append(
            f"{base.name}: {', '.join(f'`{name}`' for name in others)} and `{web.service}` are "
            "built from different Dockerfiles; junov builds one image for a project"
        )
    return left
