from typing import Annotated

from fastapi import APIRouter, Query

from notes import store
from notes.database import SessionDep
from notes.models import Note
from notes.schemas import NewNote, NoteOut

router = APIRouter(prefix="/notes")

Limit = Annotated[int, Query(ge=1, le=500)]
Words = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]


@router.get("", response_model=list[NoteOut])
def latest(session: SessionDep, limit: Limit = 100, q: Words = "") -> list[Note]:
    return list(store.latest(session, limit, q))


@router.post("", response_model=NoteOut, status_code=201)
def add(session: SessionDep, new: NewNote) -> Note:
    note = store.add(session, new.text)
    session.commit()
    return note
