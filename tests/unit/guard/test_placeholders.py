"""Which variables hold secrets, and which values are none."""

from __future__ import annotations

import secrets
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junov.secret import Secret, derive
from junov.stacks.guard.placeholders import (
    is_placeholder,
    is_secret_name,
    why_placeholder,
    without_passwords,
)


@pytest.mark.parametrize(
    "name",
    ["SECRET_KEY", "DB_PASSWORD", "API_TOKEN", "token", "AWS_SECRET_ACCESS_KEY", "STRIPE_API_KEY",
     "JWT_SECRET", "SMTP_PASS", "APIKEY", "PRIVATE_KEY", "PASSWORD_SALT", "SECRET_KEY_BASE"],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["TOKEN_TTL", "PASSWORD_MIN_LENGTH", "SECRET_FILE", "SORT_KEY", "KEYBOARD", "COMPASS",
     "ACCESS_TOKEN_EXPIRE_MINUTES", "BYPASS", "TOKENIZER", "PUBLIC_KEY"],
)  # fmt: skip
def test_names_of_other_things(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "value",
    ["changeme", "change-me", "CHANGE_THIS", "secret", "password", "Password123", "example", "xxx",
     "xxxxxxxx", "todo", "TODO: fill in", "<your-key>", "dummy", "test", "test1234", "testing-key",
     "your-secret-key", "not-so-secret", "12345678", "aaaaaaaaaa", "...", "{{ vault }}",
     "only-for-tests", "only-for-this-laptop", "django-insecure-x8f9", "please-change-me-now"],
)  # fmt: skip
def test_placeholders(value: str) -> None:
    assert is_placeholder(value)


@pytest.mark.parametrize(
    "value",
    ["9f8b2c7e1a4d6053", "correct horse battery staple", "hunter2!", "Tr0ub4dor&3",
     "sk_live_4eC39HqLyjWDarjtT1zdp7dc", "-----BEGIN PRIVATE KEY-----", "eyJhbGciOi.eyJz.dBjft"],
)  # fmt: skip
def test_secrets_are_no_placeholders(value: str) -> None:
    assert not is_placeholder(value)


@given(st.integers())
def test_what_junov_derives_is_no_placeholder(scope: int) -> None:
    assert not is_placeholder(derive(Secret("key"), str(scope)).reveal())


def test_what_generators_make_is_no_placeholder() -> None:
    alphabet = string.ascii_letters + string.digits
    for _ in range(500):
        assert not is_placeholder(secrets.token_urlsafe(12))
        assert not is_placeholder("".join(secrets.choice(alphabet) for _ in range(10)))


@given(st.text(max_size=200))
def test_any_text_is_judged_quickly_and_never_repeated(value: str) -> None:
    why = why_placeholder("SECRET_KEY", value)
    assert why in ("", "looks like a placeholder", "has fewer than 8 characters") or "URL" in why


def test_long_texts_of_placeholder_words_take_no_time() -> None:
    assert not is_placeholder("test-" * 5000 + "?x")
    assert not is_placeholder("inthe" * 12 + "Q~x")


def test_passwords_of_urls_are_covered() -> None:
    assert without_passwords("a postgres://u:pw@h/d b") == "a postgres://u:•••@h/d b"
    assert without_passwords("http://host:80/") == "http://host:80/"
