"""Who may reach what on the server's Postgres: the text of `pg_hba.conf`.

The format and the keyword `sameuser` are PostgreSQL's
(https://www.postgresql.org/docs/15/auth-pg-hba-conf.html); the first line that fits decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network

SUPERUSER = "postgres"


def hba(networks: Sequence[str]) -> str:
    """The text of `pg_hba.conf`.

    The superuser gets in over the socket inside the container, as the operating system's user of
    that name, and over TCP from `networks` only. So the superuser's password, should it ever leak
    into an environment, opens nothing there. Every other role reaches the database that has its
    own name, and no other, whatever was granted to it: in junov's identity, role and database are
    one name. Replication is open to nobody.

    Args:
        networks: IPv4 networks in CIDR notation from which the superuser is accepted: the server's
            `db_network`. Its gateway, as which the host itself appears, lies in it.

    Raises:
        ValueError: one of them is no network, or is the whole internet.
    """
    accepted = [IPv4Network(text) for text in networks]
    if any(network.prefixlen == 0 for network in accepted):
        raise ValueError("the superuser must not be accepted from everywhere")
    rows = [("local", "all", SUPERUSER, "", "peer")]
    rows += [("host", "all", SUPERUSER, str(net), "scram-sha-256") for net in accepted]
    rows += [
        ("host", "all", SUPERUSER, "all", "reject"),
        ("host", "sameuser", "all", "all", "scram-sha-256"),
    ]
    head = (
        "# Written by junov (`junov server up`); what is changed here by hand is written over.\n"
        "# The superuser: over the socket, and from the server's own database network.\n"
        "# Every other role: its own database and no other.\n"
    )
    lines = [f"{a:<6} {b:<9} {c:<9} {d:<19} {e}" for a, b, c, d, e in rows]
    return head + "\n".join(lines) + "\n"
