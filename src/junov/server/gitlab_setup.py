"""`junov gitlab setup`: from a project on GitLab to one whose pipelines run."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from junov import __version__
from junov.config.home import write_private
from junov.config.project import Project
from junov.engine.login import docker_config_file, with_login
from junov.errors import StageError
from junov.gitlab.action import PULL_TOKEN, Action, Held
from junov.gitlab.api import GitLabApi
from junov.gitlab.apply import Applier, Given
from junov.gitlab.desired import (
    EXECUTORS,
    LONGEST_TOKEN_DAYS,
    Desired,
    Executor,
    Runner,
    desired_of,
)
from junov.gitlab.found import Found, find
from junov.gitlab.plan import found_runner, plan, runner_token
from junov.gitlab.runner_config import RunnerEntry
from junov.images.credentials import find_credentials
from junov.secret import Secret
from junov.server import runners
from junov.site import Site
from junov.steps import Steps

APART = (
    "give it a machine of its own: there, junov gitlab setup --runner docker; on the server, "
    "--runner shell (docs/gitlab-setup.md)"
)


def on_the_server(host: str) -> str:
    """What it means that both runners are on one machine."""
    return (
        f"the docker runner is on the server itself ({host}): every job of every branch, "
        "protected or not, is as good as root on the machine that production runs on"
    )


@dataclass(frozen=True)
class Wishes:
    """What the user has said.

    Args:
        executors: the runners that are to be on this machine.
        notes: whether jobs write notes on merge requests.
        token_days: how long the token for that lasts.
        config: the configuration of a runner that is there already, which then is only written
            to; None for junov's own.
        start: whether the runners are started.
        runner_image: the image of GitLab Runner; None for the one of GitLab's own version.
        host: the name of this machine.
        today: the day from which the token's days count.
    """

    executors: tuple[Executor, ...] = EXECUTORS
    notes: bool = True
    token_days: int = LONGEST_TOKEN_DAYS - 1
    config: Path | None = None
    start: bool = True
    runner_image: str | None = None
    host: str = field(default_factory=socket.gethostname)
    today: date = field(default_factory=lambda: datetime.now(UTC).date())


@dataclass(frozen=True)
class LocalAction:
    """Something to be done on this machine.

    Args:
        what: `config` or `start`.
        runner: which runner's.
        sentence: what is done, for people.
    """

    what: str
    runner: Runner
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {"what": self.what, "name": self.runner.description, "does": self.sentence}


@dataclass(frozen=True)
class Setup:
    """All that is to be done.

    Args:
        desired: what the project needs.
        found: what it has.
        held: the tokens that are on this machine, by the runner's description.
        actions: what is done on GitLab.
        local: what is done on this machine, after that.
        remarks: what a person should know, and nothing is done about.
    """

    desired: Desired
    found: Found
    held: Mapping[str, tuple[int | None, Secret]]
    actions: tuple[Action, ...]
    local: tuple[LocalAction, ...]
    remarks: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        actions = [each.to_json() for each in self.actions]
        return {
            "actions": actions + [each.to_json() for each in self.local],
            "remarks": list(self.remarks),
        }


def prepare(site: Site, project: Project, api: GitLabApi, wishes: Wishes) -> Setup:
    """Find out what is to be done; nothing is changed.

    Args:
        site: this machine.
        project: its `junov.yaml`.
        api: the project on GitLab.
        wishes: what the user has said.

    Raises:
        JunovError: as `GitLabApi`.
    """
    found = find(api, access_tokens=wishes.notes)
    own = uses_registry(project, found)
    desired = desired_of(
        project,
        host=wishes.host,
        default_branch=found.default_branch,
        today=wishes.today,
        executors=wishes.executors,
        notes=wishes.notes,
        token_days=wishes.token_days,
        own_registry=own,
    )
    held = runners.held_tokens(_file(site, each, wishes) for each in desired.runners)
    for _, secret in held.values():
        api.hide(secret)
    remarks = []
    if "docker" in wishes.executors and (
        "shell" in wishes.executors or site.home.server_file.exists()
    ):
        remarks.append(f"{on_the_server(wishes.host)}; {APART}")
    pulls = desired.pull_token is None or _is_logged_in(found)
    if not pulls and (store := _credentials_store()):
        pulls = True
        remarks.append(
            f"docker keeps its logins in {store} here, where junov writes nothing: make a deploy "
            "token with the scope read_registry on GitLab, and log in with it by docker login"
        )
    here = Held({name: number for name, (number, _) in held.items()}, pulls)
    actions = tuple(plan(desired, found, here))
    return Setup(
        desired=desired,
        found=found,
        held=held,
        actions=actions,
        local=tuple(_local(site, project, api, wishes, desired, found, held, actions)),
        remarks=tuple(remarks),
    )


def set_up(
    site: Site, project: Project, api: GitLabApi, wishes: Wishes, setup: Setup, steps: Steps
) -> dict[str, Any]:
    """Do it. Safe to repeat: what is done is not done again.

    Args:
        site, project, api, wishes: as for `prepare`.
        setup: what `prepare` has found out.
        steps: shows what is done.

    Returns:
        What was done, for people and machines.

    Raises:
        JunovError: as `GitLabApi`, and where a runner can't be started. What was done stays.
    """
    held = dict(setup.held)

    def keep(given: Given) -> None:
        if given.name == PULL_TOKEN:
            _log_in(setup.found, given)
        for runner in setup.desired.runners:
            if given.name == runner_token(runner):
                held[runner.description] = (_number(setup.found, runner, given), given.secret)
                entry = _entry(site, project, api, setup.found, runner, held)
                runners.write_runner(_file(site, runner, wishes), entry)

    site.home.make()
    applier = Applier(api, setup.found.id, keep)
    for action in setup.actions:
        with steps.step(action.what.replace(" ", "-"), _title(action.sentence)):
            applier.do(action)
    for local in setup.local:
        with steps.step(local.what, _title(local.sentence)) as step:
            file = _file(site, local.runner, wishes)
            if local.what == "config":
                entry = _entry(site, project, api, setup.found, local.runner, held)
                runners.write_runner(file, entry)
                step.note = str(file)
            else:
                image = wishes.runner_image or runner_image(api)
                runners.start(site, local.runner.executor, file, image, say=step.say)
    return {"done": len(setup.actions) + len(setup.local), **setup.to_json()}


def uses_registry(project: Project, found: Found) -> bool:
    """Whether the project's images are in GitLab's registry."""
    prefix = found.image_prefix
    named = project.registry or prefix
    return bool(prefix) and (named == prefix or named.startswith(f"{prefix}/"))


def runner_image(api: GitLabApi) -> str:
    """The image of GitLab Runner of GitLab's own version, as GitLab wants the two to be."""
    found = api.get("/version", "read GitLab's version").get("version") or ""
    major, _, rest = str(found).partition(".")
    return f"gitlab/gitlab-runner:v{major}.{rest.partition('.')[0]}.0"


def _local(
    site: Site,
    project: Project,
    api: GitLabApi,
    wishes: Wishes,
    desired: Desired,
    found: Found,
    held: Mapping[str, tuple[int | None, Secret]],
    actions: tuple[Action, ...],
) -> Iterator[LocalAction]:
    given = {action.gives for action in actions}
    for runner in desired.runners:
        file = _file(site, runner, wishes)
        is_new = runner_token(runner) in given
        entry = None if is_new else _entry(site, project, api, found, runner, held)
        if entry is None or not runners.is_written(file, entry):
            yield LocalAction("config", runner, f"write `{runner.description}` to {file}")
        ours = wishes.start and wishes.config is None
        if ours and not runners.is_running(site, runner.executor):
            where = "a container" if runner.executor == "docker" else "a service of this host"
            sentence = f"start the {runner.executor} runner, as {where}"
            yield LocalAction("start", runner, sentence)


def _entry(
    site: Site,
    project: Project,
    api: GitLabApi,
    found: Found,
    runner: Runner,
    held: Mapping[str, tuple[int | None, Secret]],
) -> RunnerEntry:
    number, token = held[runner.description]
    image = project.gitlab.image or f"$CI_REGISTRY_IMAGE/junov:{__version__}"
    # GitLab puts the prefix in where a job names its image; here it has to stand.
    for written in ("${CI_REGISTRY_IMAGE}", "$CI_REGISTRY_IMAGE"):
        image = image.replace(written, found.image_prefix or project.project)
    return RunnerEntry(
        name=runner.description,
        url=api.url,
        executor=runner.executor,
        id=number,
        token=token,
        image=image,
        home=str(site.home.path),
        builds=str(runners.builds_folder(site.home)),
    )


def _number(found: Found, runner: Runner, given: Given) -> int | None:
    """GitLab's number for a runner: what made it says it, what gave it a new token doesn't."""
    if given.id is not None:
        return given.id
    there = found_runner(runner, found, Held({}, pulls=True))
    return there.id if there else None


def _file(site: Site, runner: Runner, wishes: Wishes) -> Path:
    return wishes.config or runners.config_file(site.home, runner.executor)


def _title(sentence: str) -> str:
    """What is done, without why."""
    first = re.split(r"[:;] |\. ", sentence, maxsplit=1)[0]
    return first[:1].upper() + first[1:]


def _outside_jobs() -> dict[str, str]:
    """The environment without what a CI job has, whose credentials end with it."""
    return {key: value for key, value in os.environ.items() if not key.startswith("CI_")}


def _is_logged_in(found: Found) -> bool:
    host = found.image_prefix.partition("/")[0]
    return find_credentials(host, _outside_jobs()) is not None


def _read_docker_config() -> dict[str, Any]:
    file = docker_config_file()
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise StageError(
            f"docker's own configuration {file} is no JSON",
            remedy="mend it, or move it aside and log in again",
        ) from None
    return found if isinstance(found, dict) else {}


def _credentials_store() -> str:
    """The program that docker leaves its logins to here; empty where they are in its own file."""
    return str(_read_docker_config().get("credsStore") or "")


def _log_in(found: Found, given: Given) -> None:
    host = found.image_prefix.partition("/")[0]
    config = with_login(_read_docker_config(), host, given.user, given.secret)
    write_private(docker_config_file(), json.dumps(config, indent=2) + "\n")
