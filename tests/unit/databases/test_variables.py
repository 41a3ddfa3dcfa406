"""The variables that tell a service where its database is."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from junov.config.project import Database
from junov.databases import url_values
from junov.secret import Secret

GIVEN = "p4ss"


def fill(template: str, password: str = GIVEN) -> str | Secret:
    values = url_values(
        {"X": template},
        user="notes_prod",
        password=Secret(password),
        host="db",
        port=5432,
        name="notes_prod",
    )
    return values["X"]


def test_the_default_is_a_url() -> None:
    (template,) = Database().variables.values()
    assert fill(template) == Secret("postgresql://notes_prod:p4ss@db:5432/notes_prod")


@given(st.text(st.characters(min_codepoint=33, max_codepoint=0x24F), min_size=1))
def test_any_password_comes_back_out_of_the_url(password: str) -> None:
    filled = fill("postgresql+psycopg://{user}:{password}@{host}:{port}/{name}", password)
    assert isinstance(filled, Secret)
    assert unquote(urlsplit(filled.reveal()).password or "") == password


def test_a_value_that_is_no_url_is_literal() -> None:
    assert fill("{password}", "a/b@c") == Secret("a/b@c")
    assert fill("host={host} port={port}") == "host=db port=5432"


def test_only_what_holds_the_password_is_secret() -> None:
    # Else `db` would be blotted out of every log line.
    assert fill("{host}") == "db"
    assert fill("{{password}}") == "{password}"
    assert fill("{{{password}}}") == Secret("{p4ss}")


def test_a_password_in_braces_is_not_filled_in_again() -> None:
    assert fill("{password}", "{user}") == Secret("{user}")
