"""Where the programs in a container listen, as its kernel lists it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from junov.engine.api import Engine
from junov.errors import CommandError

# The second is not there where the kernel has no IPv6.
_TABLES = ("cat", "/proc/net/tcp", "/proc/net/tcp6")
_LISTEN = "0A"  # tcp_states.h
_RESOLVER = IPv4Address("127.0.0.11")
"""Docker's own name server, in each container that is in a network of its own."""


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """A port that something listens on.

    Args:
        port: the port.
        loopback: whether only the container itself can reach it there.
    """

    port: int
    loopback: bool


def listeners_in(engine: Engine, container_id: str) -> tuple[Listener, ...] | None:
    """Where the programs in a running container listen.

    Returns:
        By port; None where that can't be told, such as for an image without `cat`.
    """
    try:
        _, tables = engine.execute(container_id, _TABLES)
    except CommandError:
        return None
    return listeners(tables)


def listeners(tables: str) -> tuple[Listener, ...] | None:
    """The listeners in the text of `/proc/net/tcp` and `tcp6` of a little-endian machine.

    The format is proc_pid_net(5)'s.

    Returns:
        By port; None where the text is no such table.
    """
    rows = [line.split() for line in tables.splitlines()]
    if not any("local_address" in row for row in rows):
        return None
    local = [row[1] for row in rows if len(row) > 3 and row[3] == _LISTEN]
    found = {_read(each) for each in local}
    return tuple(sorted({Listener(port, at.is_loopback) for at, port in found if at != _RESOLVER}))


def _read(local: str) -> tuple[IPv4Address | IPv6Address, int]:
    words, _, port = local.partition(":")
    raw = b"".join(bytes.fromhex(words[at : at + 8])[::-1] for at in range(0, len(words), 8))
    if len(raw) == 4:
        return IPv4Address(raw), int(port, 16)
    address = IPv6Address(raw)
    return address.ipv4_mapped or address, int(port, 16)
