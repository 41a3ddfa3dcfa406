"""Where the machine itself sends packets: ranges that no network of the engine may take."""

from __future__ import annotations

from pathlib import Path


def host_routes(table: Path = Path("/proc/net/route")) -> list[tuple[str, str]]:
    """The host's own IPv4 routes.

    Returns:
        (interface, network in CIDR notation) of each; nothing where the table isn't there.
    """
    try:
        lines = table.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []
    routes = []
    for line in lines:
        fields = line.split()
        if len(fields) >= 8:
            address, mask = (int(fields[i], 16).to_bytes(4, "little") for i in (1, 7))
            prefix = int.from_bytes(mask, "big").bit_count()
            routes.append((fields[0], f"{'.'.join(map(str, address))}/{prefix}"))
    return routes
