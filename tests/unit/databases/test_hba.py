"""Who gets in where, read line by line as Postgres does: the first that fits decides."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from junov.databases import hba

DB_NETWORK = "10.213.0.32/27"


def decide(text: str, kind: str, user: str, database: str, address: str = "") -> str:
    """The method of the first line that fits; `reject` where none does."""
    for line in text.splitlines():
        row = line.split()
        if row[0] != kind:
            continue
        net = row[3] if row[0] == "host" else ""
        fits_address = net in ("", "all") or IPv4Address(address) in IPv4Network(net)
        fits_database = row[1] == "all" or (row[1] == "sameuser" and user == database)
        if fits_database and row[2] in ("all", user) and fits_address:
            return row[-1]
    return "reject"


@pytest.mark.parametrize(
    ("kind", "user", "database", "address", "method"),
    [
        ("local", "postgres", "postgres", "", "peer"),
        ("local", "notes_prod", "notes_prod", "", "reject"),
        ("host", "postgres", "notes_prod", "10.213.0.33", "scram-sha-256"),  # the gateway
        ("host", "postgres", "postgres", "10.213.0.62", "scram-sha-256"),
        ("host", "postgres", "postgres", "10.213.0.64", "reject"),
        ("host", "postgres", "postgres", "127.0.0.1", "reject"),
        ("host", "notes_prod", "notes_prod", "10.213.0.64", "scram-sha-256"),
        ("host", "notes_prod", "notes_stage", "10.213.0.64", "reject"),
        ("host", "notes_prod", "postgres", "10.213.0.33", "reject"),
    ],
)
def test_who_gets_in(kind: str, user: str, database: str, address: str, method: str) -> None:
    assert decide(hba([DB_NETWORK]), kind, user, database, address) == method


def test_several_networks_are_accepted() -> None:
    text = hba([DB_NETWORK, "10.9.0.0/29"])
    assert decide(text, "host", "postgres", "postgres", "10.9.0.1") == "scram-sha-256"
    assert decide(text, "host", "postgres", "postgres", "10.9.0.9") == "reject"


def test_without_a_network_only_the_socket_is_left_to_the_superuser() -> None:
    assert decide(hba([]), "host", "postgres", "postgres", "10.213.0.33") == "reject"
    assert decide(hba([]), "local", "postgres", "postgres") == "peer"


@pytest.mark.parametrize("network", ["0.0.0.0/0", "10.213.0.33/27", "everywhere", ""])
def test_what_is_no_network_is_refused(network: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        hba([network])
