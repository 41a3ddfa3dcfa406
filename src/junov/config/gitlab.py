"""The section `gitlab` of `junov.yaml`: what the pipeline and `junov gitlab` have to know."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from junov.config.fields import Command, Name, ProjectPath
from junov.config.validation import Model

_URL = r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$"
_PATH = r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+$"
_IMAGE = r"^[A-Za-z0-9$_{}][A-Za-z0-9$_{}./:@-]*$"


def _check_url(text: str) -> str:
    if not re.fullmatch(_URL, text):
        raise ValueError(f"expected a URL such as https://gitlab.example.com, found `{text}`")
    return text.rstrip("/")


def _check_path(text: str) -> str:
    if not re.fullmatch(_PATH, text):
        raise ValueError(f"expected a project's path such as team/notes, found `{text}`")
    return text


def _check_image(text: str) -> str:
    if not re.fullmatch(_IMAGE, text):
        raise ValueError(f"expected an image such as registry.example.com/junov:1, found `{text}`")
    return text


GitLabUrl = Annotated[
    str, AfterValidator(_check_url), WithJsonSchema({"type": "string", "pattern": _URL})
]
GitLabPath = Annotated[
    str, AfterValidator(_check_path), WithJsonSchema({"type": "string", "pattern": _PATH})
]
JobImage = Annotated[
    str, AfterValidator(_check_image), WithJsonSchema({"type": "string", "pattern": _IMAGE})
]


class Runners(Model):
    """The tags by which jobs choose between the two runners."""

    docker: Name = Field("docker", description="Of the one for lint, build, test and promote.")
    shell: Name = Field("shell", description="Of the one on the server, for everything else.")


class LintJob(Model):
    """What the job `lint` needs before it can run the project's commands."""

    setup: tuple[Command, ...] = Field(
        (),
        strict=False,
        description="Commands that install the linters.",
        examples=[["pip install -r requirements-dev.txt"]],
    )
    lock_files: tuple[ProjectPath, ...] = Field(
        (),
        strict=False,
        max_length=2,
        description="Files that say which versions; the cache of packages is kept for each state "
        "of them. GitLab takes two at most.",
        examples=[["requirements-dev.txt"]],
    )


class GitLab(Model):
    """The project on GitLab."""

    url: GitLabUrl | None = Field(
        None,
        description="GitLab's address. Without it `$CI_SERVER_URL`, else where `origin` points to.",
        examples=["https://gitlab.example.com"],
    )
    path: GitLabPath | None = Field(
        None,
        description="The project's path there. Without it `$CI_PROJECT_PATH`, else that of "
        "`origin`.",
        examples=["team/notes"],
    )
    image: JobImage | None = Field(
        None,
        description="The image that docker jobs run in. Without it "
        "`$CI_REGISTRY_IMAGE/junov:<version>`.",
        examples=["registry.example.com/tools/junov:0.1.0"],
    )
    runners: Runners = Field(Runners(), description="The tags of the two runners.")
    lint: LintJob = Field(LintJob(), description="What the job `lint` needs.")
