"""The files that PgBouncer reads: pure functions from entries to texts.

The formats are PgBouncer's (https://www.pgbouncer.org/config.html). Nothing in them lets one
environment become another: no entry names a user, so a connection to Postgres is made as the very
role that the client has proved to be, and none is a wildcard.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from junov.config.postgres import POSTGRES_PORT, PgBouncer
from junov.secret import Secret

FOLDER = "/etc/pgbouncer"
"""Where the files lie inside its container."""

INI = "pgbouncer.ini"
USERS = "userlist.txt"
HBA = "hba.conf"

LEFT_TO_OTHERS = 3
"""How many of a role's connections are never the pooler's.

They are for what goes past it, straight to Postgres: migrations, and a person's `db psql`.
"""

_HEAD = "{mark} Written by junov; what is changed here by hand is written over.\n"


@dataclass(frozen=True, slots=True)
class Entry:
    """A database that is reached through the pooler.

    Args:
        database: its name, and that of the one role that is let in.
        password: that role's.
        pool_size: how many connections to Postgres are held for it at most.
    """

    database: str
    password: Secret
    pool_size: int


def pool_size(wanted: int, connections: int) -> int:
    """How many connections of a role the pooler may take.

    Args:
        wanted: what `server.yaml` says.
        connections: how many the role may hold in all.
    """
    return max(1, min(wanted, connections - LEFT_TO_OTHERS))


def ini(settings: PgBouncer, entries: Sequence[Entry], *, postgres: str) -> str:
    """The text of `pgbouncer.ini`.

    Args:
        settings: what `server.yaml` says of it.
        entries: the databases.
        postgres: the address of Postgres. A name wouldn't do: it would be looked up in every
            private network, where an environment may give that name to a container of its own.

    Raises:
        ValueError: a database has a name that no environment's has.
    """
    where = f"host={postgres} port={POSTGRES_PORT}"
    databases = [
        f"{_plain(each.database)} = {where} pool_size={each.pool_size}" for each in entries
    ]
    values = {
        "listen_addr": "*",
        "listen_port": POSTGRES_PORT,
        # The console is reached over this socket, or by those that are named as its users: by
        # nobody.
        "unix_socket_dir": "",
        "auth_type": "hba",
        "auth_hba_file": f"{FOLDER}/{HBA}",
        "auth_file": f"{FOLDER}/{USERS}",
        "pool_mode": "transaction",
        "max_client_conn": settings.clients,
        "default_pool_size": 1,
        # What an environment doesn't use goes back soon: Postgres is shared.
        "server_idle_timeout": 60,
        # After a restart of Postgres nobody is turned away for longer than this.
        "server_login_retry": 1,
        # Some drivers always send it, and Postgres's own default is as good since version 12.
        "ignore_startup_parameters": "extra_float_digits",
        "log_connections": 0,
        "log_disconnections": 0,
        "log_stats": 0,
    }
    lines = ["[databases]", *databases, "", "[pgbouncer]"]
    lines += [f"{key} = {value}".rstrip() for key, value in values.items()]
    return _HEAD.format(mark=";") + "\n".join(lines) + "\n"


def userlist(entries: Sequence[Entry]) -> str:
    """The text of `userlist.txt`: each role with its password.

    The passwords are there as they are, not as Postgres keeps them: each deploy sets the role's
    anew with another salt, and a client that has proved itself by the old one could then be given
    no new connection.
    """
    lines = [f"{_quoted(each.database)} {_quoted(each.password.reveal())}" for each in entries]
    return "".join(f"{line}\n" for line in lines)


def hba() -> str:
    """The text of its `hba.conf`: a role reaches the database of its own name, and no other.

    It is the same wall as that of Postgres itself (`databases.hba`), which stands behind it.
    """
    rows = [("host", "sameuser", "all", every, "scram-sha-256") for every in ("0.0.0.0/0", "::/0")]
    return _HEAD.format(mark="#") + "".join(f"{' '.join(row)}\n" for row in rows)


def _plain(name: str) -> str:
    """A database's name as a key, which PgBouncer 1.18 takes without quotes only."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name) or name == "pgbouncer":
        raise ValueError(f"not a name for an entry of PgBouncer: {name!r}")
    return name


def _quoted(text: str) -> str:
    """A name or a password in the list of users, between double quotes.

    Raises:
        ValueError: it has a line break, or nothing in it; there is no way to write that.
    """
    if not text or any(character in text for character in "\0\r\n"):
        raise ValueError("not a name or a password for PgBouncer")
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
