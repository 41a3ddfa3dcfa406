import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from notes.store import preview_of

TEXTS = ["short", "two\n\n  lines\tand a tab", "word " * 40, "x" * 80, "x" * 81]


def test_there_is_one_head(alembic: Config) -> None:
    assert len(ScriptDirectory.from_config(alembic).get_heads()) == 1


def test_the_models_need_no_further_migration(alembic: Config, engine: Engine) -> None:
    command.check(alembic)


@pytest.mark.usefixtures("sessions")
def test_all_the_way_down_and_up_again(alembic: Config, engine: Engine) -> None:
    command.downgrade(alembic, "base")
    with engine.connect() as connection:
        tables = connection.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        )
        assert set(tables.scalars()) == {"alembic_version"}
    command.upgrade(alembic, "head")


@pytest.mark.usefixtures("sessions")
def test_older_notes_get_the_preview_the_application_would_write(
    alembic: Config, engine: Engine
) -> None:
    command.downgrade(alembic, "0002")
    with engine.begin() as connection:
        insert = text("INSERT INTO notes (text) VALUES (:text)")
        connection.execute(insert, [{"text": each} for each in TEXTS])

    command.upgrade(alembic, "head")

    with engine.connect() as connection:
        previews = connection.execute(text("SELECT preview FROM notes ORDER BY id")).scalars()
        assert list(previews) == [preview_of(each) for each in TEXTS]
