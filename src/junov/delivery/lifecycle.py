"""Stopping an environment, starting it again, and removing it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from shlex import quote

from junov.delivery.delivered import find_release
from junov.delivery.environments import EnvironmentView
from junov.delivery.provision import stamp_of
from junov.delivery.rollout.readiness import wait_ready
from junov.delivery.turn import turn
from junov.engine.inspection import Container, Network
from junov.engine.private_network import connect_trusted
from junov.environments.identity import generation_of
from junov.environments.labels import environment_labels
from junov.errors import NotFoundError, StageError
from junov.locks import who
from junov.pgbouncer import write_entries
from junov.secret import redact
from junov.site import Site
from junov.steps import Steps

START_SECONDS = 120.0


def stop(site: Site, view: EnvironmentView, steps: Steps) -> None:
    """Stop an environment's containers; everything of it stays."""
    with turn(site, view, purpose=f"stop of {view.name}", steps=steps):
        with steps.step("stop", f"Stop {view.name}") as step:
            running = [each for each in _containers(site, view) if each.running]
            for container in running:
                site.engine.stop_container(container.id)
            step.note = ", ".join(container.name for container in running) or "it was stopped"
        _note(site, view, "stopped")


def start(site: Site, view: EnvironmentView, steps: Steps) -> None:
    """Start a stopped environment again, with the containers that it had.

    Raises:
        StageError: it has no containers; it has to be deployed.
    """
    with turn(site, view, purpose=f"start of {view.name}", steps=steps):
        with steps.step("start", f"Start {view.name}") as step:
            containers = _containers(site, view)
            if not containers:
                raise StageError(
                    f"{view.name} has no containers to start",
                    remedy=f"deploy it: junov deploy {quote(view.ref)}",
                )
            network = next(iter(_networks(site, view)), None)
            if network is None:
                raise StageError(
                    f"the private network of {view.name} is gone",
                    remedy=f"deploy it again: junov deploy {quote(view.ref)}",
                )
            connect_trusted(site.engine, site.server.name, network)
            for container in containers:
                site.engine.start_container(container.id)
            step.note = ", ".join(container.name for container in containers)
        redacted = _redaction(site, view)
        with steps.step("ready", "Wait until it is ready"):
            for container in containers:
                wait_ready(
                    site.engine,
                    container,
                    health=None,
                    timeout=START_SECONDS,
                    redact=redacted,
                    ends="maybe",
                )
        _note(site, view, "running")


def _redaction(site: Site, view: EnvironmentView) -> Callable[[str], str]:
    """How secrets are kept out of what its containers have printed."""
    serving = find_release(site, view.identity, view.release) if view.release else None
    if serving is None:
        return lambda _: "(not shown: the release's record, which knows the secrets, is gone)"
    secrets = serving.stack.secrets
    return lambda text: redact(text, secrets)


def what_goes(site: Site, view: EnvironmentView) -> list[str]:
    """What `remove` removes, a line each, for a person to read before saying yes."""
    names = view.identity
    going = [f"container {container.name}" for container in _containers(site, view)]
    going += [f"volume {name} with its data" for name in _volumes(site, view)]
    going += [f"network {network.name}" for network in _networks(site, view)]
    if view.host:
        going.append(f"route {view.host}")
    going += [
        f"database {database.name} with its data, and its role"
        for database in site.postgres.databases()
        if generation_of(database.name, names.first_database) is not None
    ]
    return [*going, "its releases and their record"]


def remove(site: Site, view: EnvironmentView, steps: Steps) -> None:
    """Remove everything of one environment, and of no other. Safe to repeat.

    Raises:
        StampMismatchError: the database of its name is another's; nothing was removed.
        StageError: somebody has renamed its database; nothing was removed.
    """
    names = view.identity
    with turn(site, view, purpose=f"removal of {view.name}", steps=steps):
        site.postgres.require_removable(
            names.first_database, names.first_database, stamp_of(site, names)
        )
        with steps.step("route", "Route") as step:
            step.note = "removed" if site.routes.remove(names.route) else "there was none"
            site.edge_api.wait_until_gone(names.route)
        with steps.step("containers", "Containers") as step:
            containers = _containers(site, view)
            for container in containers:
                site.engine.stop_container(container.id)
                site.engine.remove_container(container.id)
            step.note = ", ".join(each.name for each in containers) or "there were none"
        with steps.step("database", "Database and role") as step:
            dropped = site.postgres.drop(
                names.first_database, names.first_database, stamp_of(site, names)
            )
            step.note = ", ".join(dropped.databases) or "there was none"
            write_entries(site)
        with steps.step("network", "Network") as step:
            networks = _networks(site, view)
            for network in networks:
                site.engine.remove_network(network)
            step.note = ", ".join(network.name for network in networks) or "there was none"
        with steps.step("volumes", "Volumes") as step:
            volumes = _volumes(site, view)
            for volume in volumes:
                site.engine.remove_volume(volume)
            step.note = ", ".join(volumes) or "there were none"
        with steps.step("record", "Releases and their record"):
            shutil.rmtree(site.home.environments_folder / names.folder, ignore_errors=True)
            site.journal.forget(view)
            site.journal.event("removed", who=who(), environment=view)


def _containers(site: Site, view: EnvironmentView) -> list[Container]:
    return site.engine.containers(environment_labels(site.server.name, view.identity))


def _networks(site: Site, view: EnvironmentView) -> list[Network]:
    return site.engine.networks(environment_labels(site.server.name, view.identity))


def _volumes(site: Site, view: EnvironmentView) -> list[str]:
    return site.engine.volumes(environment_labels(site.server.name, view.identity))


def _note(site: Site, view: EnvironmentView, status: str) -> None:
    try:
        if status == "stopped":
            site.journal.set_status(view, "stopped")
        else:
            site.journal.set_status(view, "running")
    except NotFoundError:
        pass  # the journal was lost; the environment itself is what counts
    site.journal.event(status, who=who(), environment=view)
