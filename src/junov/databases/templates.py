"""Templates: databases of a project, migrated and filled, from which new ones are copied.

A template belongs to the project, so what is in it is owned by a role of the project's that nobody
can log in as. The database itself is the superuser's and admits no connection. Its COMMENT is no
environment's stamp: nothing that is meant for an environment's database works on a template.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from junov.databases.copies import NotCopyableError, clear, copy, is_large
from junov.databases.provision import drop_role
from junov.databases.sessions import Open
from junov.environments.identity import making_name, template_name, templates_role
from junov.errors import StageError

if TYPE_CHECKING:
    from psycopg import Connection

FORMAT = 1
_BUSY_MS = 100


@dataclass(frozen=True, slots=True)
class Template:
    """A template, as its COMMENT tells. Every role of this Postgres can read it.

    Args:
        server: the server's name.
        project: the project's name.
        heads: where its migrations stand: Alembic's heads, in order.
        fixtures: a digest of what it was filled with.
        lineage: of each head a digest of that migration with all that it follows.
        commit: the commit whose migrations and fixtures made it.
        made_at: when, in UTC.
        used_at: when a database was last copied from it, in UTC.
    """

    server: str
    project: str
    heads: tuple[str, ...]
    fixtures: str
    lineage: tuple[str, ...]
    commit: str
    made_at: datetime
    used_at: datetime

    @property
    def name(self) -> str:
        """The database's name, which is made from the migrations and the fixtures."""
        content = json.dumps([self.heads, self.lineage, self.fixtures])
        return template_name(self.project, hashlib.sha256(content.encode()).hexdigest())

    def to_comment(self) -> str:
        """The text of the COMMENT: one JSON object."""
        return json.dumps(
            {
                "junov_template": FORMAT,
                "server": self.server,
                "project": self.project,
                "heads": self.heads,
                "fixtures": self.fixtures,
                "lineage": self.lineage,
                "commit": self.commit,
                "made_at": self.made_at.astimezone(UTC).isoformat(),
                "used_at": self.used_at.astimezone(UTC).isoformat(),
            }
        )


def read_template(comment: str | None) -> Template | None:
    """The template that a COMMENT describes, or None where it is none that this junov can read."""
    try:
        data = json.loads(comment or "")
        if data["junov_template"] != FORMAT:
            return None
        return Template(
            server=str(data["server"]),
            project=str(data["project"]),
            heads=tuple(str(head) for head in data["heads"]),
            fixtures=str(data["fixtures"]),
            lineage=tuple(str(digest) for digest in data["lineage"]),
            commit=str(data["commit"]),
            made_at=datetime.fromisoformat(data["made_at"]),
            used_at=datetime.fromisoformat(data["used_at"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def find(admin: Connection[Any], server: str, project: str) -> list[Template]:
    """The templates of a project, the last used first."""
    rows = admin.execute(
        "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database ORDER BY datname"
    ).fetchall()
    read = ((name, read_template(comment)) for name, comment in rows)
    found = [
        template
        for name, template in read
        # A copy that a person has made of one bears another name.
        if template and template.name == name and _whose(template) == (server, project)
    ]
    return sorted(found, key=lambda each: each.used_at, reverse=True)


def make(
    admin: Connection[Any], open_database: Open, source: str, role: str, wanted: Template
) -> Template:
    """Make a template of a database; one that is there already is returned as it is.

    The caller holds the locks of the database and of the project's templates.

    Raises:
        NotCopyableError: somebody is connected to it, or it has settings of its own.
        StageError: there is a database or role of that name, and it isn't this project's.
    """
    from psycopg import sql

    there = admin.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
        (wanted.name,),
    ).fetchone()
    if there:
        template = read_template(there[0])
        if template is None or (template.name, *_whose(template)) != (wanted.name, *_whose(wanted)):
            raise _in_the_way("database", wanted.name)
        return template
    _refuse_settings(admin, source)
    owner = templates_role(wanted.project)
    _ensure_role(admin, owner, wanted)
    unfinished = making_name(wanted.project)
    copy(admin, open_database, source, unfinished, role, owner)
    if is_large(admin, unfinished):
        # Who reads a row first writes on its page whether it is committed, and autovacuum writes
        # on it again: in each copy once more, unless it is done here. Few rows aren't worth it.
        with open_database(unfinished) as inside:
            inside.execute("VACUUM (FREEZE, ANALYZE)")
    name = sql.Identifier(unfinished)
    with admin.transaction():
        admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
        admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        comment = sql.Literal(wanted.to_comment())
        admin.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, comment))
        renamed = sql.Identifier(wanted.name)
        admin.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(name, renamed))
    return wanted


def mark_used(admin: Connection[Any], template: Template) -> None:
    """Note that a template is used now, unless a copy is being made of it: then it was noted."""
    from psycopg import errors, sql

    statement = sql.SQL("COMMENT ON DATABASE {} IS {}").format(
        sql.Identifier(template.name),
        sql.Literal(replace(template, used_at=datetime.now(UTC)).to_comment()),
    )
    try:
        with admin.transaction():
            admin.execute(f"SET LOCAL lock_timeout = {_BUSY_MS}")
            admin.execute(statement)
    except (errors.LockNotAvailable, errors.InvalidCatalogName):
        pass  # where it has gone, the copy will say so


def prune(
    admin: Connection[Any], open_database: Open, server: str, project: str, keep: int
) -> tuple[str, ...]:
    """Remove the templates of a project but the last used ones; with the last one goes their role.

    What a killed run has left of one goes as well. The caller holds the lock of the project's
    templates.
    """
    from psycopg import sql

    clear(admin, making_name(project))
    gone = find(admin, server, project)[keep:]
    for template in gone:
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        admin.execute(statement.format(sql.Identifier(template.name)))
    owner = templates_role(project)
    if not keep and _role_comment(admin, owner) == (_role_text(server, project),):
        drop_role(admin, open_database, owner)
    return tuple(template.name for template in gone)


def _whose(template: Template) -> tuple[str, str]:
    return template.server, template.project


def _refuse_settings(admin: Connection[Any], source: str) -> None:
    rows = admin.execute(
        "SELECT split_part(unnest(setconfig), '=', 1) FROM pg_db_role_setting "
        "JOIN pg_database d ON d.oid = setdatabase WHERE datname = %s ORDER BY 1",
        (source,),
    ).fetchall()
    if rows:
        names = ", ".join(name for (name,) in rows)
        raise NotCopyableError(
            f"the database {source} has settings of its own, which a copy would lack: {names}",
            remedy="set them when the application connects, not with ALTER DATABASE … SET",
        )


def _ensure_role(admin: Connection[Any], name: str, wanted: Template) -> None:
    from psycopg import sql

    text, found = _role_text(*_whose(wanted)), _role_comment(admin, name)
    if found == (text,):
        return
    if found:
        raise _in_the_way("role", name)
    role = sql.Identifier(name)
    with admin.transaction():
        admin.execute(sql.SQL("CREATE ROLE {} NOLOGIN NOINHERIT").format(role))
        admin.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(role, sql.Literal(text)))


def _role_comment(admin: Connection[Any], name: str) -> Sequence[str | None] | None:
    return admin.execute(
        "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = %s", (name,)
    ).fetchone()


def _role_text(server: str, project: str) -> str:
    return json.dumps({"junov_templates": FORMAT, "server": server, "project": project})


def _in_the_way(what: str, name: str) -> StageError:
    return StageError(
        f"the {what} {name} is in the way of a template, and is not this project's",
        remedy="look at it with psql or pgAdmin; if nobody needs it, rename or drop it by hand "
        "and run this again",
    )
