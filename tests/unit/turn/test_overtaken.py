"""A turn in an environment: a deploy that a newer commit has overtaken while it waited ends."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest

from junov.delivery.turn import turn
from junov.git import Commitish
from junov.journal import Outcome, Release
from junov.site import Site
from tests.unit.turn.runs import LOCK, NOON, PROD, commit, left, steps, taken

NEWER, MINE, OLDER = commit(6), commit(5), commit(4)
SUPERSEDED = "my deploy is superseded by 99999999, which anna delivered meanwhile as release 1"


def begun(
    site: Site,
    about: Commitish,
    *,
    timed: bool = True,
    dirty: bool = False,
    restores: int | None = None,
) -> Release:
    return site.journal.begin_release(
        PROD,
        commit=about.commit + ("-dirty" if dirty else ""),
        committed_at=about.committed_at if timed else None,
        image="127.0.0.1:5010/notes@sha256:" + "a" * 64,
        who="anna",
        restores=restores,
    )


@pytest.mark.parametrize(
    ("holder", "about", "outcome", "ending"),
    [
        (NEWER, {}, "succeeded", SUPERSEDED),
        (NEWER, {}, "failed", "it ran"),
        (NEWER, {"restores": 1}, "succeeded", "it ran"),
        (NEWER, {"timed": False}, "succeeded", "it ran"),
        (OLDER, {}, "succeeded", "it ran"),
        (MINE, {}, "succeeded", "it ran"),
        (MINE, {"dirty": True}, "succeeded", "it ran"),
        (commit(5, "f"), {}, "succeeded", SUPERSEDED.replace("99999999", "ffffffff")),
    ],
    ids=[
        "newer",
        "newer, but failed",
        "newer, but a rollback",
        "of an unknown time",
        "older",
        "the same",
        "the same with changes",
        "another of the same second",
    ],
)
def test_a_deploy_that_was_overtaken_while_it_waited_gives_way(
    site: Site, holder: Commitish, about: dict[str, Any], outcome: Outcome, ending: str
) -> None:
    with ExitStack() as holding:
        holding.enter_context(turn(site, PROD, purpose="deploy", steps=steps(), commit=holder))
        release = begun(site, holder, **about)

        def meanwhile() -> None:
            site.journal.end_release(release, outcome)
            holding.close()

        assert taken(site, MINE, meanwhile) == ending
    assert left(site) == {LOCK}


def test_a_clock_that_is_set_back_hides_no_delivery(site: Site) -> None:
    site.journal.end_release(begun(site, OLDER), "succeeded")
    with ExitStack() as holding:
        holding.enter_context(turn(site, PROD, purpose="deploy", steps=steps(), commit=NEWER))

        def meanwhile() -> None:
            site.journal.now = lambda: NOON - timedelta(days=9999)
            site.journal.end_release(begun(site, NEWER), "succeeded")
            holding.close()

        assert taken(site, MINE, meanwhile) == SUPERSEDED.replace("release 1", "release 2")


def test_what_was_delivered_before_it_began_to_wait_supersedes_nobody(site: Site) -> None:
    site.journal.end_release(begun(site, NEWER), "succeeded")
    with ExitStack() as holding:
        holding.enter_context(turn(site, PROD, purpose="rollback to 3", steps=steps()))
        assert taken(site, MINE, holding.close) == "it ran"


def test_an_older_commit_that_need_not_wait_is_deployed(site: Site) -> None:
    site.journal.end_release(begun(site, NEWER), "succeeded")
    with turn(site, PROD, purpose="deploy", steps=steps(), commit=MINE):
        pass
