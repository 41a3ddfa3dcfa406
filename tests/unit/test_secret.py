"""Secrets: nothing prints them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junov.secret import REDACTED, Secret, derive, redact


def test_no_way_of_printing_shows_the_value() -> None:
    secret = Secret("hunter2")
    for printed in (str(secret), repr(secret), f"{secret}", f"{secret:>20}", repr([secret])):
        assert "hunter2" not in printed
    with pytest.raises(TypeError):
        json.dumps({"password": secret})


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_scopes_have_passwords_of_their_own(one: list[str], other: list[str]) -> None:
    key = Secret("k" * 64)
    assert (derive(key, *one) == derive(key, *other)) == (one == other)


def test_another_key_gives_another_password() -> None:
    assert derive(Secret("a"), "x") != derive(Secret("b"), "x")


def test_each_line_of_a_secret_of_several_is_one_as_well() -> None:
    key = Secret("-----BEGIN KEY-----\nc2VjcmV0MQ==\n{\n  c2VjcmV0Mg==\n-----END KEY-----\n")
    for said in ("a c2VjcmV0MQ== b", "c2VjcmV0Mg=="):
        assert REDACTED in redact(said, [key])
        assert "c2Vj" not in redact(said, [key])
    assert redact("{ }", [key]) == "{ }"


def test_redact_replaces_the_longest_first_and_ignores_blanks() -> None:
    secrets = [Secret("abc"), Secret("abcdef"), Secret("")]
    assert redact("x abcdef y abc z", secrets) == f"x {REDACTED} y {REDACTED} z"
