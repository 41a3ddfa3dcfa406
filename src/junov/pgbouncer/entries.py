"""Which databases PgBouncer leads to: always those that Postgres says are there.

The files are written whole, from one look at Postgres, under one lock: whoever comes later has
looked later. PgBouncer then reads them again, and no connection is cut off but those to a database
that has gone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Network
from operator import attrgetter, itemgetter

from junov.config.home import write_private
from junov.databases.pools import Poolable
from junov.environments import identify
from junov.environments.identity import generation_name, generation_of
from junov.environments.labels import PART, SERVER
from junov.errors import UnavailableError
from junov.locks import held
from junov.pgbouncer.files import HBA, INI, USERS, Entry, hba, ini, pool_size, userlist
from junov.site import Site

PGBOUNCER_LOCK = "pgbouncer"
LOCK_SECONDS = 60.0  # what is done under it takes a tenth of one

_NOT_ROOT = 65533
"""Whose PgBouncer's process and files are where junov runs as root: it refuses to be root's.

Debian gives this number to nobody (https://www.debian.org/doc/debian-policy/ch-opersys.html).
"""


def user() -> str:
    """The user and group that PgBouncer runs as, and that its files belong to."""
    return f"{os.geteuid()}:{os.getegid()}" if os.geteuid() else f"{_NOT_ROOT}:{_NOT_ROOT}"


def postgres_address(subnet: str) -> str:
    """The address that Postgres has for PgBouncer: the last one of the database network.

    The engine gives addresses from the first one on, so nobody else has it.

    Args:
        subnet: the network's range, as the engine has it.
    """
    network = IPv4Network(subnet)
    return str(network.broadcast_address - 1)


def prepare(site: Site) -> None:
    """Have files that PgBouncer can start with, before any container is started or made anew.

    They say what Postgres says, if it runs; else they stay, and where there are none yet, they let
    nobody in.
    """
    try:
        # Not by the same site: it would remember the port of a Postgres that is made anew next.
        entries = _entries(Site(site.home))
    except UnavailableError:
        if (site.home.pgbouncer_folder / INI).exists():
            return
        entries = []
    _write(site, entries)


def remove_files(site: Site) -> None:
    """Remove the files, with the passwords in them, where PgBouncer doesn't run any more."""
    shutil.rmtree(site.home.pgbouncer_folder, ignore_errors=True)


def write_entries(site: Site) -> int:
    """Bring PgBouncer to what Postgres says is there; nothing where it isn't enabled.

    Each generation of each environment's database has an entry: the live one, those that are kept,
    the one that is being made, and already the one that would be made next. So a database that
    takes the place of another one is reached from its first moment on, and the other one until it
    is removed.

    Returns:
        How many databases it leads to.

    Raises:
        UnavailableError: Postgres doesn't answer, or PgBouncer could not be told.
        LockedError: another run has been at it for a minute.
    """
    if not site.server.postgres.pgbouncer.enabled:
        return 0
    with held(
        site.home.locks_folder, PGBOUNCER_LOCK, purpose="entries of PgBouncer", wait=LOCK_SECONDS
    ):
        entries = _entries(site)
        _write(site, entries)
        _reload(site)
    return len(entries)


def are_current(site: Site) -> bool:
    """Whether PgBouncer's files say what Postgres says."""
    wanted = _texts(site, _entries(site))
    folder = site.home.pgbouncer_folder
    return all(
        (folder / name).exists() and (folder / name).read_text(encoding="utf-8") == text
        for name, text in wanted.items()
    )


def _entries(site: Site) -> list[Entry]:
    wanted = site.server.postgres.pgbouncer.pool_size
    return [
        Entry(
            each.name,
            site.password("database", *identify(*each.stamp.identity[1:]).secret_scope),
            pool_size(wanted, each.connections),
        )
        for each in with_next(site.postgres.poolable(site.server.name))
    ]


def with_next(found: Sequence[Poolable]) -> list[Poolable]:
    """The same databases, and for each environment the one that would be made next, by name."""
    newest: dict[str, tuple[int, Poolable]] = {}
    for each in found:
        first = each.name.partition(".")[0]
        generation = generation_of(each.name, first) or 1
        newest[first] = max(newest.get(first, (0, each)), (generation, each), key=itemgetter(0))
    following = [
        replace(each, name=generation_name(first, generation + 1))
        for first, (generation, each) in newest.items()
    ]
    return sorted([*found, *following], key=attrgetter("name"))


def _texts(site: Site, entries: Sequence[Entry]) -> dict[str, str]:
    """The files by name; the one that the others are read for comes last."""
    network = site.engine.network(site.server.db_network)
    if network is None or not network.subnets:
        raise UnavailableError(
            f"the network {site.server.db_network} of Postgres is not there",
            remedy="start the server with: junov server up",
        )
    address = postgres_address(network.subnets[0])
    settings = site.server.postgres.pgbouncer
    return {HBA: hba(), USERS: userlist(entries), INI: ini(settings, entries, postgres=address)}


def _write(site: Site, entries: Sequence[Entry]) -> None:
    folder, owner = site.home.pgbouncer_folder, None if os.geteuid() else _NOT_ROOT
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if owner is not None:
        os.chown(folder, owner, owner)
    for name, text in _texts(site, entries).items():
        write_private(folder / name, text, owner=owner)


def _reload(site: Site) -> None:
    """Let it read its files again; one that doesn't run reads them when it starts.

    The signal is there when the command has ended, and a client that comes after that is let in
    by the new files: it takes PgBouncer a look at its signals before its first answer.
    """
    labels = {SERVER: site.server.name, PART: "pgbouncer"}
    for container in site.engine.containers(labels, all_states=False):
        code, said = site.engine.execute(container.id, ["sh", "-c", "kill -HUP 1"])
        if code:
            raise UnavailableError(
                f"PgBouncer could not be told to read its entries again: {said.strip()}",
                remedy="look at it with: junov server status; then run this again",
            )
