"""When the edge's count of errors ends an observation."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from junov.delivery.rollout.observe import too_many_errors
from junov.edge import Answers

counts = st.integers(0, 10_000)
shares = st.floats(0, 1)


def test_many_errors_of_a_release_whose_forerunner_had_none_are_too_many() -> None:
    said = too_many_errors(Answers(total=50, failed=10), usual=0.0)
    assert said == "10 of 50 answers were 5xx, through the edge"


def test_a_few_are_not_whatever_their_share() -> None:
    assert too_many_errors(Answers(total=4, failed=4), usual=0.0) == ""


def test_a_small_share_is_not_however_many() -> None:
    assert too_many_errors(Answers(total=10_000, failed=400), usual=0.0) == ""


def test_what_was_usual_before_is_not_held_against_the_new_one() -> None:
    tenth = Answers(total=1000, failed=100)
    assert too_many_errors(tenth, usual=0.1) == ""
    assert too_many_errors(tenth, usual=0.04) != ""


@given(total=counts, failed=counts, usual=shares)
def test_more_errors_are_never_better(total: int, failed: int, usual: float) -> None:
    failed = min(failed, total)
    worse = Answers(total + 1, failed + 1)
    if too_many_errors(Answers(total, failed), usual):
        assert too_many_errors(worse, usual)
