"""The record, kept beside an image in its registry, that its tests passed.

It is a manifest of its own under the tag `sha256-<digest>.tested`, found from the image's digest
as cosign finds signatures, and its `subject` is the image. On purpose it is an ordinary image of
one layer, without an `artifactType`: GitLab's registry takes no media type that it does not know
(https://github.com/ocx-sh/ocx/issues/480). The layer holds the JUnit report.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from junov import __version__
from junov.errors import NotFoundError, StageError
from junov.images.image import Image
from junov.images.manifest import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Manifest, digest_of
from junov.images.reference import Repository
from junov.images.registry import Registry

REPORT_NAME = "junit.xml"

_KIND = "test/v1"
_PREFIX = "dev.junov."


@dataclass(frozen=True, slots=True)
class Pass:
    """That the tests of an image passed.

    Args:
        digest: the release image that may be promoted.
        debug_digest: the debug image that the tests ran in.
        revision: the commit that both were built from.
        at: when they passed, as RFC 3339 text in UTC.
        by: who or what ran them; may be empty.
        tests: how many tests ran; None where there was no report.
        version: junov's own, that recorded it.
        layer: the digest of the layer that holds the report.
    """

    digest: str
    debug_digest: str
    revision: str
    at: str
    by: str = ""
    tests: int | None = None
    version: str = ""
    layer: str = ""


def record_tag(digest: str) -> str:
    """The tag of the record about an image: 78 characters of the 128 that a tag may have."""
    return f"{digest.replace(':', '-')}.tested"


def record_pass(
    registry: Registry,
    image: Image,
    *,
    by: str = "",
    tests: int | None = None,
    report: bytes | None = None,
    now: datetime | None = None,
) -> Pass:
    """Record on an image in the registry that its tests passed; a later record takes its place.

    Args:
        registry: the client.
        image: what was tested.
        by: who or what ran the tests, such as a user or the address of a CI job.
        tests: how many tests ran.
        report: the JUnit report, as it was written.
        now: when they passed; this moment without it.

    Raises:
        NotFoundError: the image is not in the registry, or its debug image isn't known.
    """
    repository = image.repository
    subject = registry.manifest(repository, image.digest)
    if subject is None:
        raise NotFoundError(
            f"{image.reference} is not in the registry", remedy="push it with: junov build"
        )
    debug_digest = image.debug_reference.partition("@")[2]
    at = (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds")
    tar = _tar({REPORT_NAME: report} if report is not None else {})
    layer = gzip.compress(tar, mtime=0)
    said = {
        "kind": _KIND,
        "result": "passed",
        "image": image.digest,
        "debug": debug_digest,
        "commit": image.revision,
        "at": at,
        "by": by,
        "tests": "" if tests is None else str(tests),
        "version": __version__,
    }
    config = _json(
        {
            "architecture": "unknown",
            "os": "unknown",
            "created": at,  # what GitLab's page shows
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(tar)]},
        }
    )
    for blob in (config, layer):
        registry.put_blob(repository, blob)
    content = _json(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": _descriptor(OCI_CONFIG, config),
            "layers": [_descriptor(OCI_LAYER, layer)],
            "subject": _descriptor(subject.media_type, subject.content),
            "annotations": {f"{_PREFIX}{name}": value for name, value in said.items()},
        }
    )
    record = Manifest(content, OCI_MANIFEST)
    registry.put_manifest(repository, record_tag(image.digest), record)
    return _read(record)


def passed(registry: Registry, image: Image) -> Pass | None:
    """The record that this very image passed its tests.

    Returns:
        None where there is none, or where it is about other bytes: another release image, or
        tests that ran in another debug image than the one built with this.
    """
    record = read_pass(registry, image.repository, image.digest)
    if record is None or image.debug_digest not in (None, record.debug_digest):
        return None
    return record if record.revision == image.revision else None


def read_pass(registry: Registry, repository: Repository, digest: str) -> Pass | None:
    """The record about a release image, whichever debug image its tests ran in."""
    manifest = registry.manifest(repository, record_tag(digest))
    if manifest is None:
        return None
    try:
        record = _read(manifest)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, StageError):
        return None  # somebody else's, or a broken one: no proof of anything
    return record if record.digest == digest else None


def read_report(registry: Registry, image: Image, record: Pass) -> bytes | None:
    """The JUnit report that was recorded with a pass, or None where there was none."""
    layer = registry.blob(image.repository, record.layer)
    with tarfile.open(fileobj=io.BytesIO(layer), mode="r:gz") as tar:
        try:
            member = tar.extractfile(REPORT_NAME)
        except KeyError:
            return None
        return member.read() if member else None


def _read(manifest: Manifest) -> Pass:
    data = manifest.data
    said = {name.removeprefix(_PREFIX): str(value) for name, value in data["annotations"].items()}
    if (said["kind"], said["result"]) != (_KIND, "passed"):
        raise ValueError("no record of a pass")
    if said["image"] != data["subject"]["digest"]:
        raise ValueError("a record about another image")
    return Pass(
        digest=said["image"],
        debug_digest=said["debug"],
        revision=said["commit"],
        at=said["at"],
        by=said["by"],
        tests=int(said["tests"]) if said["tests"] else None,
        version=said["version"],
        layer=str(data["layers"][0]["digest"]),
    )


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def _json(data: object) -> bytes:
    return json.dumps(data, separators=(",", ":"), sort_keys=True).encode()


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
