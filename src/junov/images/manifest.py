"""Manifests: what a registry says an image is made of."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from junov.errors import NotFoundError, StageError

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"

INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
ACCEPTED = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST)

# What `uname -m` calls an architecture, and what images call it (GOARCH).
_ARCHITECTURES = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "armv7l": "arm",
    "i686": "386",
    "ppc64le": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
}


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest or an index, exactly as the registry keeps it.

    Args:
        content: its bytes; its digest is theirs, so they are never written anew.
        media_type: what kind of manifest it is.
    """

    content: bytes = field(repr=False)
    media_type: str

    @property
    def digest(self) -> str:
        """Its digest."""
        return digest_of(self.content)

    @property
    def is_index(self) -> bool:
        """Whether it lists one manifest for each platform."""
        return self.media_type in INDEX_TYPES

    @property
    def data(self) -> Mapping[str, Any]:
        """Its content.

        Raises:
            StageError: it is no JSON object.
        """
        return read_object(self.content, f"the manifest {self.digest}")

    def for_platform(self, architecture: str) -> str:
        """The digest of an index's manifest for Linux on one architecture.

        Raises:
            NotFoundError: the index has none.
        """
        found = set()
        for entry in self.data.get("manifests") or ():
            where = entry.get("platform") or {}
            if (where.get("os"), where.get("architecture")) == ("linux", architecture):
                return str(entry["digest"])
            found.add(f"{where.get('os')}/{where.get('architecture')}")
        raise NotFoundError(
            f"the image {self.digest} has no variant for linux/{architecture}",
            remedy=f"it has {', '.join(sorted(found)) or 'none at all'}; build it for this machine",
        )


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What an image says about itself.

    Args:
        labels: its labels.
        diff_ids: the digests of its layers, uncompressed, from the lowest up.
        created: when it was made, as RFC 3339 text; empty where it doesn't say.
    """

    labels: Mapping[str, str]
    diff_ids: tuple[str, ...]
    created: str

    def is_base_of(self, other: ImageConfig) -> bool:
        """Whether `other` was built on top of this image: its layers begin with these."""
        return other.diff_ids[: len(self.diff_ids)] == self.diff_ids


def read_config(content: bytes) -> ImageConfig:
    """The configuration of an image.

    Raises:
        StageError: it is none.
    """
    data = read_object(content, "the image's configuration")
    return ImageConfig(
        labels=(data.get("config") or {}).get("Labels") or {},
        diff_ids=tuple((data.get("rootfs") or {}).get("diff_ids") or ()),
        created=data.get("created") or "",
    )


def read_object(content: bytes, what: str) -> Mapping[str, Any]:
    """A JSON object out of a registry.

    Raises:
        StageError: it is something else.
    """
    try:
        data = json.loads(content)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise StageError(f"{what} is not what the registry says it is", remedy="push it again")
    return data


def digest_of(content: bytes) -> str:
    """The SHA-256 digest of some bytes in the form that registries use."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def this_architecture() -> str:
    """What images call the architecture of this machine, such as `amd64`."""
    machine = platform.machine().lower()
    return _ARCHITECTURES.get(machine, machine)
