"""The journal's verbs for environments."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from shlex import quote
from typing import TYPE_CHECKING

from junov.errors import NotFoundError
from junov.journal import rows
from junov.journal.file import JournalFile
from junov.journal.records import EnvironmentRecord, Named, Overview, Status
from junov.journal.schema import TakenError

if TYPE_CHECKING:
    from junov.environments.environment import Environment


class EnvironmentJournal(JournalFile):
    """Which environments this server knows."""

    def register(self, environment: Environment, *, keep: int | None = None) -> EnvironmentRecord:
        """Write down that an environment is to run, and what has changed of one that is known.

        One that was stopped is `new` again until its delivery has ended. Otherwise the status of a
        known one stays as it is.

        Args:
            environment: the environment.
            keep: seconds for which its data is kept once it is stopped; without it, what is known,
                or a week.

        Raises:
            TakenError: its host, slug or another name is another environment's; nothing was
                written.
        """
        with self.write() as db:
            _refuse_taken(db, environment)
            now = self.now()
            values = rows.from_environment(environment) | {"used_at": rows.text(now)}
            if keep is not None:
                values["keep"] = keep
            known = find(db, environment.project, environment.name)
            if known:
                if known.status == "stopped":
                    values |= rows.wanted(now)
                # Where it stays the same, the time that a start has given it counts as well.
                if environment.expires != known.expires:
                    start = _expiry_starts(db, known)
                    values["expires_at"] = rows.expiry(start, environment.expires)
                set_columns(db, known, values)
            else:
                values |= {"status": "new", "created_at": rows.text(now)}
                values["expires_at"] = rows.expiry(now, environment.expires)
                db.execute(
                    f"INSERT INTO environments ({', '.join(values)}) "  # noqa: S608
                    f"VALUES ({', '.join(f':{column}' for column in values)})",
                    values,
                )
            return get(db, environment)

    def environments(self, project: str | None = None) -> list[EnvironmentRecord]:
        """The environments of a project, or of the whole server, by project and name."""
        with self.read() as db:
            found = db.execute(
                "SELECT * FROM environments WHERE ?1 IS NULL OR project = ?1 "
                "ORDER BY project, name",
                (project,),
            )
            return [rows.to_environment(row) for row in found]

    def environment(self, project: str | None, name: str) -> EnvironmentRecord:
        """One environment.

        Args:
            project: its project; where it isn't known, the name has to be one project's alone.
            name: its name.

        Raises:
            NotFoundError: the journal doesn't know it, or knows several of that name.
        """
        found = [each for each in self.environments(project) if each.name == name]
        if not found:
            raise _unknown(project, name)
        if len(found) > 1:
            projects = ", ".join(each.project for each in found)
            raise NotFoundError(
                f"several projects have an environment {name}: {projects}",
                remedy="say which: --project NAME",
            )
        return found[0]

    def overview(self, project: str | None = None) -> list[Overview]:
        """Every environment with its last and its live release, in one query."""
        with self.read() as db:
            return [rows.to_overview(row) for row in db.execute(rows.OVERVIEW, (project,))]

    def refuse_taken(self, environment: Environment) -> None:
        """Refuse an environment that could not be registered.

        Raises:
            TakenError: as `register`.
        """
        with self.read() as db:
            _refuse_taken(db, environment)

    def set_status(self, environment: Named, status: Status) -> EnvironmentRecord:
        """Write down what was done with an environment.

        The time until it expires begins anew where it runs again. One that is stopped has been so
        since it was stopped first.

        Raises:
            NotFoundError: the journal doesn't know it.
        """
        with self.write() as db:
            known, now = get(db, environment), self.now()
            if status == "running":
                values = rows.running(now, known.expires)
            elif status == "stopped":
                values = rows.stopped(known.stopped_at or now)
            elif status == "new":
                values = rows.wanted(now)
            else:
                values = {"status": status}
            set_columns(db, known, values)
            return get(db, environment)

    def forget(self, environment: Named) -> bool:
        """Remove an environment with its releases and their steps; its events stay.

        Returns:
            Whether the journal knew it.
        """
        with self.write() as db:
            gone = db.execute(
                "DELETE FROM environments WHERE project = ? AND name = ?",
                (environment.project, environment.name),
            )
            return gone.rowcount > 0


def find(db: sqlite3.Connection, project: str, name: str) -> EnvironmentRecord | None:
    """The record of an environment, or None where the journal doesn't know it."""
    row = db.execute(
        "SELECT * FROM environments WHERE project = ? AND name = ?",
        (project, name),
    ).fetchone()
    return rows.to_environment(row) if row else None


def get(db: sqlite3.Connection, environment: Named) -> EnvironmentRecord:
    """The record of an environment.

    Raises:
        NotFoundError: the journal doesn't know it.
    """
    found = find(db, environment.project, environment.name)
    if found is None:
        raise _unknown(environment.project, environment.name)
    return found


def set_columns(
    db: sqlite3.Connection, known: EnvironmentRecord, values: Mapping[str, rows.Value]
) -> None:
    """Write columns of an environment's row, by their names."""
    changes = ", ".join(f"{column} = :{column}" for column in values)
    db.execute(
        f"UPDATE environments SET {changes} WHERE id = :id",  # noqa: S608
        {**values, "id": known.id},
    )


def _refuse_taken(db: sqlite3.Connection, environment: Environment) -> None:
    for what, column, value, within in rows.unique_names(environment):
        owner = db.execute(
            f"SELECT project, name FROM environments WHERE {column} = ?1 "  # noqa: S608
            "AND (?2 IS NULL OR project = ?2) AND NOT (project = ?3 AND name = ?4)",
            (value, within, environment.project, environment.name),
        ).fetchone()
        if owner:
            raise TakenError(
                f"the {what} {value} belongs to environment {owner['name']} of project "
                f"{owner['project']}; nothing was changed",
                remedy="give this environment another name or `host` in junov.yaml, or remove "
                f"the other with: junov env rm {quote(owner['name'])} (in {owner['project']})",
            )


def _expiry_starts(db: sqlite3.Connection, known: EnvironmentRecord) -> datetime:
    """When its time began to run: at the last delivery, else when it was made."""
    row = db.execute(
        "SELECT max(ended_at) AS at FROM releases WHERE environment_id = ? "
        "AND outcome = 'succeeded'",
        (known.id,),
    ).fetchone()
    return rows.moment(row["at"]) or known.created_at


def _unknown(project: str | None, name: str) -> NotFoundError:
    of = f" of project {project}" if project else ""
    return NotFoundError(
        f"the journal knows no environment {name}{of}",
        remedy="see those of this server with: junov env ls",
    )
