"""Taking the server down, and removing every trace of it where that is asked for."""

from __future__ import annotations

import shutil

from junov.environments.labels import SERVER
from junov.errors import StageError
from junov.locks import held
from junov.server.server import SERVER_LOCK
from junov.server.status import environments_on
from junov.site import Site
from junov.steps import Steps


def what_goes(site: Site, *, purge: bool) -> list[str]:
    """What `down` removes, a line each, for a person to read before saying yes.

    Raises:
        StageError: there are environments, and they are not to be purged.
    """
    _refuse_with_environments(site, purge=purge)
    labels = {SERVER: site.server.name}
    going = [f"container {container.name}" for container in site.engine.containers(labels)]
    going += [f"network {network.name}" for network in site.engine.networks(labels)]
    if purge:
        going += [f"volume {name} with its data" for name in site.engine.volumes(labels)]
        own = site.server.repository("")
        going += [f"images of {own} in the engine"] if own else []
        going.append(f"state folder {site.home.path}")
    return going


def down(site: Site, steps: Steps, *, purge: bool) -> None:
    """Remove the server's containers and networks.

    Args:
        site: the server.
        steps: shows what is done.
        purge: remove its environments, volumes and state as well.

    Raises:
        StageError: there are environments, and they are not to be purged.
    """
    labels = {SERVER: site.server.name}
    _refuse_with_environments(site, purge=purge)
    with held(site.home.locks_folder, SERVER_LOCK, purpose="server down"):
        engine = site.engine
        with steps.step("containers", "Remove containers") as step:
            containers = engine.containers(labels)
            for container in containers:
                engine.stop_container(container.id, at_most=10)
                engine.remove_container(container.id)
            step.note = f"{len(containers)} removed"
        with steps.step("networks", "Remove networks") as step:
            networks = engine.networks(labels)
            for network in networks:
                engine.remove_network(network)
            step.note = f"{len(networks)} removed"
        if purge:
            own = site.server.repository("")
            if own:
                with steps.step("images", f"Remove images of {own}") as step:
                    step.note = f"{engine.remove_images(own)} removed"
            with steps.step("volumes", "Remove volumes") as step:
                volumes = engine.volumes(labels)
                for volume in volumes:
                    engine.remove_volume(volume)
                step.note = f"{len(volumes)} removed"
    if purge:
        with steps.step("state", f"Remove {site.home.path}"):
            shutil.rmtree(site.home.path)


def _refuse_with_environments(site: Site, *, purge: bool) -> None:
    left = environments_on(site)
    if left and not purge:
        raise StageError(
            f"environments still run on this server: {', '.join(left)}",
            remedy="remove them first (junov env rm NAME), or take everything down with --purge",
        )
