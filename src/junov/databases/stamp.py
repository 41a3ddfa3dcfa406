"""The stamp on a database: whose it is, written into Postgres itself.

A name can be mistyped and a journal can be lost; what stands in the database's own COMMENT is read
back before anything is destroyed. The role has the same stamp. The role is made and stamped in one
transaction, and the database gets its name and its stamp in one, so neither is ever there without.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from junov.errors import JunovError

FORMAT = 1

Kind = Literal["new", "live", "kept"]
"""What a database is to its environment:

- `new`: it is being made, and no release uses it yet;
- `live`: the release that serves uses it;
- `kept`: another one has taken its place, and it can be brought back.
"""

_KINDS: dict[str, Kind] = {"new": "new", "live": "live", "kept": "kept"}


class StampMismatchError(JunovError):
    """A database or role belongs to somebody else, or nobody knows to whom.

    Args:
        what: the database or role, such as `the database notes_prod`.
        expected: the stamp that it should bear.
        found: the stamp that it bears, or None where it has none of junov's.
        remedy: what to do.
    """

    def __init__(
        self, what: str, *, expected: Stamp, found: Stamp | None, remedy: str = ""
    ) -> None:
        whose = f"belongs to {found.owner}" if found else "has no stamp of junov's"
        super().__init__(
            f"{what} {whose}, expected {expected.owner}; nothing was changed",
            remedy=remedy
            or "look at it with psql or pgAdmin; if nobody needs it, rename or drop "
            "it by hand and run this again",
        )
        self.expected = expected
        self.found = found


@dataclass(frozen=True, slots=True)
class Stamp:
    """Whose a database is.

    Every role of this Postgres can read it, as it can read the names of all databases; it holds
    nothing that is secret.

    Args:
        server: the server's name.
        project: the project's name.
        environment: the environment's name.
        created_at: when the database was first asked for, in UTC, whole seconds.
        filled: whether its fixtures have been loaded.
        kind: what it is to its environment.
        since: when it became that; None for a database of the first days of its environment.
        heads: where its migrations stood when another one took its place.
    """

    server: str
    project: str
    environment: str
    created_at: datetime
    filled: bool = False
    kind: Kind = "live"
    since: datetime | None = None
    heads: tuple[str, ...] = ()

    @property
    def identity(self) -> tuple[str, str, str]:
        """What is compared: server, project and environment."""
        return self.server, self.project, self.environment

    @property
    def owner(self) -> str:
        """The environment as a sentence names it."""
        return f"environment {self.environment} of project {self.project} on server {self.server}"

    def matches(self, other: Stamp | None) -> bool:
        """Whether the other stamp is of the same environment."""
        return other is not None and self.identity == other.identity

    def as_filled(self) -> Stamp:
        """The same stamp, for a database whose fixtures have been loaded."""
        return replace(self, filled=True)

    def as_kind(self, kind: Kind, since: datetime) -> Stamp:
        """The same stamp, for a database that is something else to its environment now."""
        return replace(self, kind=kind, since=since)

    def to_comment(self) -> str:
        """The text of the COMMENT: one JSON object."""
        return json.dumps(
            {
                "junov": FORMAT,
                "server": self.server,
                "project": self.project,
                "environment": self.environment,
                "created_at": self.created_at.astimezone(UTC).isoformat(timespec="seconds"),
                "filled": self.filled,
                "kind": self.kind,
                "since": self.since.astimezone(UTC).isoformat() if self.since else None,
                "heads": self.heads,
            }
        )


def read_stamp(comment: str | None) -> Stamp | None:
    """The stamp in a COMMENT, or None where it holds none that this junov can read."""
    try:
        data = json.loads(comment or "")
        if data["junov"] != FORMAT:
            return None
        return Stamp(
            server=str(data["server"]),
            project=str(data["project"]),
            environment=str(data["environment"]),
            created_at=datetime.fromisoformat(data["created_at"]),
            filled=data["filled"] is True,
            # Earlier versions of junov knew only those that were live, and say nothing.
            kind=_KINDS[data.get("kind", "live")],
            since=datetime.fromisoformat(data["since"]) if data.get("since") else None,
            heads=tuple(str(head) for head in data.get("heads") or ()),
        )
    except (ValueError, KeyError, TypeError):
        return None
