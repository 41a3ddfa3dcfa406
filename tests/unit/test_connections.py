"""What the doctor says of Postgres's connections."""

from __future__ import annotations

from junov.databases.budget import ConnectionBudget, ConnectionHolder
from junov.server.doctor import judge_connections


def budget(*holders: tuple[str, int, int], most: int = 103) -> ConnectionBudget:
    """A budget of 100 connections, unless said otherwise.

    Args:
        holders: name, limit and how many it holds, of each.
        most: how many there are, the three that are reserved among them.
    """
    return ConnectionBudget(most, 3, tuple(ConnectionHolder(*each) for each in holders))


def test_enough_is_told_in_two_numbers() -> None:
    found = judge_connections(budget(("shop/prod", 60, 50), ("shop/stage", 40, 29)))
    assert (found.verdict, found.remedy) == ("ok", "")
    assert found.message == (
        "79 of the 100 connections of Postgres are in use; the limits of all environments add up "
        "to 100"
    )


def test_from_four_fifths_of_use_on_those_that_hold_the_most_are_named() -> None:
    found = judge_connections(
        budget(("a/prod", 20, 19), ("b/prod", 20, 20), ("c/prod", 40, 39), ("d/prod", 2, 2))
    )
    assert found.verdict == "warning"
    assert found.message == (
        "80 of the 100 connections of Postgres are in use, most of them by c/prod (39), b/prod "
        "(20), a/prod (19)"
    )
    assert "junov db ls" in found.remedy
    assert "raise `postgres.connections` in server.yaml from 103 to 206" in found.remedy


def test_limits_that_add_up_to_too_much_are_told_with_what_would_be_enough() -> None:
    found = judge_connections(budget(("shop/prod", 60, 1), ("shop/stage", 41, 0)))
    assert found.verdict == "warning"
    assert found.message == (
        "the limits of all environments add up to 101, 1 more than there are; the largest: "
        "shop/prod (60), shop/stage (41)"
    )
    assert "lower `database.connections`" in found.remedy
    assert "from 103 to 104" in found.remedy


def test_both_are_told_at_once() -> None:
    found = judge_connections(budget(("shop/prod", 90, 85), ("shop/stage", 90, 0)))
    assert found.message.startswith("85 of the 100 connections of Postgres are in use")
    assert found.message.endswith("80 more than there are; the largest: shop/prod (90), "
                                  "shop/stage (90)")  # fmt: skip
    assert "from 103 to 183" in found.remedy


def test_an_empty_server_is_well() -> None:
    assert judge_connections(budget()).verdict == "ok"
