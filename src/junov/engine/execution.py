"""What a command inside a container prints, as the engine's API hands it over.

The library's own way (`exec_start`) asks for the connection to be upgraded, and then reads past
what came along with the answer's head: of a command that ends at once it now and then gets nothing
(6 of 800 on a busy machine). Asked without an upgrade, the engine answers as with any other body.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker import APIClient

_HEAD = struct.Struct(">BxxxI")


def printed_by(api: APIClient, execution: str) -> bytes:
    """Start a prepared command, and wait until it ends.

    Args:
        api: the engine's API.
        execution: the id that `exec_create` gave.

    Returns:
        What it printed, on either stream.

    Raises:
        requests.RequestException: the engine refuses, or doesn't answer.
    """
    url = f"{api.base_url}/v{api.api_version}/exec/{execution}/start"
    with api.post(url, json={"Detach": False, "Tty": False}, stream=True) as answer:
        answer.raise_for_status()
        return joined(answer.raw.read())


def joined(frames: bytes) -> bytes:
    """What stands in the frames that the engine puts around two streams in one.

    Each has a head of eight bytes: which stream, three zeros, and the length of what follows
    (https://docs.docker.com/reference/api/engine/, "Stream format").
    """
    texts, at = [], 0
    while at + _HEAD.size <= len(frames):
        _, length = _HEAD.unpack_from(frames, at)
        at += _HEAD.size
        texts.append(frames[at : at + length])
        at += length
    return b"".join(texts)
