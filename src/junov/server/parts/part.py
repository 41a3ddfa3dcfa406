"""A part of the server: one container beside the application, and what it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from junov.config.home import Home
from junov.config.server import Server
from junov.engine.inspection import Network
from junov.secret import Secret


class Settings(Protocol):
    """What `server.yaml` says of a part."""

    @property
    def image(self) -> str:
        """Its image."""
        ...


@dataclass(frozen=True, slots=True)
class Ground:
    """What parts are made from.

    Args:
        server: `server.yaml`.
        home: the state folder.
        password: the password that belongs to a scope, as `Site.password`.
        webproxy: the network of the edge and the web tools.
        db_network: the network of Postgres instances and pgAdmin.
    """

    server: Server
    home: Home
    password: Callable[..., Secret]
    webproxy: Network
    db_network: Network


@dataclass(frozen=True, slots=True)
class Part:
    """One container of the server.

    Args:
        service: its compose model, without what every part has: labels, restart policy, log
            rotation, `no-new-privileges`, image.
        files: the files that it reads and everybody may, with their contents. It is re-created
            where one of them changes.
        private: files that only their reader may read, with their contents. Those are replaced
            without re-creating it.
        volumes: the names of its volumes, as `service` calls them.
    """

    service: Mapping[str, Any]
    files: Mapping[Path, str] = field(default_factory=dict)
    private: Mapping[Path, Secret] = field(default_factory=dict)
    volumes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of part, whether this server has it or not.

    Args:
        name: what it is called: in `server.yaml`, as a service, and in its label.
        settings: what `server.yaml` says of it; None where the server goes without it.
        make: the part.
        needed: whether environments can't do without it. The server doesn't come up where the image
            of such a part can't be had; any other part is left out then.
    """

    name: str
    settings: Callable[[Server], Settings | None]
    make: Callable[[Ground], Part]
    needed: bool = False


def bind(source: Path, target: str) -> dict[str, Any]:
    """A folder or file of the state folder in a container, read-only."""
    return {
        "type": "bind",
        "source": str(source),
        "target": target,
        "read_only": True,
        "bind": {"create_host_path": False},
    }


def volume(name: str, target: str) -> dict[str, Any]:
    """A volume of the part in its container."""
    return {"type": "volume", "source": name, "target": target}


def port(target: int, published: int | None, address: str) -> dict[str, Any]:
    """A port of a container on an address of this machine; any free one without `published`."""
    told: dict[str, Any] = {"target": target, "host_ip": address, "protocol": "tcp"}
    return {**told, "published": str(published)} if published else told
