"""The journal's verbs for releases and their steps."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from junov.errors import NotFoundError
from junov.journal import rows
from junov.journal.environments import get
from junov.journal.file import JournalFile
from junov.journal.records import Named, Outcome, Release, Step, StepState
from junov.journal.schema import JournalError


class ReleaseJournal(JournalFile):
    """What was delivered, step by step."""

    def begin_release(
        self,
        environment: Named,
        *,
        commit: str,
        image: str,
        who: str,
        subject: str = "",
        author: str = "",
        debug_image: str = "",
        stack_file: Path | None = None,
        at_least: int = 1,
    ) -> Release:
        """Number a new release, before anything of it is done.

        Args:
            environment: a registered environment.
            commit, image, who, subject, author, debug_image, stack_file: as for `Release`.
            at_least: the least number it may get, where lower ones are known to be taken although
                the journal has lost them.

        Raises:
            NotFoundError: the journal doesn't know the environment.
        """
        with self.write() as db:
            known = get(db, environment)
            row = db.execute(
                "UPDATE environments SET last_number = max(last_number + 1, ?) WHERE id = ? "
                "RETURNING last_number",
                (at_least, known.id),
            ).fetchall()
            made = db.execute(
                "INSERT INTO releases (environment_id, number, commit_id, subject, author, image, "
                "debug_image, stack_file, who, started_at, outcome) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'running')",
                (
                    *(known.id, row[0][0], commit, subject, author, image, debug_image),
                    *(str(stack_file) if stack_file else None, who, rows.text(self.now())),
                ),
            )
            return _release(db, made.lastrowid)

    def set_stack_file(self, release: Release, stack_file: Path) -> Release:
        """Write down where the release's resolved stack is, once its folder is known."""
        with self.write() as db:
            db.execute(
                "UPDATE releases SET stack_file = ? WHERE id = ?", (str(stack_file), release.id)
            )
            return _release(db, release.id)

    def end_release(self, release: Release, outcome: Outcome, *, error: str = "") -> Release:
        """Write down how a release ended.

        A success makes its environment `running`, and the time until it expires begins again.

        Args:
            release: a release that is under way.
            outcome: anything but `running`.
            error: why it failed, redacted.

        Raises:
            JournalError: it has ended already; what was written then stays.
        """
        if outcome == "running":
            raise ValueError("a release doesn't end as `running`")
        with self.write() as db:
            now = self.now()
            ended = db.execute(
                "UPDATE releases SET outcome = ?, ended_at = ?, error = ? "
                "WHERE id = ? AND outcome = 'running'",
                (outcome, rows.text(now), error, release.id),
            )
            if not ended.rowcount:
                before = _release(db, release.id)
                raise JournalError(
                    f"release {before.number} has ended already: it {_ENDED[before.outcome]}",
                    remedy="look at what was done since: junov env show",
                )
            if outcome == "succeeded":
                row = db.execute(
                    "SELECT expires FROM environments WHERE id = ?", (release.environment_id,)
                ).fetchone()
                db.execute(
                    "UPDATE environments SET status = 'running', expires_at = ? WHERE id = ?",
                    (rows.expiry(now, row["expires"]), release.environment_id),
                )
            return _release(db, release.id)

    def releases(self, environment: Named, limit: int = 20) -> list[Release]:
        """The environment's releases, the newest first, at most `limit`."""
        with self.read() as db:
            found = db.execute(
                f"{rows.RELEASES_OF} ORDER BY number DESC LIMIT ?3",
                (environment.project, environment.name, limit),
            )
            return [rows.to_release(row) for row in found]

    def last_release(self, environment: Named, outcome: Outcome | None = None) -> Release | None:
        """The environment's last release, of all or of one outcome; None where there is none."""
        with self.read() as db:
            row = db.execute(
                f"{rows.RELEASES_OF} AND (?3 IS NULL OR outcome = ?3) ORDER BY number DESC LIMIT 1",
                (environment.project, environment.name, outcome),
            ).fetchone()
        return rows.to_release(row) if row else None

    def step_started(self, release: Release, name: str) -> Step:
        """Write down that a step of a release begins, before it does."""
        with self.write() as db:
            _release(db, release.id)
            made = db.execute(
                "INSERT INTO steps (release_id, position, name, state, started_at) VALUES (?1, "
                "(SELECT coalesce(max(position), 0) + 1 FROM steps WHERE release_id = ?1), ?2, "
                "'started', ?3)",
                (release.id, name, rows.text(self.now())),
            )
            return _step(db, made.lastrowid)

    def step_done(self, step: Step, detail: str = "") -> Step:
        """Write down that a step has been done, and what came of it."""
        return self._end_step(step, "done", detail)

    def step_failed(self, step: Step, detail: str) -> Step:
        """Write down that a step has failed, and why."""
        return self._end_step(step, "failed", detail)

    def steps(self, release: Release) -> list[Step]:
        """The steps of a release, in their order."""
        with self.read() as db:
            found = db.execute(
                "SELECT * FROM steps WHERE release_id = ? ORDER BY position", (release.id,)
            )
            return [rows.to_step(row) for row in found]

    def _end_step(self, step: Step, state: StepState, detail: str) -> Step:
        with self.write() as db:
            db.execute(
                "UPDATE steps SET state = ?, ended_at = ?, detail = ? WHERE id = ?",
                (state, rows.text(self.now()), detail, step.id),
            )
            return _step(db, step.id)


_ENDED: dict[Outcome, str] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "superseded": "was superseded",
    "cancelled": "was cancelled",
}


def _release(db: sqlite3.Connection, number: int | None) -> Release:
    row = db.execute("SELECT * FROM releases WHERE id = ?", (number,)).fetchone()
    if row is None:
        raise _gone("release")
    return rows.to_release(row)


def _step(db: sqlite3.Connection, number: int | None) -> Step:
    row = db.execute("SELECT * FROM steps WHERE id = ?", (number,)).fetchone()
    if row is None:
        raise _gone("step")
    return rows.to_step(row)


def _gone(what: str) -> NotFoundError:
    return NotFoundError(
        f"the journal no longer has this {what}; its environment was removed meanwhile",
        remedy="deploy again if it is still wanted",
    )
