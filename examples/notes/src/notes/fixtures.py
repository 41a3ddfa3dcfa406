"""A few notes to begin with. Safe to run again: what is there already is left alone.

python -m notes.fixtures
"""

import logging

from sqlalchemy import select
from sqlalchemy.orm import Session

from notes import database, logs, store
from notes.models import Note
from notes.settings import Settings

log = logging.getLogger("notes.fixtures")

FIXTURES = [
    "Milk, bread, coffee. Mostly #coffee.",
    "The deploy that nobody noticed was the best one this year. #release",
    "Ask Vera about the invoice numbers: they skip one every time the job is retried. #billing",
    "Retro on Thursday at four.\n\nBring one thing that went well, one that did not, and the"
    " smallest change that would have helped. #team",
    "This database belongs to this branch alone. Write anything, break anything: main will not"
    " see it. #release #team",
]


def load(session: Session) -> int:
    """Add the notes that are missing; returns how many those were. The caller commits."""
    present = set(session.scalars(select(Note.text).where(Note.text.in_(FIXTURES))))
    missing = [text for text in FIXTURES if text not in present]
    for text in missing:
        store.add(session, text)
    return len(missing)


def main() -> None:
    settings = Settings.from_environment()
    logs.configure(settings)
    with Session(database.connect(settings.database_url)) as session:
        added = load(session)
        session.commit()
    log.info("fixtures loaded", extra={"added": added, "of": len(FIXTURES)})


if __name__ == "__main__":
    main()
