"""Folders to run `junov init` in, and how it is run and looked at."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from junov.cli.app import root
from junov.config.project import Project, read_project
from junov.engine.client import find_compose

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
