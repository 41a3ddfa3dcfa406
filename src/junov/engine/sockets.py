"""The sockets of a container, as its kernel lists them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from junov.engine.api import Engine
from junov.errors import CommandError

TABLES = ("cat", "/proc/net/tcp", "/proc/net/udp", "/proc/net/tcp6")
"""What to run in a container for its sockets. The last file isn't there without IPv6."""
RESOLVER = ("127.0.0.11", 53)
"""Docker's own name server, in each container that is in a network of its own. Who looks a name up
there has a connected socket (UDP) for as long as that takes."""

# tcp_states.h. A request that waits for a full server to take its connection is under way too.
_UNDER_WAY = frozenset({"01", "02"})  # ESTABLISHED, SYN_SENT
_LISTEN = "0A"
_HEADER = "rem_address"  # of the first table only

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Socket:
    """One socket.

    Args:
        local: its own address and port.
        remote: whom it is connected to; zeros where it listens.
        state: the kernel's number for its state, in hexadecimal.
    """

    local: tuple[Address, int]
    remote: tuple[Address, int]
    state: str


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """A port that something listens on.

    Args:
        port: the port.
        loopback: whether only the container itself can reach it there.
    """

    port: int
    loopback: bool


def sockets(tables: str) -> list[Socket]:
    """The sockets in the text of `/proc/net/tcp`, with `/proc/net/tcp6` before or after it.

    An IPv4 connection of an IPv6 socket stands in the second and is read as IPv4. The format is
    proc_pid_net(5)'s, of a little-endian machine.

    Raises:
        ValueError: the text has no such table.
    """
    rows = [line.split() for line in tables.splitlines()]
    if not any(_HEADER in row for row in rows):
        raise ValueError("that is no text of /proc/net/tcp")
    whole = [row for row in rows if len(row) > 3 and row[0].endswith(":")]
    return [Socket(_read(row[1]), _read(row[2]), row[3]) for row in whole]


def open_connections(tables: str, servers: Collection[tuple[str, int]]) -> int:
    """How many connections lead to any of these servers.

    Args:
        tables: as for `sockets`.
        servers: IPv4 addresses and ports.

    Returns:
        The number of those that are established or being established. One that either side has
        begun to end isn't counted: all that the server had to say has been said.

    Raises:
        ValueError: as `sockets`, or one of the addresses isn't IPv4.
    """
    wanted = {(IPv4Address(address), port) for address, port in servers}
    return sum(each.remote in wanted and each.state in _UNDER_WAY for each in sockets(tables))


def listeners(tables: str) -> tuple[Listener, ...]:
    """What is listened on, by port. Takes and raises as `sockets`."""
    local = {each.local for each in sockets(tables) if each.state == _LISTEN}
    resolver = IPv4Address(RESOLVER[0])
    return tuple(sorted({Listener(port, at.is_loopback) for at, port in local if at != resolver}))


def listeners_in(engine: Engine, container_id: str) -> tuple[Listener, ...] | None:
    """Where the programs in a running container listen.

    Returns:
        By port; None where that can't be told, such as for an image without `cat`.
    """
    try:
        _, tables = engine.execute(container_id, TABLES)
        return listeners(tables)
    except (CommandError, ValueError):
        return None


def _read(text: str) -> tuple[Address, int]:
    words, _, port = text.partition(":")
    raw = b"".join(bytes.fromhex(words[at : at + 8])[::-1] for at in range(0, len(words), 8))
    if len(raw) == 4:
        return IPv4Address(raw), int(port, 16)
    address = IPv6Address(raw)
    return address.ipv4_mapped or address, int(port, 16)
