"""Which files a folder lacks, and what is in them."""

from __future__ import annotations

import json
import posixpath
from dataclasses import dataclass

from junov.config.project import FILE_NAME, Project
from junov.config.schema import SCHEMA_FILE, schema
from junov.scaffold.compose_files import (
    write_base,
    write_deploy,
    write_env_files,
    write_local,
)
from junov.scaffold.decide import Decision, decide
from junov.scaffold.dockerfile import installs_something, write_dockerfile
from junov.scaffold.facts import Facts
from junov.scaffold.mounts import taken_back
from junov.scaffold.project_file import write_project_file
from junov.scaffold.tests_file import write_test

DOCKERIGNORE = """\
# What the build never needs. Secrets among it: whatever is copied into an image stays readable.
.env
.git
.junov
.venv
venv
node_modules
**/__pycache__
**/*.pyc
.mypy_cache
.pytest_cache
.ruff_cache
"""


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One of the files that junov needs.

    Args:
        path: where it belongs, from the folder.
        text: what to write; None for a file that is there and stays as it is.
    """

    path: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What `junov init` does in a folder.

    Args:
        project: the values of its `junov.yaml`.
        kind: what the folder holds, such as `Django`; empty where it holds no program yet.
        files: those to write and those that stay.
        is_new: whether the folder holds nothing that says how it is run, so that all of it is
            assumed.
        left: what is to be done by hand, in sentences.
    """

    project: Project
    kind: str
    files: tuple[PlannedFile, ...]
    left: tuple[str, ...]
    is_new: bool = False


def plan(
    facts: Facts, *, name: str | None = None, domain: str, existing: Project | None = None
) -> Plan:
    """Plan the files that a folder lacks.

    Args:
        facts: the folder.
        name: the project's name; made of the folder's without.
        domain: the domain that the environments' hosts end in.
        existing: the project of the `junov.yaml` that is there, if it is.

    Raises:
        ConfigError: the compose file that is there is not valid YAML.
    """
    decision = decide(facts, name=name, domain=domain, existing=existing)
    project, left = decision.project, list(decision.left)
    texts: dict[str, str | None] = {
        FILE_NAME: write_project_file(project),
        SCHEMA_FILE: json.dumps(schema(Project), indent=2, ensure_ascii=False) + "\n",
        project.compose.base: write_base(decision) if decision.base is None else None,
        project.compose.deploy: write_deploy(decision),
        project.compose.test: write_test(facts, decision) if project.test else None,
        project.compose.local: write_local(decision),
        **write_env_files(project),
    }
    dockerfile = posixpath.normpath(posixpath.join(project.build.context, project.build.dockerfile))
    if dockerfile in facts.files:
        texts[dockerfile] = None
    elif decision.application.python or not decision.application.kind:
        texts[dockerfile] = write_dockerfile(facts, decision.application)
        left += _left_of_dockerfile(facts, decision, dockerfile)
    else:
        left.append(
            f"write {dockerfile} for {decision.application.kind}, with the targets "
            f"`{project.build.release}` and, on top of it, `{project.build.debug}`"
        )
    if project.compose.deploy not in facts.files:
        left += taken_back(decision)
    ignore = posixpath.normpath(posixpath.join(project.build.context, ".dockerignore"))
    texts[ignore] = DOCKERIGNORE
    if project.compose.env != "env" and not existing:
        left.append(
            f"the env files are in `{project.compose.env}`, for `env` is taken or git ignores it"
        )
    files = tuple(
        PlannedFile(path, None if path in facts.files else text)
        for path, text in texts.items()
        if text is not None or path in facts.files
    )
    kind = decision.application.kind
    is_new = not (kind or decision.base or existing or dockerfile in facts.files)
    return Plan(project, kind, files, tuple(left), is_new)


def _left_of_dockerfile(facts: Facts, decision: Decision, dockerfile: str) -> list[str]:
    application, left = decision.application, []
    if not application.command:
        left.append(f"{dockerfile} serves an empty folder: put your application's command into CMD")
    if application.python and not installs_something(facts):
        left.append(f"{dockerfile} installs nothing: say there what the application needs")
    elif facts.first("uv.lock", "poetry.lock", "pdm.lock"):
        left.append(f"{dockerfile} doesn't install what the lock file pins, but what is asked for")
    if "psycopg2" in application.packages:
        left.append("psycopg2 has to be compiled, which the image can't: ask for psycopg2-binary")
    return left
