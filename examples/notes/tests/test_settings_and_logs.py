import json
import logging

import pytest

from notes.logs import HealthyChecksAreSilent, JsonFormatter
from notes.settings import Settings, SettingsError

URL = {"DATABASE_URL": "postgresql+psycopg://notes:hunter2@db/notes"}


def access(path: str, status: int) -> logging.LogRecord:
    args = ("172.18.0.2:4711", "GET", path, "1.1", status)
    return logging.LogRecord(
        "uvicorn.access", logging.INFO, "", 0, '%s - "%s %s HTTP/%s" %d', args, None
    )


def test_a_laptop_needs_nothing_but_a_database() -> None:
    settings = Settings.from_environment(URL)

    assert (settings.environment, settings.commit, settings.release) == ("local",) * 3


def test_a_blank_database_url_is_no_database_url() -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        Settings.from_environment({"DATABASE_URL": " "})


def test_secrets_are_not_shown() -> None:
    shown = repr(Settings.from_environment(URL | {"SECRET_KEY": "s3cret"}))

    assert "hunter2" not in shown
    assert "s3cret" not in shown


def test_a_log_line_is_one_json_object() -> None:
    record = logging.makeLogRecord(
        {"name": "notes", "levelname": "INFO", "msg": "two\nlines: %s", "args": ("ж",), "note": 7}
    )

    text = JsonFormatter(environment="stage").format(record)

    assert "\n" not in text
    line = json.loads(text)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "notes",
        "message": "two\nlines: ж",
        "environment": "stage",
        "note": 7,
    }


def test_a_request_is_logged_in_fields() -> None:
    line = json.loads(JsonFormatter().format(access("/notes?limit=1", 200)))

    assert line["path"] == "/notes?limit=1"
    assert line["status"] == 200
    assert line["method"] == "GET"


@pytest.mark.parametrize(
    ("path", "status", "logged"),
    [("/health", 200, False), ("/health", 503, True), ("/notes", 200, True)],
)
def test_only_a_bad_health_is_logged(path: str, status: int, logged: bool) -> None:
    assert HealthyChecksAreSilent().filter(access(path, status)) is logged
