"""Containers and networks as the engine tells of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the engine.

    Args:
        id: the engine's id.
        name: its name.
        subnets: its ranges in CIDR notation.
        gateway: the engine's own address in it; empty where it has none.
        labels: its labels.
    """

    id: str
    name: str
    subnets: tuple[str, ...]
    gateway: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class HeldImage:
    """An image that the engine holds.

    Args:
        names: what it is called: tags, and digests in the repositories that it came from.
        labels: its labels.
        created: when it was made; of one that junov has built, when its commit was.
        size: its bytes, with the layers that it shares with others.
    """

    names: tuple[str, ...]
    labels: Mapping[str, str]
    created: datetime
    size: int


def held_image(found: Mapping[str, Any]) -> HeldImage:
    """An image of the engine's list (`GET /images/json`)."""
    return HeldImage(
        names=(*(found.get("RepoTags") or ()), *(found.get("RepoDigests") or ())),
        labels=found.get("Labels") or {},
        created=datetime.fromtimestamp(found["Created"], UTC),
        size=int(found["Size"]),
    )


@dataclass(frozen=True, slots=True)
class Container:
    """A container of the engine.

    Args:
        id: the engine's id.
        name: its name.
        image: the image reference it was made from.
        state: created, running, restarting, exited, paused, dead.
        health: healthy, unhealthy, starting; empty without a healthcheck.
        labels: its labels.
        addresses: its IPv4 address in each network.
        ports: published ports: container port → host port.
        ended_well: whether it has ended with exit code 0.
    """

    id: str
    name: str
    image: str
    state: str
    health: str
    labels: Mapping[str, str]
    addresses: Mapping[str, str]
    ports: Mapping[int, int]
    ended_well: bool

    @property
    def service(self) -> str:
        """The compose service that it is of."""
        return self.labels.get("com.docker.compose.service", "")

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self.state == "running"


_KILLED = 128 + 9  # SIGKILL, which the kernel sends as well where memory is short


@dataclass(frozen=True, slots=True)
class Ended:
    """How a container last ended.

    Args:
        exit_code: its exit code; None where it runs again, and the engine has forgotten it.
        restarts: how often the engine has restarted it.
        out_of_memory: whether the kernel killed it for taking more memory than it may.
    """

    exit_code: int | None
    restarts: int
    out_of_memory: bool = False

    @property
    def wants_memory(self) -> bool:
        """Whether it was killed in the way in which the kernel does where memory is short."""
        return self.out_of_memory or self.exit_code == _KILLED

    def __str__(self) -> str:
        code = "" if self.exit_code is None else f" (exit code {self.exit_code})"
        if self.out_of_memory:
            return f"was killed for taking more memory than it may{code}"
        if self.exit_code == _KILLED:
            # The engine may restart it before the kernel has told it why.
            return f"was killed, perhaps for taking more memory than it may{code}"
        if self.exit_code is None:
            return "ended, and was started again by the engine"
        return f"ended with exit code {self.exit_code}"


_HEALTHCHECK_SECONDS = 30  # Docker's default


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """How Docker asks for a container's health.

    Args:
        command: is run inside, and ends with 0 where the container is healthy.
        seconds: how long it may take.
    """

    command: tuple[str, ...]
    seconds: int


def healthcheck(raw: Mapping[str, Any]) -> Healthcheck | None:
    """How Docker asks for a container's health; None where it doesn't.

    The forms are those of the engine's API (`Healthcheck` in
    https://docs.docker.com/reference/api/engine/version/v1.41/).
    """
    found = raw["Config"].get("Healthcheck") or {}
    form, *words = found.get("Test") or ("NONE",)
    seconds = math.ceil(found.get("Timeout", 0) / 1e9) or _HEALTHCHECK_SECONDS
    if form == "CMD":
        return Healthcheck(tuple(words), seconds)
    if form == "CMD-SHELL":
        shell = raw["Config"].get("Shell") or ("/bin/sh", "-c")
        return Healthcheck((*shell, *words), seconds)
    return None


def listed_network(raw: Mapping[str, Any]) -> Network:
    """A network, from the engine's list."""
    ranges = (raw.get("IPAM") or {}).get("Config") or []
    return Network(
        id=raw["Id"],
        name=raw["Name"],
        subnets=tuple(each["Subnet"] for each in ranges if "Subnet" in each),
        gateway=next((each["Gateway"] for each in ranges if "Gateway" in each), ""),
        labels=raw.get("Labels") or {},
    )


def listed_container(raw: Mapping[str, Any]) -> Container:
    """A container, from the engine's list, which tells its health in words only."""
    networks = (raw.get("NetworkSettings") or {}).get("Networks") or {}
    status = raw.get("Status", "")
    health = next((word for word in ("unhealthy", "healthy") if f"({word})" in status), "")
    return Container(
        id=raw["Id"],
        name=raw["Names"][0].lstrip("/"),
        image=raw["Image"],
        state=raw["State"],
        health=health or ("starting" if "(health: starting)" in status else ""),
        labels=raw.get("Labels") or {},
        addresses={name: net.get("IPAddress", "") for name, net in networks.items()},
        ports={
            p["PrivatePort"]: p["PublicPort"] for p in raw.get("Ports", ()) if "PublicPort" in p
        },
        ended_well=status.startswith("Exited (0)"),
    )


def inspected_container(raw: Mapping[str, Any]) -> Container:
    """A container, from the engine's inspection."""
    settings, state = raw["NetworkSettings"], raw["State"]
    ports = {
        int(port.partition("/")[0]): int(bindings[0]["HostPort"])
        for port, bindings in (settings.get("Ports") or {}).items()
        if bindings
    }
    return Container(
        id=raw["Id"],
        name=raw["Name"].lstrip("/"),
        image=raw["Config"]["Image"],
        state=state["Status"],
        health=(state.get("Health") or {}).get("Status", ""),
        labels=raw["Config"].get("Labels") or {},
        addresses={
            name: net.get("IPAddress", "") for name, net in (settings["Networks"] or {}).items()
        },
        ports=ports,
        ended_well=state["Status"] == "exited" and state["ExitCode"] == 0,
    )
