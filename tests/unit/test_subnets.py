"""Subnets of private networks: free, from the pool, and never shared."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junov.engine.host_routes import host_routes
from junov.environments.subnets import capacity, foreign_overlaps, free_subnet
from junov.errors import UnavailableError

POOL = "10.213.0.0/16"
networks = st.builds(
    lambda third, prefix: str(IPv4Network(f"10.213.{third}.0/{prefix}", strict=False)),
    st.integers(0, 255),
    st.integers(17, 29),
)


@given(st.lists(networks, max_size=20))
def test_a_free_subnet_overlaps_nothing_that_is_taken(taken: list[str]) -> None:
    try:
        subnet = free_subnet(POOL, 27, taken)
    except UnavailableError:
        used = [IPv4Network(net) for net in taken]
        every = IPv4Network(POOL).subnets(new_prefix=27)
        assert all(any(subnet.overlaps(net) for net in used) for subnet in every)
        return
    assert subnet.subnet_of(IPv4Network(POOL))
    assert not any(subnet.overlaps(IPv4Network(net)) for net in taken)


def test_the_pool_can_be_used_up_to_the_last_one_and_then_says_so() -> None:
    taken: list[str] = []
    for _ in range(capacity("10.9.0.0/24", 27)):
        taken.append(str(free_subnet("10.9.0.0/24", 27, taken)))
    assert len(set(taken)) == 8
    with pytest.raises(UnavailableError, match=r"10\.9\.0\.0/24 has no free /27"):
        free_subnet("10.9.0.0/24", 27, taken)


def test_a_default_route_and_ipv6_take_nothing() -> None:
    assert str(free_subnet(POOL, 27, ["0.0.0.0/0", "fd00::/8"])) == "10.213.0.0/27"


def test_what_lies_in_the_pool_is_named() -> None:
    foreign = [("the network old", "10.213.4.0/24"), ("the route through tun0", "10.0.0.0/8")]
    elsewhere = [("the network bridge", "172.17.0.0/16"), ("the route through eth0", "0.0.0.0/0")]
    assert foreign_overlaps(POOL, [*foreign, *elsewhere]) == foreign


def test_the_hosts_routes_are_read(tmp_path: Path) -> None:
    table = tmp_path / "route"
    table.write_text(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "tun0\t0000D50A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    )
    assert host_routes(table) == [("eth0", "0.0.0.0/0"), ("tun0", "10.213.0.0/16")]
    assert host_routes(tmp_path / "none") == []
