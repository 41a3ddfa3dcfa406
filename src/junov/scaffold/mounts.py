"""Folders of the laptop inside containers, which deployed environments and tests don't have."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from junov.scaffold.decide import Decision
from junov.scaffold.lines import text


def without_mounts(data: Mapping[str, Any]) -> list[str]:
    """The lines that take a service's bind mounts back; none where it has none."""
    mounts = list(data.get("volumes") or ())
    kept = [mount for mount in mounts if not _is_bind(mount)]
    if len(kept) == len(mounts):
        return []
    note = "    # What is in the image runs, not what is in a folder."
    if not kept:
        return [note, "    volumes: !reset []"]
    return [note, "    volumes: !override", *(f"      - {text(mount)}" for mount in kept)]


def taken_back(decision: Decision) -> Iterator[str]:
    """What somebody has to know of each bind mount that deployed environments don't have.

    The folder that the image is built from isn't worth a word: what is in it is in the image.
    """
    base = decision.base
    for name, data in base.services.items() if base else ():
        built = base.build(name) if base else None
        for mount in data.get("volumes") or ():
            source = _source(mount)
            is_code = built and posixpath.normpath(source) == posixpath.normpath(built[0])
            if _is_bind(mount) and not is_code and name != (base and base.database):
                yield (
                    f"`{source}` of `{name}` is not in deployed environments: use a named volume "
                    "if its data must stay, or put it into the image if the application needs it"
                )


def _is_bind(mount: Any) -> bool:
    if isinstance(mount, Mapping):
        return mount.get("type") == "bind"
    source, colon, _ = str(mount).partition(":")
    return bool(colon) and source.startswith((".", "/", "~", "$"))


def _source(mount: Any) -> str:
    if isinstance(mount, Mapping):
        return str(mount.get("source", ""))
    # `:` inside `${NAME:-default}` separates nothing.
    return re.split(r":(?![^{]*\})", str(mount), maxsplit=1)[0]
