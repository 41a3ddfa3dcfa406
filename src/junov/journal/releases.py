"""The journal's verbs for releases and their steps."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from shlex import quote

from junov.errors import NotFoundError
from junov.journal import rows
from junov.journal.environments import get, set_columns
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
        committed_at: datetime | None = None,
        debug_image: str = "",
        stack_file: Path | None = None,
        restores: int | None = None,
        at_least: int = 1,
    ) -> Release:
        """Number a new release, before anything of it is done.

        Args:
            environment: a registered environment.
            commit, image, who, subject, author, debug_image, stack_file: as for `Release`.
            committed_at: when the commit was made, with its time zone.
            restores: for a rollback, the `origin` of the release that it goes back to.
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
                "INSERT INTO releases (environment_id, number, commit_id, subject, author, "
                "committed_at, image, debug_image, stack_file, restores, who, started_at, outcome) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'running')",
                (
                    *(known.id, row[0][0], commit, subject, author),
                    *(rows.text(committed_at) if committed_at else None, image, debug_image),
                    *(str(stack_file) if stack_file else None, restores),
                    *(who, rows.text(self.now())),
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

    def set_schema_before(self, environment: Named, number: int, heads: Iterable[str]) -> None:
        """Write down what the database's migrations stand at, before a release runs its own.

        What was written first stays: it is where the release began. Where there is no such
        release, nothing is written.
        """
        with self.write() as db:
            db.execute(
                "UPDATE releases SET schema_before = ? WHERE number = ? AND schema_before = '[]' "
                "AND environment_id = "
                "(SELECT id FROM environments WHERE project = ? AND name = ?)",
                (json.dumps(list(heads)), number, environment.project, environment.name),
            )

    def set_schema_heads(self, release: Release, heads: Iterable[str]) -> Release:
        """Write down what the database's migrations stand at, once this release's have run."""
        with self.write() as db:
            db.execute(
                "UPDATE releases SET schema_heads = ? WHERE id = ?",
                (json.dumps(list(heads)), release.id),
            )
            return _release(db, release.id)

    def end_release(
        self,
        release: Release,
        outcome: Outcome,
        *,
        error: str = "",
        seconds: float | None = None,
    ) -> Release:
        """Write down how a release ended.

        A success makes its environment `running`, and the time until it expires begins again. One
        that did not run before is `stopped` by anything else.

        Args:
            release: a release that is under way.
            outcome: anything but `running`.
            error: why it failed, redacted.
            seconds: how long the delivery took by a clock that doesn't jump; None where nobody
                measured it.

        Raises:
            JournalError: it has ended already; what was written then stays.
        """
        if outcome == "running":
            raise ValueError("a release doesn't end as `running`")
        with self.write() as db:
            now = self.now()
            ended = db.execute(
                "UPDATE releases SET outcome = ?, ended_at = ?, seconds = ?, error = ? "
                "WHERE id = ? AND outcome = 'running'",
                (outcome, rows.text(now), seconds, error, release.id),
            )
            if not ended.rowcount:
                before = _release(db, release.id)
                raise JournalError(
                    f"release {before.number} has ended already: it {_ENDED[before.outcome]}",
                    remedy="look at what was done since: junov env show",
                )
            row = db.execute(
                "SELECT * FROM environments WHERE id = ?", (release.environment_id,)
            ).fetchone()
            known = rows.to_environment(row)
            if outcome == "succeeded":
                set_columns(db, known, rows.running(now, known.expires))
            elif known.status == "new":
                set_columns(db, known, rows.stopped(now))
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

    def release(self, environment: Named, number: int) -> Release:
        """One release of an environment.

        Raises:
            NotFoundError: the environment has none of that number, or the journal doesn't know it.
        """
        where = (environment.project, environment.name)
        with self.read() as db:
            row = db.execute(f"{rows.RELEASES_OF} AND number = ?3", (*where, number)).fetchone()
            if row:
                return rows.to_release(row)
            get(db, environment)
            there = [
                each["number"] for each in db.execute(f"{rows.RELEASES_OF} ORDER BY number", where)
            ]
        raise NotFoundError(
            f"{environment.name} has no release {number}; "
            + (f"there are {_spans(there)}" if there else "nothing was delivered to it yet"),
            remedy=f"see what was delivered with: junov releases {quote(environment.name)}",
        )

    def cut_short(self, environment: Named) -> list[Release]:
        """The environment's releases that nobody has ended, the oldest first.

        Whoever holds the environment's lock is the only run in it, so these runs were killed;
        without the lock, the newest may still be under way.
        """
        with self.read() as db:
            found = db.execute(
                f"{rows.RELEASES_OF} AND outcome = 'running' ORDER BY number",
                (environment.project, environment.name),
            )
            return [rows.to_release(row) for row in found]

    def delivered_since(self, environment: Named, moment: datetime) -> list[Release]:
        """The environment's releases that succeeded and ended later, the newest first.

        Args:
            environment: the environment.
            moment: with its time zone; it counts to the millisecond.
        """
        with self.read() as db:
            found = db.execute(
                f"{rows.RELEASES_OF} AND outcome = 'succeeded' AND ended_at > ?3 "
                "ORDER BY number DESC",
                (environment.project, environment.name, rows.text(moment)),
            )
            return [rows.to_release(row) for row in found]

    def stack_files_with(self, image: str) -> list[Path]:
        """The stack files of all environments' releases that run an image.

        Args:
            image: as for `Release`.

        Returns:
            Each once, in the order in which they were written down. A file may have been removed
            since; one that is still there is one that can be gone back to.
        """
        with self.read() as db:
            found = db.execute(
                "SELECT stack_file FROM releases WHERE image = ? AND stack_file IS NOT NULL "
                "GROUP BY stack_file ORDER BY min(id)",
                (image,),
            )
            return [Path(row["stack_file"]) for row in found]

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

    def step_done(self, step: Step, detail: str = "", *, seconds: float | None = None) -> Step:
        """Write down that a step has been done, what came of it, and how long it took."""
        return self._end_step(step, "done", detail, seconds)

    def step_failed(self, step: Step, detail: str, *, seconds: float | None = None) -> Step:
        """Write down that a step has failed, why, and how long it took."""
        return self._end_step(step, "failed", detail, seconds)

    def steps(self, release: Release) -> list[Step]:
        """The steps of a release, in their order."""
        with self.read() as db:
            found = db.execute(
                "SELECT * FROM steps WHERE release_id = ? ORDER BY position", (release.id,)
            )
            return [rows.to_step(row) for row in found]

    def _end_step(self, step: Step, state: StepState, detail: str, seconds: float | None) -> Step:
        with self.write() as db:
            db.execute(
                "UPDATE steps SET state = ?, ended_at = ?, seconds = ?, detail = ? WHERE id = ?",
                (state, rows.text(self.now()), seconds, detail, step.id),
            )
            return _step(db, step.id)


_ENDED: dict[Outcome, str] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "superseded": "was superseded",
    "cancelled": "was cancelled",
}


def _spans(numbers: Iterable[int]) -> str:
    """Ascending numbers in few words, such as `1-7, 9`."""
    spans: list[tuple[int, int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1] = (spans[-1][0], number)
        else:
            spans.append((number, number))
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in spans)


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
