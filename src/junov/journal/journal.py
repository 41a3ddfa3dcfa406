"""The journal, with all of its verbs."""

from __future__ import annotations

from junov.journal import rows
from junov.journal.environments import EnvironmentJournal
from junov.journal.records import Event, Named
from junov.journal.releases import ReleaseJournal


class Journal(EnvironmentJournal, ReleaseJournal):
    """The journal in a file, which is made at first use with mode 0600.

    Every method opens the file if need be, and each write is one transaction, on disk when the
    method returns. Several processes may use the same file, and several threads the same instance;
    an instance must not be used on both sides of a fork.

    The journal takes no `Secret`: SQLite refuses a value of that type. Text for `detail` and
    `error` has to be redacted by whoever hands it in.

    Args:
        path: the file.
        now: the clock; tests hand in their own.

    Every method raises JournalError where the file is damaged or a newer junov's, LockedError
    where other runs have been writing for 10 s, and UnavailableError where it can't be written.
    """

    def event(
        self, what: str, *, who: str, environment: Named | None = None, detail: str = ""
    ) -> Event:
        """Write down something that happened beside the releases.

        Args:
            what: what happened, in a word or two.
            who: the user or the CI job that did it.
            environment: where; None for the whole server. It need not be registered.
            detail: more about it, redacted.
        """
        where = (environment.project, environment.name) if environment else ("", "")
        with self.write() as db:
            made = db.execute(
                "INSERT INTO events (at, project, environment, what, who, detail) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (rows.text(self.now()), *where, what, who, detail),
            )
            row = db.execute("SELECT * FROM events WHERE id = ?", (made.lastrowid,)).fetchone()
        return rows.to_event(row)

    def events(self, environment: Named | None = None, limit: int = 50) -> list[Event]:
        """What happened in an environment, or everywhere; the newest first, at most `limit`."""
        where = (environment.project, environment.name) if environment else (None, None)
        with self.read() as db:
            found = db.execute(
                "SELECT * FROM events WHERE ?1 IS NULL OR (project = ?1 AND environment = ?2) "
                "ORDER BY id DESC LIMIT ?3",
                (*where, limit),
            )
            return [rows.to_event(row) for row in found]
