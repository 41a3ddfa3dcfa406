"""Removes what a run leaves behind when it is killed.

A killed process cannot clean up after itself, so a run that makes throw-away containers starts this
watcher first. It waits on a pipe that the kernel closes when the run ends, however it ends. Told
`done` before that, it does nothing; otherwise it removes everything that carries the run's labels.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from junov.engine.api import Engine
from junov.errors import JunovError

_DONE = b"done\n"


@contextmanager
def reaped(
    engine: Engine, labels: Mapping[str, str], folders: Sequence[Path] = ()
) -> Iterator[None]:
    """Whatever happens in the block or to this process: nothing of the run is left.

    Args:
        engine: the engine.
        labels: what all of the run carries, and nothing else.
        folders: folders to remove where this process is killed.
    """
    watcher = subprocess.Popen(
        [sys.executable, "-m", "junov.engine.reaper", json.dumps(dict(labels)), *map(str, folders)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # what is sent to this process's group must not reach it
    )
    try:
        yield
    finally:
        try:
            remove_labelled(engine, labels)
            watcher.communicate(_DONE)
        finally:
            # Not told that all is done, it sees to the rest.
            if watcher.stdin and not watcher.stdin.closed:
                watcher.stdin.close()


def remove_labelled(engine: Engine, labels: Mapping[str, str]) -> list[str]:
    """Remove the containers, networks and volumes that carry all of these labels.

    Returns:
        The names of what was removed.
    """
    if not labels:
        raise ValueError("without a label, everything on the engine would be removed")
    removed = []
    for container in engine.containers(labels):
        engine.remove_container(container.id)
        removed.append(container.name)
    for network in engine.networks(labels):
        engine.remove_network(network)
        removed.append(network.name)
    for volume in engine.volumes(labels):
        engine.remove_volume(volume)
        removed.append(volume)
    return removed


def main(argv: Sequence[str]) -> int:
    """Wait for the run to end, and clean up where it did not do so itself."""
    if sys.stdin.buffer.readline() == _DONE:
        return 0
    labels, folders = json.loads(argv[0]), argv[1:]
    # Its Compose may go on for a moment and start what it was about to start.
    for _ in range(3):
        try:
            if not remove_labelled(Engine(), labels):
                break
        except JunovError:
            return 1
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
