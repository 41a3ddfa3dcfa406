from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader
from pydantic import ValidationError

from notes import flash, store
from notes.database import SessionDep, name_of_database
from notes.routes.notes import Words
from notes.schemas import NewNote

router = APIRouter(include_in_schema=False)
templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)


@router.get("/")
def show(request: Request, session: SessionDep, q: Words = "") -> HTMLResponse:
    settings = request.app.state.settings
    sealed = request.cookies.get(flash.COOKIE)
    page = templates.get_template("page.html").render(
        settings=settings,
        database=name_of_database(session),
        notes=store.latest(session, limit=50, q=q),
        q=q,
        total=store.count(session),
        flash=flash.unseal(sealed, settings.secret_key) if sealed else None,
    )
    response = HTMLResponse(page, headers={"Cache-Control": "no-store"})
    if sealed:
        response.delete_cookie(flash.COOKIE)
    return response


async def text_of_form(request: Request) -> str:
    fields = parse_qs((await request.body()).decode(errors="replace"))
    return fields.get("text", [""])[0].replace("\r\n", "\n")


@router.post("/")
def write(
    request: Request, session: SessionDep, text: Annotated[str, Depends(text_of_form)]
) -> RedirectResponse:
    """The page's form. It works without JavaScript."""
    try:
        store.add(session, NewNote(text=text).text)
        session.commit()
        message = "Written down."
    except ValidationError:
        message = "A note is 1 to 2000 characters long."
    response = RedirectResponse("/", status_code=303)
    sealed = flash.seal(message, request.app.state.settings.secret_key)
    response.set_cookie(flash.COOKIE, sealed, max_age=60, httponly=True, samesite="lax")
    return response
