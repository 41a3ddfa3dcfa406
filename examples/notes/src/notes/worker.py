"""The process beside web: counts the words of new notes.

python -m notes.worker
"""

import logging
import signal
from threading import Event

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from notes import database, logs, store
from notes.settings import Settings

log = logging.getLogger("notes.worker")


def main() -> None:
    settings = Settings.from_environment()
    logs.configure(settings)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run(sessionmaker(database.connect(settings.database_url)), stop, settings.worker_interval)


def run(sessions: sessionmaker[Session], stop: Event, interval: float) -> None:
    """Work until `stop` is set, looking for something to do every `interval` seconds."""
    log.info("worker started", extra={"interval": interval})
    while not stop.is_set():
        try:
            with sessions.begin() as session:
                counted = count_words(session)
        except OperationalError as error:
            # A database that is being reset or restarted comes back; so do we.
            log.warning("the database does not answer", extra={"error": type(error).__name__})
            counted = 0
        if counted:
            log.info("words counted", extra={"notes": counted})
            continue  # there may be more
        stop.wait(interval)
    log.info("worker stopped")


def count_words(session: Session) -> int:
    """Count the words of one batch of notes; returns how many notes that was."""
    notes = store.without_word_count(session)
    for note in notes:
        note.words = len(note.text.split())
    return len(notes)


if __name__ == "__main__":
    main()
