"""Which addresses a new private network gets."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network

from junov.errors import UnavailableError


def free_subnet(pool: str, size: int, taken: Iterable[str]) -> IPv4Network:
    """The first subnet of the pool that overlaps nothing.

    Docker's own address pools end after about thirty networks; with subnets of our own there are
    as many as the pool holds.

    Args:
        pool: an IPv4 network.
        size: the prefix length of the subnet.
        taken: networks of the engine and routes of the host, in CIDR notation.

    Raises:
        UnavailableError: the pool is used up.
    """
    used = [net for net in map(_ipv4, taken) if net and net.prefixlen > 0]
    for subnet in IPv4Network(pool).subnets(new_prefix=size):
        if not any(subnet.overlaps(net) for net in used):
            return subnet
    raise UnavailableError(
        f"the address pool {pool} has no free /{size} left",
        remedy="remove environments that nobody needs (junov env ls), or set a larger "
        "`networks.pool` in server.yaml",
    )


def foreign_overlaps(pool: str, foreign: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Networks of others that lie in the pool.

    Args:
        pool: an IPv4 network.
        foreign: (what it is, its network) of what is not this server's.

    Returns:
        Those that overlap the pool, in the same form.
    """
    ours = IPv4Network(pool)
    return [
        (what, net)
        for what, net in foreign
        if (parsed := _ipv4(net)) and parsed.prefixlen > 0 and ours.overlaps(parsed)
    ]


def capacity(pool: str, size: int) -> int:
    """How many networks the pool holds."""
    return int(2 ** (size - IPv4Network(pool).prefixlen))


def _ipv4(text: str) -> IPv4Network | None:
    try:
        return IPv4Network(text, strict=False)
    except ValueError:
        return None
