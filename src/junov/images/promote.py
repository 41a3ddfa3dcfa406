"""Promoting: a tested image gets the tags that environments are delivered from.

Only manifests are moved. Nothing is pulled, and what has a tag afterwards has the digest that was
tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from junov.errors import NotFoundError, StageError
from junov.images.image import Image
from junov.images.manifest import Manifest
from junov.images.reference import Repository, is_tag
from junov.images.registry import Registry
from junov.images.tested import passed


@dataclass(frozen=True, slots=True)
class Promotion:
    """What became of one tag.

    Args:
        tag: the tag.
        old: the digest that it had before; None where it is new.
        new: the digest that it has now.
    """

    tag: str
    old: str | None
    new: str

    @property
    def changed(self) -> bool:
        """Whether the tag is new or was moved."""
        return self.old != self.new


def promote(
    registry: Registry, image: Image, tags: Sequence[str], *, tested_required: bool = True
) -> tuple[Promotion, ...]:
    """Give an image that passed its tests one tag or more.

    The debug image gets no tag: it is found through the record of the pass.

    Args:
        registry: the client.
        image: the image.
        tags: the environment's tag, and `latest` on the stable branch.
        tested_required: False for a project without tests.

    Returns:
        What became of each tag, in their order. A tag that the image has already is left alone.

    Raises:
        StageError: the image has no pass, or a tag cannot be one; nothing was changed.
        NotFoundError: the image is not in the registry.
    """
    if tested_required and passed(registry, image) is None:
        raise StageError(
            f"{image.reference} (commit {image.revision[:12]}) has not passed its tests, so it is "
            "not promoted",
            remedy="test it with: junov test",
        )
    for tag in tags:
        _check(tag)
    manifest = _manifest(registry, image.repository, image.digest)
    return tuple(_put(registry, image.repository, manifest, tag) for tag in tags)


def retag(registry: Registry, repository: Repository, digest: str, tag: str) -> Promotion:
    """Give whatever has a digest a tag, with no question about tests: for caches of builds.

    Raises:
        NotFoundError: nothing in the repository has this digest.
    """
    _check(tag)
    return _put(registry, repository, _manifest(registry, repository, digest), tag)


def _check(tag: str) -> None:
    if not is_tag(tag):
        raise StageError(
            f"`{tag}` cannot be an image's tag",
            remedy="a tag has at most 128 letters, digits, `_`, `.` or `-`",
        )


def _manifest(registry: Registry, repository: Repository, digest: str) -> Manifest:
    manifest = registry.manifest(repository, digest)
    if manifest is None:
        raise NotFoundError(
            f"{repository.at(digest)} is not in the registry", remedy="push it with: junov build"
        )
    return manifest


def _put(registry: Registry, repository: Repository, manifest: Manifest, tag: str) -> Promotion:
    old = registry.digest(repository, tag)
    if old != manifest.digest:
        registry.put_manifest(repository, tag, manifest)
    return Promotion(tag, old, manifest.digest)
