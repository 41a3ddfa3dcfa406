import os
import signal
import subprocess
import sys
import time
from threading import Event

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from notes import fixtures, store, worker
from notes.models import Note


def test_words_are_counted_once(session: Session) -> None:
    store.add(session, "one two\nthree")
    session.commit()

    assert worker.count_words(session) == 1
    assert session.scalar(select(Note.words)) == 3
    session.commit()
    assert worker.count_words(session) == 0


def test_two_workers_do_not_take_the_same_note(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        store.add(session, "a note")

    with sessions() as first, sessions() as second:
        assert worker.count_words(first) == 1
        assert worker.count_words(second) == 0


def test_a_worker_told_to_stop_does_nothing_more(sessions: sessionmaker[Session]) -> None:
    stop = Event()
    stop.set()

    worker.run(sessions, stop, interval=3600)


def test_sigterm_stops_it_at_once(sessions: sessionmaker[Session]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "notes.worker"],
        env=os.environ | {"WORKER_INTERVAL": "3600", "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        assert "worker started" in process.stdout.readline()
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert "worker stopped" in process.communicate(timeout=5)[0]

    assert process.returncode == 0
    assert time.monotonic() - asked < 2


def test_fixtures_can_be_loaded_again(session: Session) -> None:
    assert fixtures.load(session) == len(fixtures.FIXTURES)
    assert fixtures.load(session) == 0
    assert store.count(session) == len(fixtures.FIXTURES)
