"""`junov.yaml`: the project, as its team describes it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from junov.config.fields import (
    Command,
    DatabaseTemplate,
    Duration,
    Name,
    Pause,
    Port,
    ProjectPath,
    RefPattern,
    UrlPath,
    VariableName,
)
from junov.config.gitlab import GitLab
from junov.config.kinds import EnvironmentKind, problems_of_kinds
from junov.config.validation import Model, in_file_order, validate
from junov.config.yamlfile import YamlFile, read_yaml
from junov.errors import ConfigError, NotFoundError

FILE_NAME = "junov.yaml"


class Build(Model):
    """How the project's images are built: one Dockerfile, two targets."""

    context: str = Field(".", description="The folder that is sent to the build.")
    dockerfile: ProjectPath = Field(
        "Dockerfile", description="The one Dockerfile, seen from `context`."
    )
    release: str = Field("release", description="The target that is deployed.")
    debug: str = Field(
        "debug", description="The target on top of `release` with tools and tests; it runs tests."
    )


class ComposeFiles(Model):
    """The project's compose files. A layer that is named here but isn't there is left out."""

    base: ProjectPath = Field("compose.yaml", description="What is the same everywhere.")
    deploy: ProjectPath = Field(
        "compose.prod.yaml", description="On top, for every deployed environment."
    )
    test: ProjectPath = Field("compose.test.yaml", description="On top, for tests.")
    local: ProjectPath = Field("compose.local.yaml", description="On top, for the laptop.")
    env: ProjectPath = Field(
        "env",
        description="The folder of env files: `base.env` for all, `<kind>.env` on top.",
    )


class Test(Model):
    """How a built image is tested."""

    service: str = Field(description="The service whose exit code decides.", examples=["tests"])
    report: str | None = Field(
        None, description="A JUnit report inside that container, copied out after the run."
    )
    coverage: str | None = Field(
        None,
        description="A coverage report of Cobertura's form inside that container, copied out "
        "likewise.",
    )
    timeout: Duration = Field(900, description="When a run that doesn't end is ended.")

    __test__ = False  # pytest takes classes of this name for its own


class Web(Model):
    """The service that faces outwards."""

    service: str = Field("web", description="Its name in the compose file.")
    port: Port = Field(8000, description="The port that it listens on inside its container.")
    health: UrlPath = Field(
        "/health",
        description="The path that answers 2xx once it is ready for requests.",
    )
    timeout: Duration = Field(120, description="How long it may take to become ready.")
    replicas: int | None = Field(
        None,
        ge=1,
        le=32,
        description="How many containers it has; without it what the compose file says, or one.",
    )
    drain: Pause = Field(
        30, description="How long requests that are under way may go on in the old containers."
    )
    observe: Pause = Field(
        30,
        description="How long the old containers are kept after the switch, to go back to if the "
        "new ones fail.",
    )


class Migrate(Model):
    """The one-off service that brings the database up to the code."""

    service: str = Field("alembic", description="Its name in the compose file.")
    timeout: Duration = Field(600, description="When a migration that doesn't end is ended.")
    lock_timeout: Duration = Field(
        10,
        description="When a statement of a migration that waits for a lock gives up, and with it "
        "the migration. While it waits, everybody else who wants the same table waits behind it.",
    )
    downgrade: tuple[str, ...] | None = Field(
        None,
        strict=False,
        description="A command of the image that takes the database back to `{head}`, the head of "
        "an older release; `junov rollback --downgrade` runs it.",
        examples=[["alembic", "downgrade", "{head}"]],
    )

    @field_validator("downgrade")
    @classmethod
    def _says_where_to(cls, downgrade: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if downgrade is not None and not any("{head}" in word for word in downgrade):
            raise ValueError("expected `{head}` in one of its words, found it in none")
        return downgrade


class Hooks(Model):
    """The project's own commands around a deploy, in a container of the new image."""

    before: tuple[Command, ...] = Field(
        (),
        strict=False,
        description="Run before the migrations; if one fails, nothing has changed.",
    )
    after: tuple[Command, ...] = Field(
        (),
        strict=False,
        description="Run once the new release serves; if one fails, traffic goes back to the old.",
    )
    timeout: Duration = Field(300, description="When a command that doesn't end is ended.")


class Kept(Model):
    """Databases that were replaced and are kept for `junov db undo`; the newest one always is."""

    time: Duration = Field(86400, description="How long each is kept.")
    count: int = Field(2, ge=1, le=20, description="How many one environment may have.")
    gigabytes: int = Field(50, ge=1, le=100_000, description="How much they may take up together.")


class Database(Model):
    """The environment's own database on the server's Postgres."""

    service: str = Field(
        "db",
        description="The database service of the compose file. Deployed environments reach the "
        "server's Postgres under this name instead.",
    )
    variables: Mapping[VariableName, DatabaseTemplate] = Field(
        {"DATABASE_URL": "postgresql://{user}:{password}@{host}:{port}/{name}"},
        description="The variables that tell the project's services where their database is.",
    )
    fixtures: tuple[str, ...] | None = Field(
        None,
        strict=False,
        description="A command of the image that fills a new database (never in production).",
    )
    fixtures_from: tuple[ProjectPath, ...] = Field(
        (),
        strict=False,
        description="Files and folders that decide what the fixtures make. Commits in which they "
        "are the same share one template; without it, only a commit with itself.",
        examples=[["src/notes/fixtures.py"]],
    )
    connections: int = Field(
        20, ge=2, le=1000, description="How many connections one environment may hold."
    )
    kept: Kept = Field(Kept(), description="Databases that were replaced.")


class Waiver(Model):
    """One finding of the guard that this project accepts, with the reason."""

    rule: str = Field(description="The rule's id.", examples=["bind-mount"])
    value: str = Field(
        description="The value that is accepted, exactly.", examples=["/srv/uploads"]
    )
    reason: str = Field(
        description="Why it is right here, in at least 8 characters.",
        examples=["…"],
        json_schema_extra={"minLength": 8},
    )

    @field_validator("reason")
    @classmethod
    def _says_why(cls, reason: str) -> str:
        if len(reason) < 8:
            raise ValueError(f"expected a reason of at least 8 characters, found `{reason}`")
        return reason


class Project(Model):
    """A project: what is built, how it is tested, and which environments it has."""

    project: Name = Field(description="The project's name on the server.", examples=["notes"])
    registry: str | None = Field(
        None,
        description="The repository for its images. Without it `$CI_REGISTRY_IMAGE`, else the "
        "server's own registry.",
    )
    build: Build = Field(Build(), description="How images are built.")
    compose: ComposeFiles = Field(ComposeFiles(), description="The compose files and their layers.")
    lint: tuple[Command, ...] = Field(
        (), strict=False, description="Commands that are run on the machine itself."
    )
    test: Test | None = Field(None, description="How an image is tested; without it, not at all.")
    web: Web = Field(Web(), description="The service that faces outwards.")
    migrate: Migrate | None = Field(None, description="The migration service, if there is one.")
    database: Database | None = Field(None, description="The database, if the project has one.")
    hooks: Hooks = Field(Hooks(), description="Commands around a deploy.")
    secrets: Mapping[VariableName, Literal["generate", "required"]] = Field(
        {},
        description="Variables that hold secrets: made by junov for each environment, or required "
        "from the shell or the CI job that deploys.",
    )
    stable: str | None = Field(None, description="The branch whose image is also tagged `latest`.")
    versions: RefPattern = Field(
        "v*",
        description="The git tags that are versions: the image of such a commit gets the tag as "
        "well, and is not built again.",
    )
    environments: Mapping[Name, EnvironmentKind] = Field(
        min_length=1, description="The kinds of environments, by name.", examples=["{…}"]
    )
    allow: tuple[Waiver, ...] = Field(
        (), strict=False, description="Findings of the guard that this project accepts."
    )
    gitlab: GitLab = Field(GitLab(), description="The project on GitLab.")

    def web_in(self, kind: str) -> Web:
        """The web service as environments of one kind have it."""
        own = self.environments[kind]
        given = {"replicas": own.replicas, "observe": own.observe}
        return self.web.model_copy(update={k: v for k, v in given.items() if v is not None})


@dataclass(frozen=True)
class ProjectFolder:
    """A project and the folder that it was read from.

    Args:
        root: the folder that holds `junov.yaml`.
        config: the validated file.
        file: the file with its positions, for messages about it.
        named: how messages name the folder. It may be another one than `root`, which may be an
            export of a commit that nobody can open.
    """

    root: Path
    config: Project
    file: YamlFile
    named: Path

    def shown(self, path: Path) -> Path:
        """A file of the project as messages name it."""
        try:
            return self.named / path.resolve().relative_to(self.root.resolve())
        except ValueError:
            return path


def find_project(start: Path) -> Path:
    """The nearest folder with a `junov.yaml`, from `start` upwards.

    Raises:
        NotFoundError: there is none up to the root.
    """
    for folder in (start, *start.resolve().parents):
        if (folder / FILE_NAME).is_file():
            return folder
    raise NotFoundError(
        f"there is no {FILE_NAME} in {start} or above it",
        remedy="go to your project's folder, or make the file with: junov init",
    )


def read_project(root: Path, *, named: Path | None = None) -> ProjectFolder:
    """Read and validate the `junov.yaml` of a folder.

    Args:
        root: the folder.
        named: how messages name it; by its way from the current folder without.

    Raises:
        NotFoundError: there is none.
        ConfigError: everything that is wrong with it, each with its place and remedy.
    """
    named = named if named is not None else nearby(root)
    file = read_yaml(root / FILE_NAME, shown=named / FILE_NAME)
    project, problems = validate(Project, file)
    problems += problems_of_kinds(file)
    if problems or project is None:
        raise ConfigError(in_file_order(problems))
    return ProjectFolder(root, project, file, named)


def nearby(path: Path) -> Path:
    """A path as a person in the current folder would write it."""
    try:
        return path.resolve().relative_to(Path.cwd())
    except (ValueError, OSError):
        return path


def repository(project: Project, environ: Mapping[str, str] = os.environ) -> str | None:
    """The image repository that the project or GitLab names; None where the server's is meant."""
    return project.registry or environ.get("CI_REGISTRY_IMAGE") or None
