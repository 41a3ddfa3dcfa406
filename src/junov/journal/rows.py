"""Between the journal's rows and its records."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from junov.journal.records import EnvironmentRecord, Event, Overview, Release, Step

if TYPE_CHECKING:
    from junov.environments.environment import Environment

Value = str | int | None

# `database` and `commit` are words of SQL's.
_COLUMNS = {"database": "database_name", "commit": "commit_id"}


def text(moment: datetime) -> str:
    """A moment as it is stored: UTC, ISO 8601, milliseconds, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def moment(stored: str | None) -> datetime | None:
    """A stored moment, with its time zone."""
    return datetime.fromisoformat(stored) if stored else None


def expiry(start: datetime, seconds: int | None) -> str | None:
    """The stored moment at which the time of an environment is up."""
    return text(start + timedelta(seconds=seconds)) if seconds is not None else None


def wanted(now: datetime) -> dict[str, Value]:
    """The columns of an environment that is to run again."""
    return {"status": "new", "used_at": text(now), "stopped_at": None}


def running(now: datetime, expires: int | None) -> dict[str, Value]:
    """The columns of an environment that runs from now on."""
    return {
        "status": "running",
        "used_at": text(now),
        "expires_at": expiry(now, expires),
        "stopped_at": None,
    }


def stopped(since: datetime) -> dict[str, Value]:
    """The columns of an environment of which nothing has run since a moment."""
    return {"status": "stopped", "stopped_at": text(since)}


def from_environment(environment: Environment) -> dict[str, Value]:
    """The columns that come from an environment, by their names."""
    identity = environment.identity
    return {
        "project": identity.project,
        "name": identity.name,
        "kind": environment.kind,
        "tier": environment.tier,
        "ref_type": environment.ref.type,
        "ref_name": environment.ref.name,
        "slug": identity.slug,
        "label": identity.label,
        "host": environment.host,
        "database_name": identity.database,
        "network": identity.network,
        "stack": identity.stack,
        "image_tag": environment.image_tag,
        "expires": environment.expires,
    }


def unique_names(environment: Environment) -> list[tuple[str, str, str, str | None]]:
    """What no two environments may share.

    Returns:
        What it is called, its column, its value, and the project within which it is unique; None
        where that is the whole server. Two projects may each have a `prod`.
    """
    identity = environment.identity
    return [
        ("host", "host", environment.host, None),
        ("slug", "slug", identity.slug, identity.project),
        ("label", "label", identity.label, identity.project),
        ("database", "database_name", identity.database, None),
        ("network", "network", identity.network, None),
        ("stack", "stack", identity.stack, None),
    ]


def to_environment(row: sqlite3.Row) -> EnvironmentRecord:
    """The record of a row of `environments`."""
    values = _values(row, EnvironmentRecord)
    for column in ("created_at", "used_at", "expires_at", "stopped_at"):
        values[column] = moment(values[column])
    return EnvironmentRecord(**values)


def to_release(row: sqlite3.Row, prefix: str = "") -> Release:
    """The record of a row of `releases`, whose columns may have a prefix."""
    values = _timed(_values(row, Release, prefix))
    values["committed_at"] = moment(values["committed_at"])
    values["stack_file"] = Path(values["stack_file"]) if values["stack_file"] else None
    values["schema_before"] = tuple(json.loads(values["schema_before"]))
    values["schema_heads"] = tuple(json.loads(values["schema_heads"]))
    return Release(**values)


def to_step(row: sqlite3.Row) -> Step:
    """The record of a row of `steps`."""
    return Step(**_timed(_values(row, Step)))


def to_event(row: sqlite3.Row) -> Event:
    """The record of a row of `events`."""
    values = _values(row, Event)
    values["at"] = moment(values["at"])
    return Event(**values)


def to_overview(row: sqlite3.Row) -> Overview:
    """The record of a row of `OVERVIEW`."""
    last, live = (
        to_release(row, prefix) if row[f"{prefix}id"] is not None else None
        for prefix in ("last_", "live_")
    )
    return Overview(to_environment(row), last, live)


def _values(row: sqlite3.Row, record: type[Any], prefix: str = "") -> dict[str, Any]:
    return {
        field.name: row[prefix + _COLUMNS.get(field.name, field.name)] for field in fields(record)
    }


def _timed(values: dict[str, Any]) -> dict[str, Any]:
    started, ended = moment(values["started_at"]), moment(values["ended_at"])
    seconds = values["seconds"]
    if seconds is None and started and ended:
        # Older journals know the moments only, and the machine's clock may have been set back.
        seconds = max(0.0, (ended - started).total_seconds())
    return {**values, "started_at": started, "ended_at": ended, "seconds": seconds}


def _release_columns(table: str, prefix: str) -> str:
    names = [_COLUMNS.get(field.name, field.name) for field in fields(Release)]
    return ", ".join(f"{table}.{name} AS {prefix}{name}" for name in names)


OVERVIEW = f"""
SELECT environments.*, {_release_columns("l", "last_")}, {_release_columns("s", "live_")}
  FROM environments
  LEFT JOIN releases l ON l.id = (
       SELECT id FROM releases WHERE environment_id = environments.id
        ORDER BY number DESC LIMIT 1)
  LEFT JOIN releases s ON s.id = (
       SELECT id FROM releases WHERE environment_id = environments.id AND outcome = 'succeeded'
        ORDER BY number DESC LIMIT 1)
 WHERE ?1 IS NULL OR environments.project = ?1
 ORDER BY environments.project, environments.name
"""  # noqa: S608  # only names of columns are put in
"""Environments, of a project or all, each with its last and its live release."""

RELEASES_OF = """
SELECT releases.* FROM releases JOIN environments ON environments.id = environment_id
 WHERE project = ?1 AND name = ?2
"""
"""The releases of one environment, to be narrowed and ordered."""
