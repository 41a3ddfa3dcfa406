"""Bringing the server up: images, networks, settings, containers, and every environment's wires."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from junov.config.home import write_private
from junov.config.schema import example, schema
from junov.config.server import Server
from junov.edge import dynamic_config
from junov.engine.inspection import Network
from junov.engine.private_network import connect_all, ensure_network, pool_conflicts
from junov.environments.labels import SERVER
from junov.errors import UnavailableError
from junov.locks import held
from junov.pgbouncer import prepare, remove_files, write_entries
from junov.secret import Secret
from junov.server.images import ensure_images
from junov.server.parts import Ground, Part
from junov.server.stack import images, make_parts, server_stack
from junov.site import API_USER, Site
from junov.steps import Steps

SERVER_LOCK = "server"
EDGE_SECONDS = 30.0
_POLL_SECONDS = 0.1


def up(site: Site, steps: Steps) -> None:
    """Start the server, or bring it up to date with `server.yaml`. Safe to repeat.

    Args:
        site: the server; a missing `server.yaml` is written with the defaults.
        steps: shows what is done.

    Raises:
        ConfigError: `server.yaml` is wrong.
        UnavailableError: the engine, an image or a port cannot be had.
    """
    with steps.step("settings", f"Read {site.home.server_file}") as step:
        site.home.make()
        if not site.home.server_file.exists():
            write_private(site.home.server_file, example("server.yaml"))
            step.note = "written with the defaults"
        # Editors that know YAML schemas read this one; server.yaml's first line names it.
        write_private(site.home.path / "server.schema.json", json.dumps(schema(Server), indent=2))
        server = site.server
        _ensure_key(site)
    with held(
        site.home.locks_folder, SERVER_LOCK, purpose="server up", waiting=steps.saying("lock")
    ):
        with steps.step("images", "Images") as step:
            ensure_server_images(site, step.say)
            step.note = ", ".join(images(server).values())
        with steps.step("networks", "Networks") as step:
            for conflict in pool_conflicts(site.engine, server.name, server.networks.pool):
                step.say(f"in the address pool lies {conflict[0]} ({conflict[1]}): gone around")
            webproxy, db_network = (
                _server_network(site, name) for name in (server.webproxy, server.db_network)
            )
            step.note = (
                f"{webproxy.name} {webproxy.subnets[0]}, {db_network.name} "
                + (db_network.subnets[0])
            )
        with steps.step("containers", "Containers") as step:
            ground = Ground(server, site.home, site.password, webproxy, db_network)
            wanted = images(server)
            parts = make_parts(ground, wanted)
            _write_files(parts)
            site.routes.write_dynamic_config(_dynamic_config(site, webproxy))
            if server.postgres.pgbouncer.enabled:
                prepare(site)
            stack = server_stack(server, parts, wanted)
            write_private(site.home.stack_file, json.dumps(stack, indent=2))
            site.runtime.up_and_wait(site.home.stack_file, on_line=step.say)
        with steps.step("answers", "Ask Postgres and the edge") as step:
            site.postgres.secure_server()
            _wait_for_edge(site)
            step.note = f"PostgreSQL {site.postgres.server_version()}, {site.edge_url()}"
        if server.postgres.pgbouncer.enabled:
            with steps.step("pgbouncer", "Entries of PgBouncer") as step:
                step.note = f"{write_entries(site)} entries"
        else:
            remove_files(site)
        with steps.step("environments", "Connect the environments' networks") as step:
            connected = connect_all(site.engine, server.name)
            step.note = ", ".join(connected) or "all were connected"


def _ensure_key(site: Site) -> None:
    """Make the key of a new server; a server that is there already has to have its own."""
    if site.home.key_file.exists() or not site.engine.volumes({SERVER: site.server.name}):
        site.home.make_key()
    site.home.key()


def ensure_server_images(
    site: Site, report: Callable[[str], None], *, also: Sequence[str] = ()
) -> None:
    """See to it that the engine has the server's images, and further ones if asked to.

    Args:
        site: the server; without a `server.yaml`, the images of the defaults.
        report: called with a line for each thing found or done.
        also: further images, such as the one that projects build on.

    Raises:
        UnavailableError: an image can be neither pulled nor stood in for.
    """
    server = site.server if site.home.server_file.exists() else Server()
    ensure_images(site.engine, [*images(server).values(), *also], report=report)


def _wait_for_edge(site: Site) -> None:
    """Wait until the edge has read its first configuration; it has no healthcheck that says so.

    Raises:
        UnavailableError: it doesn't answer in time.
    """
    deadline = time.monotonic() + EDGE_SECONDS
    while True:
        try:
            site.edge_api.ping()
        except UnavailableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            return


def _server_network(site: Site, name: str) -> Network:
    networks = site.server.networks
    network = ensure_network(
        site.engine,
        name,
        server=site.server.name,
        pool=networks.pool,
        size=networks.size,
        labels={},
    )
    if not network.subnets:
        raise UnavailableError(
            f"the network {name} has no IPv4 subnet",
            remedy=f"remove it with: docker network rm {name}",
        )
    return network


def _write_files(parts: Mapping[str, Part]) -> None:
    """The files that the server's containers read, as they should be."""
    for part in parts.values():
        for path, text in part.files.items():
            _write_if_changed(path, text)
        for path, secret in part.private.items():
            write_private(path, secret.reveal())


def _dynamic_config(site: Site, webproxy: Network) -> str:
    password: Secret = site.password("edge", "api")
    return dynamic_config(
        allowed=[f"{webproxy.gateway}/32"] if webproxy.gateway else list(webproxy.subnets),
        user=API_USER,
        password=password,
    )


def _write_if_changed(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_private(path, text)
    # Containers read these as users of their own. The state folder around them is closed, and a
    # bind mount leads past it.
    path.parent.chmod(0o755)
    path.chmod(0o644)
