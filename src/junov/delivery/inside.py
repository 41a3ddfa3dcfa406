"""Into a running environment: its logs, and commands in its containers."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from junov.config.validation import did_you_mean
from junov.delivery.environments import EnvironmentView
from junov.engine.compose import exec_argv, logs_argv
from junov.environments.labels import SERVICE, environment_labels
from junov.errors import NotFoundError, StageError
from junov.process import interactive
from junov.site import Site


def show_logs(
    site: Site, view: EnvironmentView, services: Sequence[str], *, follow: bool, tail: str
) -> int:
    """Print an environment's logs on this terminal; returns the exit code.

    Raises:
        NotFoundError: it has no such service, or no containers.
    """
    compose_services = [_compose_service(site, view, service) for service in services]
    argv = logs_argv(
        site.tools.compose, view.identity.stack, compose_services, follow=follow, tail=tail
    )
    return interactive(argv, env=site.tools.env)


def execute(
    site: Site, view: EnvironmentView, command: Sequence[str], *, service: str | None
) -> int:
    """Run a command in a container of an environment, on this terminal; returns its exit code.

    Raises:
        NotFoundError: it has no such service.
        StageError: that service doesn't run.
    """
    names = _services(site, view)
    wanted = service or next((n for n, compose in names.items() if n != compose), "")
    compose_service = _compose_service(site, view, wanted or next(iter(names), "web"))
    labels = environment_labels(site.server.name, view.identity)
    running = [
        container
        for container in site.engine.containers(labels, all_states=False)
        if container.service == compose_service
    ]
    if not running:
        raise StageError(
            f"{wanted} of {view.name} does not run",
            remedy=f"start it with: junov env start {quote(view.name)}",
        )
    return interactive(exec_argv(site.tools.docker, running[-1].name, command))


def _services(site: Site, view: EnvironmentView) -> dict[str, str]:
    """The project's names of the services, and Compose's: web's has its release in it."""
    labels = environment_labels(site.server.name, view.identity)
    return {
        container.labels.get(SERVICE, container.service): container.service
        for container in site.engine.containers(labels)
    }


def _compose_service(site: Site, view: EnvironmentView, service: str) -> str:
    names = _services(site, view)
    if service in names:
        return names[service]
    if not names:
        raise NotFoundError(
            f"{view.name} has no containers", remedy=f"deploy it: junov deploy {quote(view.ref)}"
        )
    raise NotFoundError(
        f"{view.name} has no service {service}", remedy=did_you_mean(service, names)
    )
