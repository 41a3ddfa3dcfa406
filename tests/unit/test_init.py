"""`junov init`: given a folder, these files are written, this is kept, and this is left to do."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from junov.cli.app import root
from junov.config.project import Project, read_project
from junov.engine.client import find_compose
from junov.errors import ConfigError

FASTAPI = {
    "requirements.txt": "fastapi\nuvicorn\nsqlalchemy\npsycopg[binary]\nalembic\n",
    "requirements-dev.txt": "-r requirements.txt\npytest\nruff\n",
    "alembic.ini": "",
    "app/__init__.py": "",
    "app/main.py": "import os\nfrom fastapi import FastAPI\n\napp = FastAPI()\n"
    'KEY = os.environ["SECRET_KEY"]\n\n\n@app.get("/healthz")\ndef health(): ...\n',
    "tests/test_app.py": "def test_nothing(): ...\n",
}
FASTAPI_COMPOSE = {
    **FASTAPI,
    "Dockerfile": "FROM python:3.11 AS builder\nFROM python:3.11 AS production\nEXPOSE 8080\n",
    "compose.yaml": """\
services:
  redis:
    image: redis:7
  api:
    build: .
    container_name: the-api
    command: uvicorn app.main:app --host 0.0.0.0 --port 8080
    environment:
      DATABASE_URL: postgresql+asyncpg://shop:shop@database:5432/shop
      STRIPE_API_KEY: ${STRIPE_API_KEY:-}
    ports: ["${PORT:-9000}:8080"]
    volumes: [".:/code", "uploads:/uploads"]
    depends_on: [database, migrations]
  migrations:
    build: .
    command: alembic upgrade head
    volumes: [".:/code"]
  database:
    image: postgis/postgis:15-3.4
volumes:
  uploads:
""",
}
DJANGO = {
    "manage.py": 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")\n',
    "requirements.txt": "Django==5.2\npsycopg2-binary\ngunicorn\n",
    "mysite/settings.py": 'SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]\n'
    'DATABASES = {"default": {"HOST": os.environ.get("DB_HOST")}}\n',
    "mysite/urls.py": 'urlpatterns = [path("health/", health)]\n',
    "Dockerfile": "FROM python:3.11-slim\nCOPY . .\n",
    "docker-compose.yml": """\
version: "3.9"
services:
  web:
    build:
      context: .
      dockerfile: Dockerfile
    command: sh -c "python manage.py migrate && gunicorn mysite.wsgi -b 0.0.0.0:8000"
    ports:
      - target: 8000
        published: 80
    environment:
      - DB_HOST=db
      - DB_NAME=mysite
      - DB_USER=mysite
      - DB_PASSWORD=mysite
      - DJANGO_SECRET_KEY=insecure
  db:
    image: postgres:15
""",
}
NODE = {
    "package.json": '{"scripts": {"test": "vitest", "lint": "eslint ."}}',
    "server.js": 'app.get("/healthz", ok); app.listen(process.env.PORT)\n',
    "compose.yaml": """\
services:
  web:
    build: .
    ports: ["127.0.0.1:3000:3000"]
    env_file: .env
  store:
    image: mysql:8
""",
    ".env": "SESSION_SECRET=x\nPORT=3000\n",
}

Init = Callable[..., Result]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    def make(files: Mapping[str, str], name: str = "shop", *, git: bool = True) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        if git:
            subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
        monkeypatch.chdir(folder)
        return folder

    return make


def init(*arguments: str) -> Result:
    return CliRunner().invoke(root, ["init", *arguments], catch_exceptions=False)


def report(*arguments: str) -> dict[str, Any]:
    result = init("--json", *arguments)
    assert result.exit_code == 0, result.output
    data: dict[str, Any] = json.loads(result.stdout)
    return data


def outcomes(data: Mapping[str, Any]) -> dict[str, str]:
    return {file["path"]: file["outcome"] for file in data["files"]}


def config(folder: Path) -> Project:
    return read_project(folder).config


def resolved(folder: Path, layer: str) -> dict[str, Any]:
    """What the real Compose makes of the base and a layer."""
    compose = config(folder).compose
    argv = [*find_compose().command, "-f", compose.base]
    if (folder / layer).exists():
        argv += ["-f", layer]
    ran = subprocess.run(
        [*argv, "config", "--format", "json"], cwd=folder, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    data: dict[str, Any] = json.loads(ran.stdout)
    return data


def refused() -> set[tuple[str, str]]:
    """What `junov check` refuses in the current folder, as environment and rule."""
    result = CliRunner().invoke(root, ["check", "--json"], catch_exceptions=False)
    return {(finding["environment"], finding["rule"]) for finding in json.loads(result.stdout)}


CASES = [
    pytest.param({}, id="an empty folder"),
    pytest.param(
        {"Dockerfile": "FROM debian AS release\nFROM release AS debug\n"}, id="Dockerfile"
    ),
    pytest.param(FASTAPI, id="FastAPI without containers"),
    pytest.param(FASTAPI_COMPOSE, id="FastAPI with compose"),
    pytest.param(DJANGO, id="Django with docker-compose.yml"),
    pytest.param(NODE, id="Node.js with compose"),
]


@pytest.mark.parametrize("files", CASES)
def test_what_is_written_is_read_by_junov_and_by_compose(
    make: Callable[..., Path], files: Mapping[str, str]
) -> None:
    folder = make(files)
    report()
    compose = config(folder).compose
    for layer in (compose.deploy, compose.test, compose.local):
        assert (folder / layer).exists()
        assert resolved(folder, layer)["services"]


@pytest.mark.parametrize("files", CASES)
def test_what_is_there_stays_and_a_second_run_writes_nothing(
    make: Callable[..., Path], files: Mapping[str, str]
) -> None:
    folder = make(files)
    first = outcomes(report())
    for path, text in files.items():
        assert (folder / path).read_text() == text
        assert first.get(path, "kept") == "kept"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert set(outcomes(report()).values()) == {"kept"}
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("files", "left"),
    [
        pytest.param({}, set(), id="an empty folder"),
        pytest.param(FASTAPI, set(), id="FastAPI without containers"),
        # An image of others has to be pinned, and only a person can say to which digest.
        pytest.param(FASTAPI_COMPOSE, {"unpinned-image"}, id="FastAPI with compose"),
        pytest.param(DJANGO, set(), id="Django with docker-compose.yml"),
        pytest.param(NODE, {"unpinned-image"}, id="Node.js with compose"),
    ],
)
def test_what_is_written_passes_the_guard(
    make: Callable[..., Path], files: Mapping[str, str], left: set[str]
) -> None:
    make(files)
    report()
    assert {rule for _, rule in refused()} == left


def test_an_empty_folder_gets_every_file(make: Callable[..., Path]) -> None:
    folder = make({})
    written = outcomes(report())
    assert set(written.values()) == {"written"}
    assert set(written) == {
        "junov.yaml", ".junov/junov.schema.json", "compose.yaml", "compose.prod.yaml",
        "compose.test.yaml", "compose.local.yaml", "env/base.env", "env/prod.env",
        "env/stage.env", "env/feature.env", "env/tagged.env", "env/test.env", "Dockerfile",
        ".dockerignore",
    }  # fmt: skip
    assert all((folder / path).is_file() for path in written)
    project = config(folder)
    assert (project.database, project.migrate) == (None, None)
    assert project.web.health == "/"


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
    assert (
        "alembic upgrade head && exec pytest -p no:cacheprovider "
        in services["tests"]["command"][-1]
    )
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


def test_a_name_that_is_not_legal_is_made_so(make: Callable[..., Path]) -> None:
    folder = make({}, "My_App 2")
    report()
    assert config(folder).project == "my-app-2"


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("notes", "notes"),
        ("2048", "project-2048"),
        ("Ünïcode Café!", "n-code-caf"),
        ("заметки", "project"),
        ("a-very-long-name-for-a-project", "a-very-long-name-for-a-p"),
    ],
)
def test_names_of_folders(make: Callable[..., Path], folder: str, name: str) -> None:
    assert config(_initialised(make, folder)).project == name


def _initialised(make: Callable[..., Path], name: str) -> Path:
    folder = make({}, name)
    report()
    return folder


def test_name_and_domain_can_be_given(make: Callable[..., Path]) -> None:
    folder = make({})
    report("--project", "kiosk", "--domain", "example.com")
    project = config(folder)
    assert project.project == "kiosk"
    assert [kind.host for kind in project.environments.values()] == [
        "kiosk.example.com",
        "stage.kiosk.example.com",
        "{slug}.kiosk.example.com",
        "{slug}.kiosk.example.com",
    ]


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--project", "My_App", "lower-case letters"),
        ("--domain", "http://example.com", "leave the scheme and the path out"),
    ],
)
def test_a_wrong_option_is_wrong_usage(
    make: Callable[..., Path], option: str, value: str, said: str
) -> None:
    folder = make({}, git=False)
    result = init(option, value)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert list(folder.iterdir()) == []


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


def test_a_folder_without_a_repository_is_said_to_be_none(make: Callable[..., Path]) -> None:
    make({}, git=False)
    result = init()
    assert result.exit_code == 0
    assert "no git repository yet" in result.output
    assert "  git init\n" in result.output


@pytest.mark.parametrize("reason", ["ignored by git", "a virtual environment", "a file"])
def test_env_files_go_elsewhere_where_env_is_taken(make: Callable[..., Path], reason: str) -> None:
    taken = {
        "ignored by git": {".gitignore": "env/\n"},
        "a virtual environment": {"env/pyvenv.cfg": ""},
        "a file": {"env": ""},
    }
    folder = make(taken[reason])
    data = report()
    assert config(folder).compose.env == "envs"
    assert (folder / "envs/base.env").is_file()
    assert any("`envs`" in sentence for sentence in data["left"])
    assert refused() == set()


def test_an_existing_junov_yaml_decides_what_is_missing(make: Callable[..., Path]) -> None:
    folder = make(
        {
            "junov.yaml": "project: till\ncompose: {env: settings}\nweb: {service: front}\n"
            "environments:\n  live: {branch: main, host: till.test}\n"
        }
    )
    data = report()
    assert data["project"] == "till"
    assert outcomes(data)["junov.yaml"] == "kept"
    assert (folder / "settings/live.env").is_file()
    assert not (folder / "env").exists()
    assert "front" in resolved(folder, "compose.prod.yaml")["services"]


def test_a_wrong_junov_yaml_is_an_error_and_nothing_is_written(make: Callable[..., Path]) -> None:
    folder = make({"junov.yaml": "project: 1.20\n"}, git=False)
    with pytest.raises(ConfigError) as caught:
        init()
    assert [str(problem.place) for problem in caught.value.problems] == [
        "junov.yaml:1:1", "junov.yaml:1:10",
    ]  # fmt: skip
    assert [path.name for path in folder.iterdir()] == ["junov.yaml"]


def test_a_wrong_compose_file_is_an_error_with_its_place(make: Callable[..., Path]) -> None:
    folder = make({"compose.yaml": "services:\n\tweb: {}\n"}, git=False)
    with pytest.raises(ConfigError) as caught:
        init()
    assert str(caught.value.place) == "compose.yaml:2:1"
    assert [path.name for path in folder.iterdir()] == ["compose.yaml"]


def test_a_dry_run_shows_everything_and_writes_nothing(make: Callable[..., Path]) -> None:
    folder = make({}, git=False)
    result = init("--dry-run")
    assert result.exit_code == 0
    assert "would write junov.yaml" in result.output
    assert "==> junov.yaml <==" in result.output
    assert "project: shop\n" in result.output
    assert list(folder.iterdir()) == []
    data = report("--dry-run")
    texts = {file["path"]: file.get("text") for file in data["files"]}
    assert list(folder.iterdir()) == []
    report()
    assert {path: (folder / path).read_text() for path in texts} == texts


def test_a_link_is_never_written_through(make: Callable[..., Path], tmp_path: Path) -> None:
    folder = make({})
    (folder / "Dockerfile").symlink_to(tmp_path / "elsewhere")
    assert outcomes(report())["Dockerfile"] == "kept"
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_is_never_overwritten_even_where_nobody_looked(make: Callable[..., Path]) -> None:
    """Folders of other people's files, `vendor` among them, are not read before."""
    folder = make(
        {
            "junov.yaml": "project: till\ncompose: {env: vendor}\n"
            "environments:\n  live: {branch: main, host: till.test}\n",
            "vendor/base.env": "MINE=1\n",
        }
    )
    data = outcomes(report())
    assert (folder / "vendor/base.env").read_text() == "MINE=1\n"
    assert data["vendor/base.env"] == "kept"
    assert data["vendor/live.env"] == "written"


def test_it_ends_with_what_comes_next(make: Callable[..., Path]) -> None:
    make({})
    lines = init().output.splitlines()
    assert lines[lines.index("next") + 1 :] == [
        "  junov check",
        "  git add .dockerignore .junov Dockerfile compose.local.yaml compose.prod.yaml "
        "compose.test.yaml compose.yaml env junov.yaml",
        "  git commit",
        "  junov run",
    ]
