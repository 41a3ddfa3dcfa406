from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError

from notes.database import SessionDep, name_of_database

router = APIRouter()


@router.get("/health")
def health(request: Request, session: SessionDep) -> JSONResponse:
    """Can this container serve? Also says who it is, so that a delivery can be checked."""
    settings = request.app.state.settings
    identity = {"environment": settings.environment, "commit": settings.commit}
    try:
        name = name_of_database(session)
    except SQLAlchemyError as error:
        problem = {"status": "unavailable", "error": type(error).__name__}
        return JSONResponse(problem | identity | {"database": None}, status_code=503)
    return JSONResponse({"status": "ok"} | identity | {"database": name})
