"""The web application."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import sessionmaker

from notes import database, logs
from notes.routes import health, notes, page, wait
from notes.settings import Settings, SettingsError

log = logging.getLogger(__name__)


def from_environment() -> FastAPI:
    """What uvicorn starts."""
    settings = Settings.from_environment()
    logs.configure(settings)
    return create_app(settings)


def create_app(settings: Settings) -> FastAPI:
    if not settings.secret_key:
        raise SettingsError("SECRET_KEY is not set: it signs the page's cookies")
    engine = database.connect(settings.database_url)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        log.info("web started", extra={"url": settings.url})
        yield
        engine.dispose()
        log.info("web stopped")

    # No /docs: FastAPI's page loads its scripts from elsewhere. The schema is at /openapi.json.
    app = FastAPI(title=settings.page_title, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.settings = settings
    app.state.sessions = sessionmaker(engine)
    for routes in (page, health, notes, wait):
        app.include_router(routes.router)
    app.add_exception_handler(OperationalError, database_is_away)
    app.add_exception_handler(PoolTimeout, database_is_away)
    app.add_exception_handler(RequestValidationError, not_acceptable)
    return app


def database_is_away(_: Request, error: Exception) -> JSONResponse:
    log.warning("the database does not answer", extra={"error": type(error).__name__})
    return JSONResponse(
        {"detail": "The database does not answer. Try again in a few seconds."},
        status_code=503,
        headers={"Retry-After": "5"},
    )


def not_acceptable(_: Request, error: Exception) -> JSONResponse:
    """Say what is wrong and where, without sending the whole text back."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    detail = [{"where": list(e["loc"]), "what": e["msg"]} for e in error.errors()]
    return JSONResponse({"detail": detail}, status_code=422)
