"""Files with secrets that `server.yaml` names: readable by their owner only, or not read at all."""

from __future__ import annotations

import stat
from pathlib import Path

from junov.errors import StageError
from junov.site import Site


def read_private(site: Site, named: str, *, what: str, key: str) -> tuple[Path, str]:
    """A file with a secret.

    Args:
        site: the server.
        named: its path; where it isn't absolute, seen from the state folder.
        what: what it holds, such as `private key`.
        key: the key of `server.yaml` that names it.

    Returns:
        Its full path, and what is in it.

    Raises:
        StageError: it can't be read, or others can read it.
    """
    path = site.home.path / Path(named).expanduser()
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise StageError(
            f"the {what} {path} can't be read: {why}", remedy=f"`{key}` in server.yaml names it"
        ) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StageError(
            f"the {what} {path} can be read by others", remedy=f"close it: chmod 600 {path}"
        )
    return path, text
