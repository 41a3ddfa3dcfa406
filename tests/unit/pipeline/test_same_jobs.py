"""GitLab and the local runner select the same jobs for whatever happens to whichever ref."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from junov.cli.pipeline import described
from junov.gitlab.ci_file import CI_FILE
from junov.pipeline import SERVER_BRANCH, Event, pipeline_of
from junov.pipeline.matrix import events
from tests.unit.pipeline.cases import EXAMPLE, NAMES, checkout, evaluated, project

_WHEN = {"automatic": "on_success", "manual": "manual"}
_TEAMS_OWN = {"smoke"}


def every_case(tmp: Path) -> list[tuple[str, Event]]:
    """Each event of the example, and of the others what differs between them."""
    return [
        (name, event)
        for name in NAMES
        for event in events(project(name, tmp))
        if name == EXAMPLE
        or (
            (event.name in ("push", "merge_request") and not event.from_fork)
            and event.ref.name != SERVER_BRANCH
        )
    ]


@pytest.fixture(scope="session")
def checkouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each project, made once; those with a probe for `workflow:rules` as a job."""
    folders = {}
    for name in NAMES:
        folder = folders[name] = tmp_path_factory.mktemp(name)
        checkout(name, folder)
        file = folder / CI_FILE
        yaml = YAML()
        data: dict[str, Any] = yaml.load(file.read_text(encoding="utf-8"))
        data["a-pipeline"] = {
            "stage": ".pre",
            "rules": data["workflow"]["rules"],
            "script": ["true"],
        }
        with file.open("w", encoding="utf-8") as out:
            yaml.dump(data, out)
    return folders


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "event" in metafunc.fixturenames:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            cases = every_case(Path(folder))
        ids = [f"{name}: {described(event)}, {event.ref}" for name, event in cases]
        metafunc.parametrize(("name", "event"), cases, ids=ids)


def test_the_same_jobs_for(
    name: str, event: Event, checkouts: dict[str, Path], tmp_path: Path
) -> None:
    selected = pipeline_of(project(name, tmp_path)).selected(event)
    ours = {job.name: _WHEN[start] for job, start in selected}
    theirs = evaluated(checkouts[name], event)
    if "a-pipeline" not in theirs:  # gitlab-ci-local itself doesn't heed `workflow:rules`
        theirs = {}
    theirs.pop("a-pipeline", None)
    assert ours == {job: when for job, when in theirs.items() if job not in _TEAMS_OWN}


def test_there_are_cases_enough(tmp_path: Path) -> None:
    assert len(every_case(tmp_path)) >= 40
