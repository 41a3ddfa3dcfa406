"""What is under way between the edge and its servers, and who listens, as a kernel really said it.

`captured/` holds both tables of an edge that had two requests under way to the server 10.231.107.67
and an ended one behind it, one request to an address without a host, and three visitors; and the
table of a program that looked a name up.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from junov.engine.sockets import RESOLVER, Listener, listeners, open_connections

CAPTURED = Path(__file__).parent / "captured"
TCP = (CAPTURED / "tcp.txt").read_text()
TCP6 = (CAPTURED / "tcp6.txt").read_text()
UDP = (CAPTURED / "udp.txt").read_text()
BUSY = ("10.231.107.67", 8000)
NOBODY = ("10.231.107.73", 8000)
VISITOR = ("10.231.158.1", 0xBE92)


def test_what_is_under_way_to_a_server_is_counted() -> None:
    assert open_connections(TCP, [BUSY]) == 2


def test_a_request_that_waits_to_be_taken_is_under_way() -> None:
    assert open_connections(TCP, [NOBODY]) == 1


def test_several_servers_are_counted_together() -> None:
    assert open_connections(TCP, {BUSY, NOBODY}) == 3
    assert open_connections(TCP, [BUSY, BUSY]) == 2
    assert open_connections(TCP, []) == 0


@pytest.mark.parametrize(
    "other",
    [
        ("10.231.107.68", 8000),  # the next address
        ("67.107.231.10", 8000),  # the bytes from the other end
        ("10.231.107.67", 8001),
        ("10.231.107.67", 0x401F),
        ("10.231.107.66", 0xE8C6),  # the edge's own end of one of them
        ("0.0.0.0", 0),  # noqa: S104  # whom a listening socket names
    ],
)
def test_nothing_else_is_counted(other: tuple[str, int]) -> None:
    assert open_connections(TCP + TCP6, [other]) == 0


def test_both_tables_may_be_given_in_any_order() -> None:
    for text in (TCP + TCP6, TCP6 + TCP, f"{TCP}\n{TCP6}"):
        assert open_connections(text, [BUSY]) == 2


def test_a_name_that_is_looked_up_is_under_way() -> None:
    assert open_connections(TCP + UDP + TCP6, [RESOLVER]) == 1
    assert open_connections(TCP + UDP + TCP6, [BUSY]) == 2
    assert open_connections(TCP + TCP6, [RESOLVER]) == 0


def test_an_ipv4_connection_of_an_ipv6_socket_is_counted() -> None:
    assert open_connections(TCP + TCP6, [VISITOR]) == 1
    assert open_connections(TCP, [VISITOR]) == 0


def test_an_ipv6_address_that_ends_in_the_same_words_is_another() -> None:
    foreign = TCP6.replace("0000000000000000FFFF0000019EE70A", "B80D01200000000000000000019EE70A")
    assert foreign != TCP6
    assert open_connections(TCP + foreign, [VISITOR]) == 0


# FIN_WAIT1 and 2, TIME_WAIT, CLOSE, CLOSE_WAIT, LAST_ACK, LISTEN, CLOSING
@pytest.mark.parametrize("state", ["04", "05", "06", "07", "08", "09", "0A", "0B"])
def test_what_is_ending_is_not_counted(state: str) -> None:
    assert open_connections(TCP.replace(":1F40 01 ", f":1F40 {state} "), [BUSY]) == 0


@pytest.mark.parametrize("text", ["", "cat: /proc/net/tcp: Permission denied\n", TCP6, "\n \n"])
def test_a_text_without_the_table_is_not_taken_for_no_connections(text: str) -> None:
    with pytest.raises(ValueError, match="no text of /proc/net/tcp"):
        open_connections(text, [BUSY])


def test_a_table_that_is_cut_off_is_read_as_far_as_it_goes() -> None:
    whole = "".join(TCP.splitlines(keepends=True)[:4])
    assert open_connections(whole + "   3: 426BE70A:E8D4 436BE70A", [BUSY]) == 1


def test_a_server_that_is_no_ipv4_address_is_refused() -> None:
    with pytest.raises(ValueError, match="web"):
        open_connections(TCP, [("web", 8000)])


def test_who_listens_is_told_without_dockers_name_server() -> None:
    everywhere = [Listener(80, loopback=False), Listener(8081, loopback=False)]
    assert list(listeners(TCP + TCP6)) == everywhere
    assert listeners(TCP) == ()


def test_who_listens_on_loopback_only_is_told_so() -> None:
    tcp = TCP.replace("0B00007F:8DD9", "0100007F:1F40")
    assert listeners(tcp) == (Listener(8000, loopback=True),)
    tcp6 = TCP6.replace(
        "00000000000000000000000000000000:0050", "00000000000000000000000001000000:0050", 1
    )
    assert Listener(80, loopback=True) in listeners(TCP + tcp6)
