"""The file that makes GitLab run a project's pipeline: `.gitlab/junov.gitlab-ci.yml`."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter

from junov.config.gitlab import GitLab
from junov.config.project import Project
from junov.gitlab.expressions import job_rule, workflow_rule
from junov.pipeline import STAGES, Job, Target, pipeline_of

CI_FILE = ".gitlab/junov.gitlab-ci.yml"
"""Where the file is in a repository."""

OWN_FILE = ".gitlab-ci.yml"
"""GitLab's own file, which is the team's and includes ours."""

COMPONENT_FILE = "templates/junov.yml"
"""Where GitLab looks for a component that others include."""

IMAGE_FILE = "junov-image.env"
TEST_REPORT = "junov-tests.xml"
COVERAGE_REPORT = "junov-coverage.xml"
RELEASE_FILE = "junov-release.env"

_BASES = {"docker": ".junov:docker", "shell": ".junov:shell"}
_CACHE = ".junov-cache"
# Only what is no fault of the commit's: https://docs.gitlab.com/ci/yaml/#retrywhen
_RETRIED = ["runner_system_failure", "api_failure", "scheduler_failure"]


def render(project: Project, version: str) -> str:
    """The file's text.

    Args:
        project: the project.
        version: junov's own, which is the tag of the default job image.
    """
    return _heading(version, "`junov gitlab render`") + _dump(_file(project, version))


def render_component(project: Project, version: str) -> str:
    """The same as a component: whoever includes it says by inputs what differs for them."""
    settings = project.gitlab
    spec = {
        "spec": {
            "inputs": {
                "project": {
                    "regex": "^[a-z](-?[a-z0-9])*$",
                    "description": "The project's name, as in its junov.yaml.",
                },
                "image": {
                    "default": _image(settings, version),
                    "description": "The image that docker jobs run in.",
                },
                "docker-runner": {
                    "default": settings.runners.docker,
                    "description": "The tag of the runner for lint, build, test and promote.",
                },
                "shell-runner": {
                    "default": settings.runners.shell,
                    "description": "The tag of the runner on the server.",
                },
            }
        }
    }
    body = _file(project.model_copy(update={"project": "$[[ inputs.project ]]"}), version)
    body["variables"]["JUNOV_JOB_IMAGE"] = "$[[ inputs.image ]]"
    for name in ("docker", "shell"):
        body[_BASES[name]]["tags"] = [f"$[[ inputs.{name}-runner ]]"]
    heading = _heading(version, "`junov gitlab render --component`")
    return heading + _dump(spec) + "---\n" + _dump(body)


def own_file() -> str:
    """GitLab's own file, for a project that has none."""
    return (
        "# The pipeline is written by junov from junov.yaml; what stands here is added to it, and\n"
        "# wins over it: a job of the same name overrides what it names of ours.\n"
        f"include:\n  - local: {CI_FILE}\n"
    )


def _heading(version: str, command: str) -> str:
    return (
        f"# Written by junov {version} from junov.yaml: change that, and run {command}.\n"
        f"# {OWN_FILE} includes this file; what stands there wins.\n\n"
    )


def _file(project: Project, version: str) -> dict[str, Any]:
    pipeline = pipeline_of(project)
    settings = project.gitlab
    stages = [stage for stage in STAGES if any(job.stage == stage for job in pipeline.jobs)]
    return {
        "workflow": {"rules": [workflow_rule(rule) for rule in pipeline.workflow]},
        "stages": stages,
        "variables": {
            "JUNOV_JOB_IMAGE": _image(settings, version),
            # GitLab fills in CI_OPEN_MERGE_REQUESTS for `workflow` only where something else of
            # the file uses it as well (gitlab-org/gitlab#555601).
            "JUNOV_OPEN_MERGE_REQUESTS": "$CI_OPEN_MERGE_REQUESTS",
        },
        _BASES["docker"]: {
            "image": "$JUNOV_JOB_IMAGE",
            "tags": [settings.runners.docker],
            "interruptible": True,
            "retry": {"max": 2, "when": _RETRIED},
        },
        _BASES["shell"]: {
            "tags": [settings.runners.shell],
            "interruptible": False,
            "retry": {"max": 1, "when": _RETRIED},
        },
        **{job.name: _job(job, project) for job in pipeline.jobs},
    }


def _image(settings: GitLab, version: str) -> str:
    return settings.image or f"$CI_REGISTRY_IMAGE/junov:{version}"


def _job(job: Job, project: Project) -> dict[str, Any]:
    written: dict[str, Any] = {
        "extends": _BASES[job.runner],
        "stage": job.stage,
        "needs": [
            {"job": need.job, "optional": True} if need.optional else need.job for need in job.needs
        ],
        "rules": [job_rule(rule, blocks=job.blocks) for rule in job.rules],
    }
    if job.confirm:
        written["manual_confirmation"] = job.confirm
    if job.target:
        name = _environment_name(job.target)
        written["resource_group"] = name
        written["environment"] = _environment(job.target, name)
    if not job.checkout:
        # The branch may be gone by then.
        written["variables"] = {"GIT_STRATEGY": "none"}
    written |= _details(job, project)
    return written


def _environment_name(target: Target) -> str:
    """The environment's name in GitLab, which is junov's own wherever GitLab can say it."""
    kind, name = target.kind, target.kind_name
    if not kind.is_pattern:
        return name
    ref = "$CI_COMMIT_REF_NAME"
    return ref if kind.pattern == f"{name}/*" else f"{name}/{ref}"


def _environment(target: Target, name: str) -> dict[str, Any]:
    if target.action != "start":
        return {"name": name, "action": target.action}
    written: dict[str, Any] = {
        "name": name,
        "url": "$JUNOV_URL",
        "deployment_tier": target.kind.tier,
    }
    if target.kind.is_pattern and target.kind.tier != "production":
        written["on_stop"] = f"stop:{target.kind_name}"
        if target.kind.expires:
            written["auto_stop_in"] = _in_words(target.kind.expires)
    return written


def _in_words(seconds: int) -> str:
    """A duration as GitLab reads it, in the largest unit that it is whole in, such as `7 days`."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"


def _details(job: Job, project: Project) -> Mapping[str, Any]:
    """The script, and what is kept of the job."""
    script = " ".join(_quoted(word) for word in job.command)
    match job.name.partition(":")[0]:
        case "lint":
            return _lint(script, project.gitlab)
        case "build":
            return {
                "script": [f"{script} --output {IMAGE_FILE}"],
                "artifacts": {"reports": {"dotenv": IMAGE_FILE}, "expire_in": "1 week"},
            }
        case "test":
            return _test(script, project)
        case "deploy":
            return {
                "script": [f"{script} --output {RELEASE_FILE}"],
                "after_script": ["junov gitlab note"],
                "artifacts": {"reports": {"dotenv": RELEASE_FILE}, "expire_in": "1 week"},
            }
    return {"script": [script]}


def _lint(script: str, settings: GitLab) -> dict[str, Any]:
    folder = f"$CI_PROJECT_DIR/{_CACHE}"
    locks = list(settings.lint.lock_files)
    written: dict[str, Any] = {
        "variables": {
            "XDG_CACHE_HOME": folder,
            "PIP_CACHE_DIR": f"{folder}/pip",
            "UV_CACHE_DIR": f"{folder}/uv",
            "npm_config_cache": f"{folder}/npm",
        },
        "cache": {
            "key": {"files": locks, "prefix": "junov-lint"} if locks else "junov-lint",
            "paths": [f"{_CACHE}/"],
        },
    }
    if settings.lint.setup:
        written["before_script"] = list(settings.lint.setup)
    return written | {"script": [script]}


def _test(script: str, project: Project) -> dict[str, Any]:
    reports: dict[str, Any] = {}
    if project.test and project.test.report:
        script += f" --report {TEST_REPORT}"
        reports["junit"] = TEST_REPORT
    if project.test and project.test.coverage:
        script += f" --coverage {COVERAGE_REPORT}"
        reports["coverage_report"] = {"coverage_format": "cobertura", "path": COVERAGE_REPORT}
    written: dict[str, Any] = {"script": [script]}
    if reports:
        written["artifacts"] = {"when": "always", "reports": reports, "expire_in": "1 week"}
    return written


# GitLab reads YAML 1.1, where these words are true or false unless they are quoted.
_TRUTHS = frozenset({"y", "n", "yes", "no", "on", "off"})


class _Representer(RoundTripRepresenter):
    def represent_str(self, data: str) -> ScalarNode:
        style = "'" if data.lower() in _TRUTHS else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Representer.add_representer(str, _Representer.represent_str)


def _quoted(word: str) -> str:
    return f'"{word.replace("{ref}", "$CI_COMMIT_REF_NAME")}"' if "{ref}" in word else word


def _dump(data: Mapping[str, Any]) -> str:
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.width = 1000
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    for number, (key, value) in enumerate(data.items()):
        if number:
            out.write("\n")
        yaml.dump({key: value}, out)
    return out.getvalue()
