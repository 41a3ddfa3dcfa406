"""Bringing a release's containers up beside the old ones, and the old ones down.

Web's containers carry their release in their name, so new and old stand side by side. What the
project's web needs but is not the project's own image (a cache, a queue) is brought up before it
and left alone while it doesn't change; the project's other services are rolled after the switch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from junov.config.project import Web
from junov.delivery.readiness import wait_ready
from junov.edge import Route
from junov.engine.inspection import Container
from junov.environments import Environment
from junov.environments.labels import ENVIRONMENT, PROJECT, RELEASE, SERVER
from junov.errors import JunovError, StageError
from junov.secret import redact
from junov.site import Site
from junov.stacks.stack import Stack
from junov.steps import Step

_ROUTE_SECONDS = 15.0


@dataclass(frozen=True)
class Rollout:
    """One release on its way into one environment.

    Args:
        site: the server.
        environment: whose release it is.
        web: how the web service is reached.
        stack: what was checked.
        file: where it was written.
        release: its number.
    """

    site: Site
    environment: Environment
    web: Web
    stack: Stack
    file: Path
    release: int

    def start_supporting(self, step: Step) -> None:
        """Start what web may need and is not the project's own image."""
        self._up(self.stack.supporting, step)
        self._wait_for(self.stack.supporting)
        step.note = ", ".join(self.stack.supporting) or "there are none"

    def start_web(self, step: Step) -> list[Container]:
        """Start web's new containers beside the old ones, and wait until all are ready.

        Returns:
            One container, or as many as `deploy.replicas` says.

        Raises:
            StageError: it doesn't become ready; it is removed again.
        """
        try:
            self._up((self.stack.web,), step)
            containers = self._web_containers()
            seconds = [
                wait_ready(
                    self.site.engine,
                    container,
                    health=self._health_url,
                    timeout=self.web.timeout,
                    redact=lambda text: redact(text, self.stack.secrets),
                )
                for container in containers
            ]
        except BaseException:
            self._remove(self._containers(release=self.release))
            raise
        names = ", ".join(container.name for container in containers)
        step.note = f"{names} ready after {sum(seconds):.1f} s"
        return containers

    @contextmanager
    def switched_back_on_failure(self) -> Iterator[None]:
        """Whatever fails in the block: requests go to where they went before it."""
        before = self.site.routes.read(self.environment.identity.route)
        try:
            yield
        except BaseException:
            try:
                if before:
                    self.site.routes.write(before)
                    self.site.edge_api.wait_until_routed(before, timeout=_ROUTE_SECONDS)
                else:
                    self.site.routes.remove(self.environment.identity.route)
            except JunovError:
                pass  # what failed first is what has to be told
            finally:
                self._remove(self._containers(release=self.release))
            raise

    def switch(self, containers: list[Container], step: Step) -> None:
        """Send requests to the new containers, and wait until the edge does so."""
        route = Route(
            name=self.environment.identity.route,
            host=self.environment.host,
            # Not by address: that changes when the engine restarts. Not by name: the edge looks a
            # name up in every network that it is in, and in another environment's network somebody
            # may have taken it for an alias. An id cannot be known before it is there.
            servers=tuple(f"http://{each.id[:12]}:{self.web.port}" for each in containers),
            project=self.environment.project,
            environment=self.environment.name,
            release=self.release,
        )
        self.site.routes.write(route)
        seconds = self.site.edge_api.wait_until_routed(route, timeout=_ROUTE_SECONDS)
        names = ", ".join(container.name for container in containers)
        step.note = f"{names} after {seconds:.2f} s"

    def roll_background(self, step: Step) -> None:
        """Bring the project's other services to the new release."""
        self._up(self.stack.background, step)
        self._wait_for(self.stack.background)
        step.note = ", ".join(self.stack.background) or "there are none"

    def retire_old(self, step: Step) -> None:
        """Stop and remove what is not of this release: old web containers and removed services.

        A container that is stopped gets the time that its service gives it (`stop_grace_period`)
        to answer the requests it has; new ones no longer reach it.
        """
        current = {self.stack.web, *self.stack.background, *self.stack.supporting}
        old = [
            container
            for container in self._containers()
            if container.labels.get("com.docker.compose.service") not in current
        ]
        for container in old:
            self.site.engine.stop_container(container.id)
        self._remove(old)
        step.note = ", ".join(container.name for container in old) or "nothing was left"

    def _up(self, services: tuple[str, ...], step: Step) -> None:
        if services:
            self.site.runtime.up(self.file, services, on_line=step.say)

    def _wait_for(self, services: tuple[str, ...]) -> None:
        for container in self._containers():
            if container.service in services:
                wait_ready(
                    self.site.engine,
                    container,
                    health=None,
                    timeout=self.web.timeout,
                    redact=lambda text: redact(text, self.stack.secrets),
                    ends="always" if self._runs_once(container.service) else "never",
                )

    def _health_url(self, container: Container) -> str:
        address = container.addresses.get(self.environment.identity.network)
        return f"http://{address}:{self.web.port}{self.web.health}" if address else ""

    def _runs_once(self, service: str) -> bool:
        return bool(self.stack.model["services"][service].get("restart") == "no")

    def _web_containers(self) -> list[Container]:
        found = [
            container
            for container in self._containers(release=self.release)
            if container.service == self.stack.web
        ]
        if not found:
            raise StageError(f"the engine did not start {self.stack.web}")
        return found

    def _containers(self, release: int | None = None) -> list[Container]:
        labels = {
            SERVER: self.site.server.name,
            PROJECT: self.environment.project,
            ENVIRONMENT: self.environment.name,
        }
        if release is not None:
            labels[RELEASE] = str(release)
        return self.site.engine.containers(labels)

    def _remove(self, containers: list[Container]) -> None:
        for container in containers:
            self.site.engine.remove_container(container.id)
