"""The connection to Postgres."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session, sessionmaker


def connect(url: str) -> Engine:
    """An engine for the database behind `url`. Nothing is connected yet.

    The pool is small because the role's connections are limited and, during a delivery, the old
    and the new release share them. It looks before it lends a connection (`pre_ping`), so the
    application survives a database that was reset or restarted under it.
    """
    return create_engine(
        url,
        pool_size=5,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 3, "application_name": "notes"},
    )


def name_of_database(session: Session) -> str:
    """Which database answers: asked from Postgres, not read from our own settings."""
    return session.execute(text("SELECT current_database()")).scalar_one()


def one_session(request: Request) -> Iterator[Session]:
    sessions: sessionmaker[Session] = request.app.state.sessions
    with sessions() as session:
        yield session


SessionDep = Annotated[Session, Depends(one_session)]
