"""A second throw-away server, whose parts may be broken, with its state on a disk that may be full.

A part that was stopped comes back in the way that junov's own words say: `junov server up`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import secrets
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psycopg

from bench.throwaway import Shell
from junov.config.postgres import POSTGRES_PORT
from junov.databases import Address
from junov.databases.sessions import connect
from junov.engine.api import Engine
from junov.engine.reaper import reaped
from junov.environments import Identity
from junov.images import Registry, Repository
from junov.images.manifest import Manifest
from junov.process import check
from junov.site import Site

DISK = "16m"
_LABEL = "dev.junov.test"
_IMAGE = "registry:2.8.2"


@contextmanager
def small_disk(engine: Engine) -> Iterator[Path]:
    """A folder on a file system of its own, of 16 MiB in memory.

    The engine mounts it, as a volume of a container that has a label. So it is gone with that,
    also where this process is killed.
    """
    name = f"disk-{secrets.token_hex(4)}"
    label = f"{_LABEL}={name}"
    volume = ("--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", f"o=size={DISK},mode=0700")
    holder = ("docker", "run", "--detach", "--init", "--label", label, "--volume", f"{name}:/disk")
    with reaped(engine, {_LABEL: name}):
        check(["docker", "volume", "create", "--label", label, *volume, name], doing="make a disk")
        check([*holder, _IMAGE, "sleep", "infinity"], doing="mount a disk")
        asked = ["docker", "volume", "inspect", "--format", "{{.Mountpoint}}", name]
        yield Path(check(asked, doing="find a disk").strip())


@contextmanager
def filling(folder: Path) -> Iterator[tuple[str, ...]]:
    """The command that fills up the disk that a folder is on; after the block there is room again.

    The command ends well, so that whatever runs it goes on.
    """
    filler = folder / "filler"
    try:
        yield ("sh", "-c", f"cat /dev/zero 2>/dev/null >{filler}; test -s {filler}")
    finally:
        filler.unlink(missing_ok=True)


@contextmanager
def stopping(site: Site, shell: Shell, part: str) -> Iterator[tuple[str, ...]]:
    """The command that stops a part of the server; after the block it runs again."""
    try:
        yield ("docker", "stop", "-t", "1", site.part(part).name)
    finally:
        shell("junov", "server", "up")


def superuser(site: Site) -> Address:
    """Where the server's Postgres is reached, as its superuser."""
    # Not the site's own: its port is another one after each start.
    port = site.part("postgres").ports[POSTGRES_PORT]
    return Address("127.0.0.1", port, "postgres", site.password("postgres"))


def role_of(site: Site, identity: Identity) -> Address:
    """The same as an environment's role, in its own database."""
    password = site.password("database", *identity.secret_scope)
    return replace(
        superuser(site), user=identity.role, password=password, database=identity.database
    )


@contextmanager
def occupied(address: Address) -> Iterator[None]:
    """Have no connection be left to whoever comes like this while the block runs."""
    held = []
    try:
        with suppress(psycopg.OperationalError):
            while True:
                held.append(connect(address, address.database))
        yield
    finally:
        for connection in held:
            connection.close()


@contextmanager
def closed(site: Site) -> Iterator[None]:
    """Have Postgres refuse everybody who comes over the network while the block runs."""
    rules = site.home.path / "postgres" / "pg_hba.conf"
    text = rules.read_text()
    try:
        _set_rules(site, rules, "local all postgres peer\nhost all all all reject\n")
        yield
    finally:
        _set_rules(site, rules, text)


def _set_rules(site: Site, rules: Path, text: str) -> None:
    rules.write_text(text)
    reload = ("psql", "--username", "postgres", "--command", "SELECT pg_reload_conf()")
    container = site.part("postgres").name
    check(["docker", "exec", "--user", "postgres", container, *reload], doing="reload the rules")


def add_layer(registry: Registry, repository: Repository, tag: str) -> str:
    """Put an image under its tag once more, with a layer on top that no engine has ever seen.

    Returns:
        The layer's digest.
    """
    before = registry.manifest(repository, tag)
    assert before
    said = json.loads(registry.blob(repository, before.data["config"]["digest"]))
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(f"never-seen-{secrets.token_hex(8)}"))
    plain, packed = layer.getvalue(), gzip.compress(layer.getvalue())
    said["rootfs"]["diff_ids"].append(f"sha256:{hashlib.sha256(plain).hexdigest()}")
    said["history"].append({"created_by": "tests"})
    config = json.dumps(said).encode()
    digest = registry.put_blob(repository, packed)
    last = before.data["layers"][-1]
    grown = {
        **before.data,
        "config": {
            **before.data["config"],
            "size": len(config),
            "digest": registry.put_blob(repository, config),
        },
        "layers": [*before.data["layers"], {**last, "size": len(packed), "digest": digest}],
    }
    registry.put_manifest(repository, tag, Manifest(json.dumps(grown).encode(), before.media_type))
    return digest
