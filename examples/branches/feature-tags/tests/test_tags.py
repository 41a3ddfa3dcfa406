import pytest
from alembic import command
from alembic.config import Config
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from notes.tags import tags_in

CASES = [
    ("no tag at all", []),
    ("#one", ["one"]),
    ("#Two and #two and #TWO", ["two"]),
    ("#b_2 #a, #c! # alone", ["a", "b_2", "c"]),
    ("#кофе", ["кофе"]),
]


@pytest.mark.parametrize(("written", "tags"), CASES)
def test_tags_are_found_in_the_text(written: str, tags: list[str]) -> None:
    assert tags_in(written) == tags


def test_a_new_note_has_its_tags(client: TestClient) -> None:
    note = client.post("/notes", json={"text": "Mostly #coffee"}).json()

    assert note["tags"] == ["coffee"]
    assert '<span class="tag">coffee</span>' in client.get("/").text


@pytest.mark.usefixtures("sessions")
def test_older_notes_get_the_tags_the_application_would_find(
    alembic: Config, engine: Engine
) -> None:
    command.downgrade(alembic, "0004")
    with engine.begin() as connection:
        insert = text("INSERT INTO notes (text) VALUES (:text)")
        connection.execute(insert, [{"text": written} for written, _ in CASES])

    command.upgrade(alembic, "head")

    with engine.connect() as connection:
        found = connection.execute(text("SELECT tags FROM notes ORDER BY id")).scalars()
        assert list(found) == [tags for _, tags in CASES]
