"""A Postgres that isn't there, and what it costs to import this package."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from junov.databases import Address, Postgres, Stamp
from junov.errors import UnavailableError
from junov.secret import Secret

PASSWORD = "hunter2hunter2"


def nobody_there() -> Address:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return Address("127.0.0.1", port, "postgres", Secret(PASSWORD))


def test_no_answer_is_an_error_with_a_remedy() -> None:
    address = nobody_there()
    with pytest.raises(UnavailableError) as error:
        Postgres(address).ping()
    assert str(address) in error.value.message
    assert "refused" in error.value.message
    assert "\n" not in error.value.message
    assert "junov server up" in error.value.remedy
    assert "junov server doctor" in error.value.remedy
    assert PASSWORD not in f"{error.value!r} {address!r} {error.value.__cause__!r}"


@pytest.mark.parametrize("name", ["", "x" * 64, "x" * 57, "ж" * 32, "a\x00b"])
def test_a_name_that_postgres_would_cut_short_is_refused_first(name: str) -> None:
    stamp = Stamp("junov", "notes", "prod", datetime.now(UTC))
    with pytest.raises(ValueError, match="not a name for Postgres"):
        Postgres(nobody_there()).ensure(
            database=name, role="r", password=Secret(PASSWORD), connections=5, stamp=stamp
        )


def test_the_driver_is_not_imported_before_it_is_needed() -> None:
    code = "import junov.databases, sys; print([m for m in sys.modules if 'psycopg' in m])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert shown.stdout.strip() == "[]"
