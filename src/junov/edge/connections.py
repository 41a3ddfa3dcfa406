"""Which requests are under way between the edge and its servers, as its kernel lists them. Pure."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address

# tcp_states.h. A request that waits for a full server to take its connection is under way too.
_UNDER_WAY = frozenset({"01", "02"})  # ESTABLISHED, SYN_SENT
_MAPPED = "0000000000000000FFFF0000"  # ::ffff:0:0/96 in words of the host's byte order
_HEADER = "rem_address"


def open_connections(table: str, servers: Collection[tuple[str, int]]) -> int:
    """How many connections lead to any of these servers.

    The edge ends a connection that it doesn't use after a second (`static_config`). So what is
    still open to a server that gets no new requests has a request under way, or is a WebSocket or
    a stream of events.

    Args:
        table: the text of `/proc/net/tcp` in the edge's own container, of a little-endian machine;
            `/proc/net/tcp6` may stand before or after it, since a program's IPv4 connections are
            there where it made them on an IPv6 socket. The format is proc_pid_net(5)'s.
        servers: IPv4 addresses and ports.

    Returns:
        The number of those that are established or being established. One that either side has
        begun to end isn't counted: all that the server had to say has been said.

    Raises:
        ValueError: the text is no such table, or one of the addresses isn't IPv4.
    """
    lines = table.splitlines()
    if not any(_HEADER in line.split() for line in lines):
        raise ValueError("that is no text of /proc/net/tcp")
    wanted = {
        prefix + _remote(IPv4Address(address), port)
        for address, port in servers
        for prefix in ("", _MAPPED)
    }
    fields = (line.split() for line in lines)
    return sum(len(row) > 3 and row[2] in wanted and row[3] in _UNDER_WAY for row in fields)


def _remote(address: IPv4Address, port: int) -> str:
    return f"{int.from_bytes(address.packed, 'little'):08X}:{port:04X}"
