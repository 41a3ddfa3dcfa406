"""The words that problems are told in. What is said about whole files is in `cases`."""

from __future__ import annotations

from pathlib import Path

import pytest

from junov.config.validation import describe, did_you_mean, in_file_order
from junov.errors import Place, Problem


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing"),
        (True, "the boolean true"),
        (7, "the number 7"),
        (1.5, "the number 1.5"),
        ("x", "the text `x`"),
        ({}, "keys and values"),
        ([], "a list"),
    ],
)
def test_values_in_words(value: object, words: str) -> None:
    assert describe(value) == words


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("healht", "did you mean `health`?"),
        ("Service", "did you mean `service`?"),
        ("serv", "did you mean `service`?"),
        ("colour", "known here: health, port, service"),
        ("se", "known here: health, port, service"),
    ],
)
def test_a_near_word_is_offered(word: str, said: str) -> None:
    assert did_you_mean(word, ["service", "port", "health"]) == said


def test_nothing_known_nothing_said() -> None:
    assert did_you_mean("a", []) == ""


def test_problems_are_sorted_by_their_place_and_told_once() -> None:
    file = Path("f.yaml")
    late, early = Problem("b", Place(file, 10, 2)), Problem("a", Place(file, 9, 30))
    nowhere = Problem("c")
    assert in_file_order([late, early, late, nowhere]) == [nowhere, early, late]
