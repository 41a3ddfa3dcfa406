"""What kind of application a folder holds, and how one of that kind is run."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from junov.scaffold.facts import Facts, is_test

_OTHER_LANGUAGES = {
    "package.json": "Node.js",
    "go.mod": "Go",
    "Cargo.toml": "Rust",
    "Gemfile": "Ruby",
    "composer.json": "PHP",
    "pom.xml": "Java",
    "build.gradle": "Java",
    "build.gradle.kts": "Kotlin",
    "mix.exs": "Elixir",
}
_PYTHON_FILES = ("pyproject.toml", "requirements.txt", "manage.py", "setup.py", "Pipfile")
_HEALTH = re.compile(
    r"""["'](/?(?:-/)?(?:api/)?(?:health|healthz|health[-_]?check|healthy|livez|readyz|ping)/?)["']"""
)
_DRIVERS = {  # package → SQLAlchemy's name for it
    "psycopg": "postgresql+psycopg",
    "psycopg2": "postgresql+psycopg2",
    "psycopg2-binary": "postgresql+psycopg2",
    "asyncpg": "postgresql+asyncpg",
}


@dataclass(frozen=True, slots=True)
class Application:
    """An application, as its own files show it.

    Args:
        kind: its framework, else its language; empty where the folder holds no program yet.
        python: whether it is written in Python.
        packages: the Python packages that it asks for, by their normal names.
        command: how it is served on port 8000; empty where that cannot be told.
        reloading: the same for the laptop, restarted when the source changes.
        health: the path that says whether it is ready; empty where it has none.
        migrate: how its database is migrated; empty where it has no migrations.
        test: how its tests are run; empty where it has none.
        report: the JUnit report that the tests leave.
        lint: its linters.
        left: what somebody has to look at, in sentences.
    """

    kind: str = ""
    python: bool = False
    packages: frozenset[str] = frozenset()
    command: tuple[str, ...] = ()
    reloading: tuple[str, ...] = ()
    health: str = ""
    migrate: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    report: str | None = None
    lint: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def uses_postgres(self) -> bool:
        """Whether it brings a driver for Postgres."""
        return bool(self.packages & (_DRIVERS.keys() | {"pg8000", "aiopg"}))

    @property
    def database_scheme(self) -> str:
        """How its database URL begins."""
        if "sqlalchemy" in self.packages or "sqlmodel" in self.packages:
            for package, scheme in _DRIVERS.items():
                if package in self.packages:
                    return scheme
        return "postgresql"


def recognise(facts: Facts) -> Application:
    """Tell what application a folder holds."""
    health = next((m[1] for _, text in facts.sources() if (m := _HEALTH.search(text))), "")
    health = f"/{health.lstrip('/')}" if health else ""
    if not (facts.first(*_PYTHON_FILES) or any(path.endswith(".py") for path in facts.files)):
        return _other(facts, health)
    packages = frozenset(requirements(facts))
    kind, command, reloading, migrate, left = _served(facts, packages)
    test, report = _tests(facts, packages, migrate)
    return Application(
        kind=kind,
        python=True,
        packages=packages,
        command=command,
        reloading=reloading,
        health=health,
        migrate=migrate,
        test=test,
        report=report,
        lint=_linters(facts, packages),
        left=tuple(left),
    )


def requirements(facts: Facts) -> Iterator[str]:
    """The normal names (PEP 503) of all packages that the folder's files ask for."""
    lines: list[str] = []
    for path, text in facts.files.items():
        if re.search(r"requirements[^/]*\.(txt|in)$|(^|/)requirements/[^/]+\.(txt|in)$", path):
            lines += text.splitlines()
    data = pyproject(facts)
    project = data.get("project", {})
    lines += project.get("dependencies", [])
    for group in (project.get("optional-dependencies", {}), data.get("dependency-groups", {})):
        lines += [item for items in group.values() for item in items if isinstance(item, str)]
    poetry = data.get("tool", {}).get("poetry", {})
    lines += poetry.get("dependencies", {})
    for part in poetry.get("group", {}).values():
        lines += part.get("dependencies", {})
    for line in lines:
        match = re.match(r"\s*([A-Za-z0-9][\w.-]*)(\[[^\]]*\])?", line)
        if match:
            yield re.sub(r"[-_.]+", "-", match[1]).lower()


def pyproject(facts: Facts) -> Mapping[str, Any]:
    """The contents of pyproject.toml; empty where there is none that can be read."""
    try:
        return tomllib.loads(facts.text("pyproject.toml"))
    except tomllib.TOMLDecodeError:
        return {}


def _other(facts: Facts, health: str) -> Application:
    marker = facts.first(*_OTHER_LANGUAGES)
    if marker is None:
        return Application(health=health)
    test, lint = _scripts(facts) if marker == "package.json" else ((), ())
    if marker == "go.mod":
        test = ("go", "test", "./...")
    return Application(kind=_OTHER_LANGUAGES[marker], health=health, test=test, lint=lint)


def _scripts(facts: Facts) -> tuple[tuple[str, ...], tuple[str, ...]]:
    try:
        scripts = json.loads(facts.text("package.json")).get("scripts", {})
    except (ValueError, AttributeError):
        return (), ()
    # `npm init` writes a test script that only says there is none.
    test = (
        ("npm", "test")
        if "no test specified" not in scripts.get("test", "no test specified")
        else ()
    )
    return test, ("npm run lint",) if "lint" in scripts else ()


_Served = tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...], list[str]]


def _served(facts: Facts, packages: frozenset[str]) -> _Served:
    migrate = ("alembic", "upgrade", "head") if "alembic.ini" in facts.files else ()
    if "manage.py" in facts.files or "django" in packages:
        return _django(facts, packages)
    for kind, pattern, package in (
        ("FastAPI", r"^(\w+)(?:\s*:[^=\n]+)?\s*=\s*(?:fastapi\.)?FastAPI\(", "fastapi"),
        ("Starlette", r"^(\w+)(?:\s*:[^=\n]+)?\s*=\s*Starlette\(", "starlette"),
    ):
        found = _variable(facts, pattern)
        if found or package in packages:
            target, left = found or "main:app", []
            if not found:
                left.append(f"the application wasn't found: `{target}` in the files is a guess")
            serve = ("uvicorn", target, "--host", "0.0.0.0", "--port", "8000")  # noqa: S104
            if "uvicorn" not in packages and "fastapi" not in packages:
                left.append("add uvicorn to the project's dependencies: it serves the application")
            graceful = ("--timeout-graceful-shutdown", "30")
            return kind, (*serve, *graceful), (*serve, "--reload"), migrate, left
    found = _variable(facts, r"^(\w+)\s*=\s*(?:flask\.)?Flask\(")
    if found or "flask" in packages:
        return _flask(found or "app:app", packages, migrate)
    return "Python", (), (), migrate, []


def _django(facts: Facts, packages: frozenset[str]) -> _Served:
    match = re.search(r"DJANGO_SETTINGS_MODULE[\"'],\s*[\"']([\w.]+)[\"']", facts.text("manage.py"))
    package = match[1].split(".")[0] if match else "config"
    left = (
        []
        if match
        else ["the settings weren't found: the package `config` in the Dockerfile is a guess"]
    )
    run = ("python", "manage.py", "runserver", "0.0.0.0:8000")
    serve = run
    if "gunicorn" in packages:
        serve = ("gunicorn", "--bind", "0.0.0.0:8000", f"{package}.wsgi:application")
    else:
        left.append(
            "add gunicorn to the project's dependencies, and serve with it instead of runserver"
        )
    left.append(
        "let Django's ALLOWED_HOSTS take the environment's own host: JUNOV_HOST, which each "
        "container gets, and 127.0.0.1 for the healthcheck"
    )
    return "Django", serve, run, ("python", "manage.py", "migrate", "--noinput"), left


def _flask(target: str, packages: frozenset[str], migrate: tuple[str, ...]) -> _Served:
    module = target.replace(":create_app()", "")
    run = ("flask", "--app", module, "run", "--host", "0.0.0.0", "--port", "8000")  # noqa: S104
    if "flask-migrate" in packages:
        migrate = ("flask", "--app", module, "db", "upgrade")
    if "gunicorn" in packages:
        serve: tuple[str, ...] = ("gunicorn", "--bind", "0.0.0.0:8000", target)
        return "Flask", serve, (*run, "--debug"), migrate, []
    left = ["add gunicorn to the project's dependencies, and serve with it instead of `flask run`"]
    return "Flask", run, (*run, "--debug"), migrate, left


def _variable(facts: Facts, pattern: str) -> str | None:
    """Where a variable of the application is made, as `module:name`."""
    for path, text in facts.sources():
        match = re.search(pattern, text, re.MULTILINE) if path.endswith(".py") else None
        if match:
            module = re.sub(r"(^src/|/__init__\.py$|\.py$)", "", path).replace("/", ".")
            return f"{module}:{match[1]}"
    return None


def _tests(
    facts: Facts, packages: frozenset[str], migrate: tuple[str, ...]
) -> tuple[tuple[str, ...], str | None]:
    there = any(path.endswith(".py") and is_test(path) for path in facts.files)
    if "manage.py" in facts.files and not any(name.startswith("pytest") for name in packages):
        return ("python", "manage.py", "test"), None
    if not there:
        return (), None
    report = "/tmp/reports/junit.xml"  # noqa: S108 - a path inside the container
    # /app belongs to root in the image, so pytest can keep no cache there and would warn.
    test = ("pytest", "-p", "no:cacheprovider", f"--junitxml={report}")
    if migrate[:1] == ("alembic",):
        return ("sh", "-c", f"{' '.join(migrate)} && exec {' '.join(test)}"), report
    return test, report


def _linters(facts: Facts, packages: frozenset[str]) -> tuple[str, ...]:
    if (
        "ruff" in packages
        or "ruff" in pyproject(facts).get("tool", {})
        or "ruff.toml" in facts.files
    ):
        return ("ruff check .", "ruff format --check .")
    return ("flake8",) if "flake8" in packages else ()
