"""The suite runs against a real Postgres, named by DATABASE_URL, and empties it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from fastapi.testclient import TestClient
from sqlalchemy import Engine, make_url, text
from sqlalchemy.orm import Session, sessionmaker

from notes import database
from notes.settings import Settings
from notes.web import create_app

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def settings() -> Settings:
    settings = Settings.from_environment()
    name = make_url(settings.database_url).database or ""
    if "test" not in name:
        pytest.exit(f"refused: the tests would empty {name!r}; its name has no 'test' in it", 2)
    return settings


@pytest.fixture(scope="session")
def alembic() -> Config:
    return Config(ROOT / "alembic.ini", attributes={"keep_logging": True})


@pytest.fixture(scope="session")
def engine(settings: Settings, alembic: Config) -> Iterator[Engine]:
    """An empty database, migrated to the head."""
    engine = database.connect(settings.database_url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    command.upgrade(alembic, "head")
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE notes RESTART IDENTITY CASCADE"))
    return sessionmaker(engine)


@pytest.fixture
def session(sessions: sessionmaker[Session]) -> Iterator[Session]:
    with sessions() as session:
        yield session


@pytest.fixture
def client(settings: Settings, sessions: sessionmaker[Session]) -> Iterator[TestClient]:
    with TestClient(create_app(settings)) as client:
        yield client
