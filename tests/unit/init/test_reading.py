"""What `junov init` reads from a folder, and what it makes of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit.init.folders import (
    DJANGO,
    FASTAPI,
    FASTAPI_COMPOSE,
    NODE,
    config,
    init,
    outcomes,
    report,
    resolved,
)


def test_a_written_junov_yaml_keeps_the_comments_and_names_its_schema(
    make: Callable[..., Path],
) -> None:
    folder = make(FASTAPI)
    report("--domain", "example.com")
    text = (folder / "junov.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=.junov/junov.schema.json\n")
    assert "  health: /healthz    # answers 2xx once it may have requests" in text
    assert "# registry: registry.example.com/team/notes\n" in text
    assert "notes.fixtures" not in text
    assert "PAYMENT_TOKEN" not in text
    assert (folder / ".junov/junov.schema.json").is_file()


def test_sections_that_do_not_apply_are_left_out(make: Callable[..., Path]) -> None:
    folder = make({})
    report()
    text = (folder / "junov.yaml").read_text()
    assert "\ndatabase:" not in text
    assert "shared Postgres" not in text
    assert "\nmigrate:" not in text
    assert "\nsecrets: {}\n" in text


def test_fastapi_is_served_migrated_and_tested(make: Callable[..., Path]) -> None:
    folder = make(FASTAPI)
    data = report()
    project = config(folder)
    assert data["kind"] == "FastAPI"
    assert data["left"] == []
    assert project.web.health == "/healthz"
    assert project.migrate
    assert project.migrate.service == "alembic"
    assert project.database
    assert project.database.variables == {
        "DATABASE_URL": "postgresql+psycopg://{user}:{password}@{host}:{port}/{name}"
    }
    assert project.secrets == {"SECRET_KEY": "generate"}
    assert project.lint == ("ruff check .", "ruff format --check .")
    dockerfile = (folder / "Dockerfile").read_text()
    assert 'CMD ["uvicorn", "app.main:app"' in dockerfile
    assert "pip install -r requirements-dev.txt" in dockerfile
    services = resolved(folder, "compose.test.yaml")["services"]
    assert services["tests"]["command"][:3] == ["pytest", "-p", "no:cacheprovider"]
    assert waits(services["tests"]) == {
        "alembic": "service_completed_successfully", "db": "service_healthy",
    }  # fmt: skip
    assert services["db"]["volumes"][0]["type"] == "tmpfs"


def test_a_written_dockerfile_is_as_it_should_be(make: Callable[..., Path]) -> None:
    folder = make(FASTAPI)
    report()
    text = (folder / "Dockerfile").read_text()
    assert "FROM python:3.11-slim-bookworm AS base" in text
    assert "AS release" in text
    assert "FROM release AS debug" in text
    assert "USER 10001:10001" in text
    assert "--mount=type=cache" in text
    assert "# syntax=" not in text


def test_a_project_with_pyproject_installs_from_it(make: Callable[..., Path]) -> None:
    folder = make(
        {
            "pyproject.toml": '[project]\nname = "x"\ndependencies = ["flask", "gunicorn"]\n'
            '[dependency-groups]\ndev = ["pytest"]\n',
            "src/shop/web.py": "from flask import Flask\napplication = Flask(__name__)\n",
        }
    )
    data = report()
    assert data["kind"] == "Flask"
    dockerfile = (folder / "Dockerfile").read_text()
    assert "data['project']['dependencies']" in dockerfile
    assert "data['dependency-groups']['dev']" in dockerfile
    assert '"shop.web:application"' in dockerfile
    assert "PYTHONPATH=/app/src" in dockerfile


def test_an_existing_compose_file_says_what_is_what(make: Callable[..., Path]) -> None:
    folder = make(FASTAPI_COMPOSE)
    data = report()
    project = config(folder)
    assert (project.web.service, project.web.port) == ("api", 8080)
    assert project.migrate
    assert project.migrate.service == "migrations"
    assert project.database
    assert project.database.service == "database"
    assert project.database.variables == {
        "DATABASE_URL": "postgresql+asyncpg://{user}:{password}@{host}:{port}/{name}"
    }
    assert project.secrets == {"STRIPE_API_KEY": "required", "SECRET_KEY": "generate"}
    assert "compose.yaml" in outcomes(data)
    assert outcomes(data)["compose.yaml"] == "kept"


def waits(service: Mapping[str, Any]) -> dict[str, str]:
    return {name: how["condition"] for name, how in service["depends_on"].items()}


def test_the_tests_wait_for_the_migration_and_that_for_the_database(
    make: Callable[..., Path],
) -> None:
    folder = make(FASTAPI_COMPOSE)
    report()
    services = resolved(folder, "compose.test.yaml")["services"]
    assert waits(services["tests"]) == {
        "migrations": "service_completed_successfully", "database": "service_healthy",
    }  # fmt: skip
    assert waits(services["migrations"]) == {"database": "service_healthy"}
    assert "-h 127.0.0.1" in services["database"]["healthcheck"]["test"][-1]
    assert services["tests"]["command"][0] == "pytest"


def test_the_secrets_of_tests_stand_in_one_place(make: Callable[..., Path]) -> None:
    folder = make(DJANGO)
    report()
    assert "DJANGO_SECRET_KEY=only-for-tests\n" in (folder / "env/test.env").read_text()
    assert "DJANGO_SECRET_KEY" not in (folder / "compose.test.yaml").read_text()
    tests = resolved(folder, "compose.test.yaml")["services"]["tests"]
    assert tests["environment"]["DJANGO_SECRET_KEY"] == "only-for-tests"


def test_each_folder_that_deployed_environments_lack_is_named(make: Callable[..., Path]) -> None:
    compose = FASTAPI_COMPOSE["compose.yaml"].replace(
        'volumes: [".:/code", ', 'volumes: [".:/code", "./photos:/photos", '
    )
    make({**FASTAPI_COMPOSE, "compose.yaml": compose})
    said = [sentence for sentence in report()["left"] if "deployed environments" in sentence]
    assert len(said) == 1
    assert said[0].startswith("`./photos` of `api` is not in deployed environments: use a named")


def test_what_only_the_laptop_may_have_is_taken_back_for_deployed_environments(
    make: Callable[..., Path],
) -> None:
    folder = make(FASTAPI_COMPOSE)
    report()
    api = resolved(folder, "compose.prod.yaml")["services"]["api"]
    assert "ports" not in api
    assert "container_name" not in api
    assert [volume["type"] for volume in api["volumes"]] == ["volume"]
    assert "volumes" not in resolved(folder, "compose.test.yaml")["services"]["migrations"]


def test_targets_of_a_dockerfile_are_named_and_what_it_lacks_is_said(
    make: Callable[..., Path],
) -> None:
    folder = make(FASTAPI_COMPOSE)
    data = report()
    build = config(folder).build
    assert (build.release, build.debug) == ("production", "production")
    assert data["left"] == [
        "Dockerfile has no target for tests, so junov.yaml names `production` for both: put one on "
        "top of it, `FROM production AS debug`, and set `build.debug` to it"
    ]


@pytest.mark.parametrize(
    ("dockerfile", "release", "debug", "left"),
    [
        pytest.param("FROM a AS release\nFROM release AS debug\n", "release", "debug", "",
                     id="as junov would write it"),
        pytest.param("from a as Base\nFROM --platform=$X Base AS prod\nFROM prod AS dev\n",
                     "prod", "dev", "", id="other names"),
        pytest.param("FROM a AS build\nFROM nginx\n", "release", "debug",
                     "name the last stage, `FROM nginx AS release`", id="no name at the end"),
        pytest.param("FROM a AS prod\nFROM a AS test\n", "prod", "test",
                     "`test` isn't built on `prod`", id="tests beside, not on top"),
        pytest.param("FROM a AS thing\n", "thing", "thing", "`FROM thing AS debug`", id="one only"),
        pytest.param("", "release", "debug", "has no FROM", id="empty"),
    ],
)  # fmt: skip
def test_which_targets_a_dockerfile_has(
    make: Callable[..., Path], dockerfile: str, release: str, debug: str, left: str
) -> None:
    folder = make({"Dockerfile": dockerfile})
    said = " ".join(report()["left"])
    build = config(folder).build
    assert (build.release, build.debug) == (release, debug)
    assert (left in said) if left else ("target" not in said)


def test_django_with_an_old_compose_file(make: Callable[..., Path]) -> None:
    folder = make(DJANGO)
    data = report()
    project = config(folder)
    assert data["kind"] == "Django"
    assert project.compose.base == "docker-compose.yml"
    assert not (folder / "compose.yaml").exists()
    assert (project.web.service, project.web.port, project.web.health) == ("web", 8000, "/health/")
    assert project.database
    assert project.database.variables == {
        "DB_HOST": "{host}", "DB_NAME": "{name}", "DB_USER": "{user}", "DB_PASSWORD": "{password}",
    }  # fmt: skip
    assert project.migrate is None
    assert project.secrets == {"DJANGO_SECRET_KEY": "generate"}
    said = "\n".join(data["left"])
    assert "the service `web` migrates the database when it starts" in said
    assert "`FROM python:3.11-slim AS release`" in said
    assert "ALLOWED_HOSTS" in said


def test_another_language_gets_no_dockerfile_and_is_told_so(make: Callable[..., Path]) -> None:
    folder = make(NODE)
    data = report()
    project = config(folder)
    assert not (folder / "Dockerfile").exists()
    assert project.lint == ("npm run lint",)
    assert (project.web.port, project.web.health) == (3000, "/healthz")
    assert project.secrets == {"SESSION_SECRET": "generate"}
    said = "\n".join(data["left"])
    assert "write Dockerfile for Node.js, with the targets `release`" in said
    assert "`store` is mysql" in said
    assert "FROM python" not in init("--dry-run").output


def test_branches_of_the_repository_become_environments(make: Callable[..., Path]) -> None:
    folder = make({})
    identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
    for command in (
        ["checkout", "-q", "-b", "master"],
        [*identity, "commit", "-q", "--allow-empty", "-m", "first"],
        ["branch", "develop"],
    ):
        subprocess.run(["git", *command], check=True)
    report()
    project = config(folder)
    assert project.environments["prod"].branch == "master"
    assert project.environments["stage"].branch == "develop"
    assert project.stable == "master"
