"""The containers of one environment: those of a release brought up, all others brought down.

Web's containers carry their release in their name, so new and old stand side by side. What the
project's web needs but is not the project's own image (a cache, a queue) is brought up before it
and left alone while it doesn't change; the project's other services are rolled after the switch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from junov.delivery.delivered import Delivered
from junov.delivery.rollout.readiness import wait_ready
from junov.engine.inspection import Container
from junov.environments import Identity
from junov.environments.labels import RELEASE, environment_labels
from junov.errors import JunovError, StageError
from junov.secret import redact
from junov.site import Site
from junov.steps import Step

ONE_OFF = "com.docker.compose.oneoff"  # Compose's own label on what `compose run` starts


def containers_of(site: Site, identity: Identity) -> list[Container]:
    """Every container of an environment, running or not, but for one-off ones."""
    return [each for each in _all(site, identity) if not _is_one_off(each)]


def one_offs_of(site: Site, identity: Identity) -> list[Container]:
    """What `compose run` has started in an environment, such as a migration."""
    return [each for each in _all(site, identity) if _is_one_off(each)]


def web_of(site: Site, delivered: Delivered) -> list[Container]:
    """The web containers of a release: one, or as many as it has replicas."""
    found = containers_of(site, delivered.environment.identity)
    return [each for each in found if each.service == delivered.stack.web]


def release_of(container: Container) -> int | None:
    """The release that a container is of; None where it outlives releases."""
    text = container.labels.get(RELEASE, "")
    return int(text) if text.isdecimal() else None


def belongs(container: Container, delivered: Delivered) -> bool:
    """Whether a container is one that an environment has when this release is all it runs."""
    stack = delivered.stack
    if container.service in stack.supporting:
        return True
    return (
        container.service in (stack.web, *stack.background)
        and release_of(container) == delivered.release
    )


def start_supporting(site: Site, delivered: Delivered, step: Step) -> None:
    """Start what web may need and is not the project's own image."""
    services = delivered.stack.supporting
    if services:
        site.runtime.up(delivered.file, services, on_line=step.say)
        _wait_for(site, delivered, services)
    step.note = ", ".join(services) or "there are none"


def start_web(site: Site, delivered: Delivered, step: Step) -> list[Container]:
    """Start web's new containers beside the old ones, and wait until all are ready.

    Returns:
        One container, or as many as it has replicas.

    Raises:
        StageError: one of them doesn't become ready.
    """
    stack = delivered.stack
    site.runtime.up(delivered.file, (stack.web,), on_line=step.say)
    containers = web_of(site, delivered)
    if not containers:
        raise StageError(f"the engine did not start {stack.web}")
    seconds = [
        wait_ready(
            site.engine,
            container,
            health=lambda now: health_url(now, delivered),
            timeout=delivered.web.timeout,
            redact=lambda text: redact(text, stack.secrets),
        )
        for container in containers
    ]
    names = ", ".join(container.name for container in containers)
    step.note = f"{names} ready after {sum(seconds):.1f} s"
    return containers


def roll_background(site: Site, delivered: Delivered, step: Step) -> None:
    """Bring the project's other services to a release, one after the other.

    The engine gives each old container the time that its service allows (`stop_grace_period`)
    before it starts the new one.

    Raises:
        StageError: one of them doesn't come up; those after it are still the old ones.
    """
    for service in delivered.stack.background:
        site.runtime.up(delivered.file, (service,), on_line=step.say)
        _wait_for(site, delivered, (service,))
    step.note = ", ".join(delivered.stack.background) or "there are none"


def put_back(site: Site, delivered: Delivered, step: Step) -> None:
    """Bring everything but web back to what a release had; what still is so is left alone."""
    services = (*delivered.stack.supporting, *delivered.stack.background)
    if services:
        site.runtime.up(delivered.file, services, on_line=step.say)


def stop_and_remove(site: Site, containers: Sequence[Container]) -> None:
    """Stop containers, all at once, each within its own grace period; then remove them."""
    stop(site, containers)
    remove(site, containers)


def stop(site: Site, containers: Sequence[Container]) -> None:
    """Stop containers, all at once, each within its own grace period."""
    if containers:
        with ThreadPoolExecutor(max_workers=min(len(containers), 8)) as pool:
            list(pool.map(lambda container: site.engine.stop_container(container.id), containers))


def remove(site: Site, containers: Iterable[Container]) -> None:
    """Remove containers, running or not."""
    for container in containers:
        site.engine.remove_container(container.id)


def health_url(container: Container, delivered: Delivered) -> str:
    """The address of a web container's health path; empty while it has no address."""
    address = container.addresses.get(delivered.environment.identity.network)
    return f"http://{address}:{delivered.web.port}{delivered.web.health}" if address else ""


def _all(site: Site, identity: Identity) -> list[Container]:
    return site.engine.containers(environment_labels(site.server.name, identity))


def _is_one_off(container: Container) -> bool:
    return container.labels.get(ONE_OFF) == "True"


def _wait_for(site: Site, delivered: Delivered, services: tuple[str, ...]) -> None:
    for container in containers_of(site, delivered.environment.identity):
        if container.service in services:
            once = delivered.stack.runs_once(container.service)
            wait_ready(
                site.engine,
                container,
                health=None,
                timeout=delivered.web.timeout,
                redact=lambda text: redact(text, delivered.stack.secrets),
                ends="always" if once else "never",
            )


def is_fit(site: Site, delivered: Delivered) -> bool:
    """Whether a release's web could serve right now: all of it runs and answers."""
    containers = web_of(site, delivered)
    try:
        for container in containers:
            wait_ready(
                site.engine,
                container,
                health=lambda now: health_url(now, delivered),
                timeout=_FIT_SECONDS,
                redact=lambda text: redact(text, delivered.stack.secrets),
            )
    except JunovError:
        return False
    return bool(containers)


_FIT_SECONDS = 10.0
