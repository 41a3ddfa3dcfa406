"""Every question the application asks its database about notes."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from notes.models import Note

PREVIEW_LENGTH = 80


def latest(session: Session, limit: int = 100, q: str = "") -> Sequence[Note]:
    """The newest notes, the newest first; with `q` those that have these words, in any case."""
    query = select(Note).order_by(Note.id.desc()).limit(limit)
    for word in q.split():
        query = query.where(Note.text.icontains(word, autoescape=True))
    return session.scalars(query).all()


def count(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(Note)) or 0


def add(session: Session, text: str) -> Note:
    """Store a note. The caller commits."""
    note = Note(text=text, preview=preview_of(text))
    session.add(note)
    session.flush()
    return note


def without_word_count(session: Session, limit: int = 50) -> Sequence[Note]:
    """Notes the worker has not seen, locked; the ones another worker holds are skipped."""
    query = select(Note).where(Note.words.is_(None)).order_by(Note.id).limit(limit)
    return session.scalars(query.with_for_update(skip_locked=True)).all()


def preview_of(text: str) -> str:
    """The text on one line, at most 80 characters. Migration 0003 does the same in SQL."""
    line = " ".join(text.split())
    return line if len(line) <= PREVIEW_LENGTH else line[: PREVIEW_LENGTH - 1].rstrip() + "…"
