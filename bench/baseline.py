"""What a team has without junov: `docker compose up -d --wait`, and a route to a container's name.

The same server, edge, images, healthcheck and migrations; the stack has its own database where the
project has one. What a change does is Compose's own doing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.subject import Rig, Subject
from junov import process
from junov.config.project import ProjectFolder, read_project
from junov.edge import Route
from junov.engine.private_network import NETWORKS_LOCK, connect_trusted, ensure_network
from junov.environments.labels import SERVER
from junov.locks import held

UP_SECONDS = 240.0
ROUTE_SECONDS = 15.0


def config_argv(compose: Sequence[str], project: ProjectFolder) -> list[str]:
    """The command that prints the model of the project's files, as its production has them."""
    config, root = project.config.compose, project.root
    files = [root / config.base, root / config.deploy]
    env_files = [root / config.env / f"{kind}.env" for kind in ("base", "prod")]
    return [
        *compose,
        *(word for path in env_files if path.is_file() for word in ("--env-file", str(path))),
        *(word for path in files if path.is_file() for word in ("--file", str(path))),
        *("config", "--format", "json"),
    ]


def up_argv(compose: Sequence[str], file: Path) -> list[str]:
    """The command that a team delivers with; it ends when everything is healthy."""
    return [*compose, "--file", str(file), "up", "--detach", "--wait"]


def with_image(
    model: Mapping[str, Any],
    *,
    name: str,
    image: str,
    variables: Mapping[str, str],
    labels: Mapping[str, str],
) -> dict[str, Any]:
    """The stack of a team that builds elsewhere and delivers by image. Pure.

    Args:
        model: the resolved model of the project's files.
        name: the Compose project and its network, which is there already.
        image: what the services with `build:` run.
        variables: what they get on top of their own.
        labels: of everything, so that it can be removed.
    """
    services = {}
    for service, data in model["services"].items():
        services[service] = {**data, "labels": {**(data.get("labels") or {}), **labels}}
        if services[service].pop("build", None):
            services[service]["image"] = image
            own = data.get("environment") or {}
            services[service]["environment"] = {**own, **variables}
    volumes = {
        key: {"name": f"{name}_{key}", "labels": dict(labels)} for key in model.get("volumes") or {}
    }
    return {
        "name": name,
        "services": services,
        "networks": {"default": {"name": name, "external": True}},
        "volumes": volumes,
    }


class Baseline:
    """One stack that is delivered by Compose alone.

    Args:
        rig: where.
        subject: whose commits it runs.
    """

    def __init__(self, rig: Rig, subject: Subject) -> None:
        self._site = rig.site
        self._subject = subject
        self._project = read_project(subject.shell.folder)
        name = self._project.config.project
        self.name = f"{name}-compose"
        self.host = f"compose.{name}.localhost"
        self._file = rig.folder / f"{self.name}.yaml"
        self._model = self._resolve()

    def start(self, turn: int) -> None:
        """Start it with a turn's image, in a network with the edge, and route its host to it."""
        site, networks = self._site, self._site.server.networks
        with held(site.home.locks_folder, NETWORKS_LOCK, purpose=f"network of {self.name}"):
            network = ensure_network(
                site.engine,
                self.name,
                server=site.server.name,
                pool=networks.pool,
                size=networks.size,
                labels={},
            )
        connect_trusted(site.engine, site.server.name, network)
        self.change(turn)
        web = self._project.config.web
        route = Route(
            name=f"{self.name}_prod",
            host=self.host,
            servers=(f"http://{self.name}-{web.service}-1:{web.port}",),
            project=self.name,
            environment="prod",
            release=1,
        )
        site.routes.write(route)
        site.edge_api.wait_until_routed(route, timeout=ROUTE_SECONDS)

    def change(self, turn: int) -> float:
        """Deliver a turn's image; the seconds that this took."""
        commit = self._subject.commit_of(turn)
        stack = with_image(
            self._model,
            name=self.name,
            image=self._subject.images[commit],
            # What junov sets as well, and a secret that no file may hold.
            variables={
                "JUNOV_COMMIT": commit,
                "JUNOV_RELEASE": str(turn),
                "JUNOV_ENVIRONMENT": "compose",
                "SECRET_KEY": "of a throw-away stack",
            },
            labels={SERVER: self._site.server.name},
        )
        self._file.write_text(json.dumps(stack, indent=2), encoding="utf-8")
        tools = self._site.tools
        began = time.monotonic()
        process.check(
            up_argv(tools.compose, self._file),
            doing="deliver with docker compose up",
            env=tools.env,
            timeout=UP_SECONDS,
        )
        return time.monotonic() - began

    def _resolve(self) -> dict[str, Any]:
        tools = self._site.tools
        argv = config_argv(tools.compose, self._project)
        said = process.check(argv, doing="read the compose files", cwd=self._project.root)
        model: dict[str, Any] = json.loads(said)
        return model
