"""The rendered pipeline, really run, and the same pipeline by the local runner."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.throwaway import Shell, make_repository
from junov.config.project import read_project
from junov.environments.labels import SERVER
from junov.gitlab.ci_file import CI_FILE, OWN_FILE, own_file, render
from junov.site import Site
from tests.engine.conftest import ROOT, Web, environment, run_of
from tests.unit.pipeline.cases import gitlab_ci_local_argv

pytestmark = pytest.mark.engine

BRANCH = "feature/search"


@dataclass(frozen=True)
class Pushed:
    """The example on a branch of its own, with its rendered pipeline.

    Args:
        shell: in the repository.
        registry: where its images are.
    """

    shell: Shell
    registry: str

    def gitlab(self, *jobs: str, expect: int = 0) -> str:
        """Run the pipeline as GitLab would: gitlab-ci-local, each job in a copy of the checkout."""
        return self.shell(
            *gitlab_ci_local_argv(),
            "--force-shell-executor",
            "--shell-isolation",
            "--no-artifacts-to-source",
            "--ignore-predefined-vars=CI_REGISTRY_IMAGE",
            f"--variable=CI_REGISTRY_IMAGE={self.registry}",
            *jobs,
            expect=expect,
        )


@pytest.fixture(scope="module")
def pushed(site: Site, environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Pushed:
    folder = tmp_path_factory.mktemp("pushed")
    shell = make_repository(ROOT / "examples" / "notes", folder, f"{run_of(site)}p", environ)
    project = read_project(folder).config
    (folder / CI_FILE).parent.mkdir(exist_ok=True)
    (folder / CI_FILE).write_text(render(project, "0.1.0"))
    (folder / OWN_FILE).write_text(own_file())
    with (folder / ".gitignore").open("a") as ignored:
        ignored.write(".gitlab-ci-local/\n.gitlab-ci-reports/\n")
    shell.commit("The pipeline")
    shell("git", "remote", "add", "origin", "git@gitlab.example.com:team/notes.git")
    shell("git", "checkout", "--quiet", "-b", BRANCH)
    return Pushed(shell, str(site.server.repository(project.project)))


@pytest.fixture
def delivered(pushed: Pushed) -> Pushed:
    """The same, once what is checked out has been delivered."""
    pushed.shell("junov", "run")
    return pushed


def digest(said: str) -> str:
    """The digest of the image that `build` has said."""
    found = re.search(r"build +> image: \S+@(sha256:\w+)", said)
    assert found
    return found[1]


def test_from_lint_to_an_environment_that_answers(pushed: Pushed, web: Web) -> None:
    first = pushed.gitlab()
    assert re.findall(r"^ PASS  (\S+)", first, re.MULTILINE) == [
        *("lint", "build", "test", "promote", "deploy:feature")
    ]
    shown = environment(pushed.shell, BRANCH)
    status, health = web(str(shown["url"]), "/health")
    assert status == 200
    assert health["commit"] == pushed.shell("git", "rev-parse", "HEAD").strip()

    again = pushed.gitlab()
    assert "built before" in again
    assert "passed before" in again
    assert digest(again) == digest(first)
    assert environment(pushed.shell, BRANCH)["digest"] == digest(first)


def test_gitlab_is_told_where_the_environment_is(delivered: Pushed, tmp_path: Path) -> None:
    report = tmp_path / "release.env"
    delivered.shell("junov", "deploy", "--output", str(report))
    url = environment(delivered.shell, BRANCH)["url"]
    assert f"JUNOV_URL={url}\n" in report.read_text()


def test_a_job_is_run_again_by_the_same_line_on_a_laptop(delivered: Pushed) -> None:
    said = json.loads(delivered.shell("junov", "run", "--json", "--job", "build").splitlines()[-1])
    assert [each["job"] for each in said["jobs"]] == ["build"]
    delivered.shell("junov", "run", "--job", "promote")
    both = delivered.shell("junov", "run", "--from", "promote", "--dry-run")
    assert "promote, deploy:feature" in both
    by_hand = delivered.shell("junov", "run", "--event", "merge_request", "--from", "test")
    assert f"junov run heads/{BRANCH} --event merge_request --job deploy:feature" in by_hand
    reset = delivered.shell("junov", "run", "--yes", "--job", "reset:feature")
    assert "junov reset --yes" in reset
    assert str(environment(delivered.shell, BRANCH)["database"]).endswith(".2")


def test_what_is_no_job_of_this_pipeline_is_refused(pushed: Pushed) -> None:
    said = pushed.shell("junov", "run", "--job", "deploy:prod", expect=1)
    assert "there is no job `deploy:prod` for the branch feature/search" in said
    assert "deploy:feature" in said


def test_a_version_is_the_image_that_was_tested(delivered: Pushed) -> None:
    delivered.shell("git", "tag", "v1.2.3")
    said = json.loads(delivered.shell("junov", "run", "v1.2.3", "--json").splitlines()[-1])
    assert [each["job"] for each in said["jobs"]] == ["promote"]
    assert said["tags"] == ["v1.2.3"]
    assert said["digest"] == environment(delivered.shell, BRANCH)["digest"]


def test_a_version_of_what_was_not_built_is_refused(pushed: Pushed) -> None:
    pushed.shell.commit("Not built")
    pushed.shell("git", "tag", "v2")
    assert "has not been built" in pushed.shell("junov", "run", "v2", expect=1)


def test_docker_jobs_run_in_the_job_image(pushed: Pushed, site: Site) -> None:
    # Under the server's own repository, with whose images it is removed.
    image = str(site.server.repository("job-image"))
    tools = site.tools
    variables = [f"{name}={value}" for name, value in tools.env.items()]
    pushed.shell("env", *variables, *tools.docker, "build", "--quiet", "--tag", image, str(ROOT))
    pushed.shell.commit("For the job image")
    for command in ("build", "test", "promote"):
        pushed.shell(
            *("docker", "run", "--rm", "--network=host"),
            *("--label", f"{SERVER}={site.server.name}"),
            *("--volume", "/var/run/docker.sock:/var/run/docker.sock"),
            *("--volume", f"{pushed.shell.folder}:/builds/notes", "--workdir=/builds/notes"),
            *("--env", f"CI_REGISTRY_IMAGE={pushed.registry}"),
            *(image, "junov", command),
        )
    pushed.shell("junov", "deploy")
    commit = pushed.shell("git", "rev-parse", "HEAD").strip()
    assert environment(pushed.shell, BRANCH)["commit"] == commit
