"""Images on an engine that nobody needs any more: of builds, tests and releases long gone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from junov.delivery.recording import is_of_no_use
from junov.engine.inspection import HeldImage
from junov.environments.identity import commit_image_tag
from junov.images.find import REVISION
from junov.site import Site


@dataclass(frozen=True, slots=True)
class Unneeded:
    """An image, and the names by which nobody needs it.

    Args:
        image: the image.
        names: those of its names that can go.
    """

    image: HeldImage
    names: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "names": list(self.names),
            "commit": self.image.labels.get(REVISION, ""),
            "created": self.image.created.isoformat(),
            "bytes": self.image.size,
        }


def unneeded(
    images: Iterable[HeldImage],
    *,
    repositories: Collection[str],
    is_needed: Callable[[str], bool],
    before: datetime,
) -> Iterator[Unneeded]:
    """The images that can go. Pure.

    Args:
        images: what the engine holds.
        repositories: those whose images are ours, wherever they were built.
        is_needed: whether a release that can be gone back to has the image of that name.
        before: images of commits from then on stay: they may be on their way to somewhere.
    """
    for image in images:
        revision = image.labels.get(REVISION, "")
        if not revision or image.created >= before:
            continue
        built = {commit_image_tag(revision, debug=debug) for debug in (False, True)}
        names = tuple(
            name
            for name in image.names
            if (_tag(name) in built or _repository(name) in repositories) and not is_needed(name)
        )
        if names:
            yield Unneeded(image, names)


def find_unneeded(site: Site, before: datetime) -> list[Unneeded]:
    """Those of this machine's engine; see `unneeded`."""
    releases = (
        release
        for environment in site.journal.environments()
        for release in site.journal.releases(environment)
    )
    return list(
        unneeded(
            site.engine.images(),
            repositories={_repository(release.image) for release in releases},
            is_needed=lambda name: not is_of_no_use(site, name),
            before=before,
        )
    )


def remove_unneeded(site: Site, found: Iterable[Unneeded]) -> list[str]:
    """Remove them, but for what a container was made from; returns the names that are gone."""
    return [name for each in found for name in each.names if site.engine.remove_image(name)]


def _repository(name: str) -> str:
    without_digest = name.partition("@")[0]
    head, colon, tag = without_digest.rpartition(":")
    return head if colon and "/" not in tag else without_digest


def _tag(name: str) -> str:
    tag = name.rpartition(":")[2]
    return "" if "/" in tag or "@" in name else tag
