"""Whether a new database fits on Postgres' disk.

Where Postgres can't write its log any more, it ends, for every environment, and doesn't come up
again until there is room. So what would not fit isn't begun.
"""

from __future__ import annotations

from collections.abc import Sequence

from junov.errors import StageError, UnavailableError
from junov.site import Site

_DATA = "/var/lib/postgresql/data"
_SPARE = 64 * 2**20
_MOST_LOG = 2**30  # Postgres' own max_wal_size: beyond it, it writes a checkpoint


def require_room(site: Site, like: Sequence[str], *, at_least: int = 0) -> None:
    """Refuse to begin a database that would fill the disk.

    Args:
        site: the server.
        like: databases of which the new one is about as large as the largest.
        at_least: how many bytes it has in any case.

    Raises:
        StageError: there is less room than for it, for the log of writing it, and some to spare.
        UnavailableError: Postgres' container doesn't say how much room there is.
    """
    sizes = {each.name: each.size_bytes for each in site.postgres.databases()}
    size = max([at_least, *(sizes.get(name, 0) for name in like)])
    wanted, free = size + min(size, _MOST_LOG) + _SPARE, free_bytes(site)
    if free < wanted:
        raise StageError(
            f"there is no space left for another database: Postgres' disk has {free // 10**6} MB "
            f"free, and it may take {wanted // 10**6} MB; nothing was begun",
            remedy="make room on the disk of the server; kept databases are listed by: junov db ls",
        )


def free_bytes(site: Site) -> int:
    """How much room there is on Postgres' disk.

    Raises:
        UnavailableError: its container doesn't say.
    """
    argv = ["df", "-Pk", _DATA]
    code, said = site.engine.execute(site.part("postgres").id, argv, timeout=30, variables={})
    words = (said.strip().splitlines() or [""])[-1].split()
    if code or len(words) < 4 or not words[3].isdigit():
        raise UnavailableError(
            "Postgres' container does not say how much room its disk has",
            remedy="see what is wrong with: junov server doctor",
        )
    return int(words[3]) * 1024
