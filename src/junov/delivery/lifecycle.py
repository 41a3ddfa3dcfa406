"""Stopping an environment, starting it again, making place for another one, and removing it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from shlex import quote

from junov.delivery.delivered import Delivered, find_release
from junov.delivery.environments import EnvironmentView
from junov.delivery.limit import because_of, places_for
from junov.delivery.provision import stamp_of
from junov.delivery.rollout.containers import stop as stop_containers
from junov.delivery.rollout.containers import web_of
from junov.delivery.rollout.readiness import wait_ready
from junov.delivery.rollout.traffic import close, route_to, switch
from junov.delivery.turn import turn
from junov.engine.inspection import Container, Network
from junov.engine.private_network import connect_trusted
from junov.environments import Environment
from junov.environments.identity import generation_of
from junov.environments.labels import environment_labels
from junov.errors import JunovError, LockedError, NotFoundError, StageError
from junov.journal import EnvironmentRecord
from junov.locks import held, who
from junov.pgbouncer import write_entries
from junov.secret import redact
from junov.site import Site
from junov.steps import Steps

START_SECONDS = 120.0

_STILL = ("created", "exited", "dead")


def stop(site: Site, view: EnvironmentView, steps: Steps) -> list[str]:
    """Stop an environment's containers; everything of it stays. Safe to repeat.

    Returns:
        The containers that were stopped, by name; none where none ran.
    """
    with turn(site, view, purpose=f"stop of {view.name}", steps=steps):
        return stop_in_turn(site, view, steps)


def stop_in_turn(
    site: Site, environment: Environment | EnvironmentView, steps: Steps, *, why: str = ""
) -> list[str]:
    """The same for whoever has the environment's turn.

    Args:
        site: the server.
        environment: the environment.
        steps: shows what is done.
        why: why it is stopped, where nobody has asked for it by name.

    Returns:
        The containers that were stopped, by name.
    """
    title = f"Stop {environment.name}: {why}" if why else f"Stop {environment.name}"
    with steps.step("stop", title) as step:
        # One that keeps ending is between two starts, and would go on for ever.
        active = [each for each in _containers(site, environment) if each.state not in _STILL]
        close(site, environment.identity, step)
        stop_containers(site, active)
        names = [each.name for each in active]
        step.note = ", ".join(names) or "it was stopped"
    before = _record(site, environment)
    if before:
        site.journal.set_status(environment, "stopped")
    if names or (before and before.is_up):
        site.journal.event("stopped", who=who(), environment=environment, detail=why)
    return names


def start(site: Site, view: EnvironmentView, steps: Steps) -> None:
    """Start a stopped environment again, with the containers that it had.

    Like a deploy of another one, it may have to stop what was used least recently. Where it doesn't
    come up, it is stopped again.

    Raises:
        StageError: it has no containers; it has to be deployed. Or they don't come up.
    """
    with turn(site, view, purpose=f"start of {view.name}", steps=steps):
        containers, network = _startable(site, view)
        serving = find_release(site, view.identity, view.release) if view.release else None
        record = _record(site, view)
        if record and not record.is_up:
            limit = _limit(serving, record)
            make_place(
                site,
                record.environment,
                limit,
                steps,
                lambda: site.journal.set_status(view, "new"),
            )
        still = [each for each in containers if each.state in _STILL]
        with _stopped_on_failure(site, view, still):
            with steps.step("start", f"Start {view.name}") as step:
                connect_trusted(site.engine, site.server.name, network)
                for container in containers:
                    site.engine.start_container(container.id)
                step.note = ", ".join(container.name for container in containers)
            redacted = _redaction(serving)
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
            route = site.routes.read(view.identity.route)
            if serving and not (route and route.servers):
                with steps.step("switch", f"Route {serving.environment.host}") as step:
                    took = switch(site, route_to(serving, web_of(site, serving)))
                    step.note = f"after {took:.2f} s"
        if record:
            site.journal.set_status(view, "running")
        site.journal.event("running", who=who(), environment=view)


def make_place(
    site: Site,
    environment: Environment,
    limit: int | None,
    steps: Steps,
    take: Callable[[], object],
    *,
    wait: float | None = None,
) -> None:
    """Stop what was used least recently, as far as an environment's kind has no place for it.

    One that another run is at is used just now, and comes last. While it is waited for nothing is
    held that its run could want: it has its place already, or it would not count.

    Args:
        site: the server.
        environment: is to run; whoever asks has its turn.
        limit: how many of its kind may run at once; None for any number.
        steps: shows what is stopped.
        take: writes down that it runs or is about to; called once there is one, before anybody
            else can take it.
        wait: seconds to wait for other runs in one that has to stop; an hour without.

    Raises:
        StageError: there is none, and too few may be stopped; nothing was.
        LockedError: other runs are at those that may be stopped for longer than `wait`.
    """
    while True:
        with _limit_held(site, environment):
            busy = _stop_for(site, environment, limit, steps)
            if busy is None:
                places = places_for(
                    environment, limit, site.journal.environments(environment.project)
                )
                take()
                if places.warning:
                    steps.saying("limit")(places.warning)
                return
        purpose = f"a place for {environment.name}"
        with turn(site, busy.environment, purpose=purpose, steps=steps, wait=wait):
            pass  # now it can be stopped, if it still has to


def _stop_for(
    site: Site, environment: Environment, limit: int | None, steps: Steps
) -> EnvironmentRecord | None:
    """Stop what can be without waiting; the first that has to be waited for, if there is no place.

    The kind's limit is held, so nothing may be waited for here.
    """
    places = places_for(environment, limit, site.journal.environments(environment.project))
    places.require()
    if not places.surplus:
        return None
    left, purpose = places.surplus, f"a place for {environment.name}"
    for each in places.may_stop:
        other = each.environment
        try:
            with turn(site, other, purpose=purpose, steps=steps, wait=0):
                stop_in_turn(site, other, steps, why=because_of(environment, limit))
        except LockedError:
            continue
        left -= 1
        if not left:
            return None
    return places.may_stop[0]


@contextmanager
def _limit_held(site: Site, environment: Environment) -> Iterator[None]:
    name = f"limits-{environment.project}"  # no environment's: those have a `_` in their names
    with held(site.home.locks_folder, name, purpose=f"a place for {environment.name}"):
        yield


def _limit(serving: Delivered | None, record: EnvironmentRecord) -> int | None:
    """How many of an environment's kind may run, as its last release says."""
    kind = serving.project.environments.get(record.kind) if serving else None
    return kind.limit if kind else None


def _startable(site: Site, view: EnvironmentView) -> tuple[list[Container], Network]:
    """The containers of an environment, and its network.

    Raises:
        StageError: it has none.
    """
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
    return containers, network


@contextmanager
def _stopped_on_failure(
    site: Site, view: EnvironmentView, still: list[Container]
) -> Iterator[None]:
    """Whatever fails in the block: what did not run before it does not run after it."""
    try:
        yield
    except BaseException:
        # What failed first is what has to be told.
        with suppress(JunovError):
            stop_containers(site, still)
            if not any(each.running for each in _containers(site, view)):
                site.journal.set_status(view, "stopped")
        raise


def _redaction(serving: Delivered | None) -> Callable[[str], str]:
    """How secrets are kept out of what its containers have printed."""
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
    with turn(site, view, purpose=f"removal of {view.name}", steps=steps):
        remove_in_turn(site, view, steps)


def remove_in_turn(site: Site, view: EnvironmentView, steps: Steps) -> None:
    """The same for whoever has the environment's turn. Raises as `remove`."""
    names = view.identity
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


def _containers(site: Site, environment: Environment | EnvironmentView) -> list[Container]:
    return site.engine.containers(environment_labels(site.server.name, environment.identity))


def _networks(site: Site, view: EnvironmentView) -> list[Network]:
    return site.engine.networks(environment_labels(site.server.name, view.identity))


def _volumes(site: Site, view: EnvironmentView) -> list[str]:
    return site.engine.volumes(environment_labels(site.server.name, view.identity))


def _record(site: Site, environment: Environment | EnvironmentView) -> EnvironmentRecord | None:
    """What the journal knows of an environment; None where it was lost."""
    try:
        return site.journal.environment(environment.project, environment.name)
    except NotFoundError:
        return None
