"""Finding an image in the registry, by its commit or by the tag it was promoted to."""

from __future__ import annotations

from junov.environments.identity import commit_image_tag
from junov.errors import StageError
from junov.images.image import Image
from junov.images.manifest import ImageConfig, Manifest
from junov.images.reference import Repository
from junov.images.registry import Registry
from junov.images.tested import read_pass

# https://github.com/opencontainers/image-spec/blob/main/annotations.md
REVISION = "org.opencontainers.image.revision"
SOURCE = "org.opencontainers.image.source"
CREATED = "org.opencontainers.image.created"

_BUILD_AGAIN = "build it again with: junov build"


def find_built(registry: Registry, repository: Repository, revision: str) -> Image | None:
    """The image that was built from a commit.

    Args:
        registry: the client.
        repository: where the project keeps its images.
        revision: the full commit, with `-dirty` where the tree had changes.

    Returns:
        None where it was not built, or not to the end: both images are pushed, or neither counts.

    Raises:
        StageError: what the registry has under the commit's tags was built from another commit,
            or the debug image is not built on top of the release image.
    """
    tag, debug_tag = commit_image_tag(revision), commit_image_tag(revision, debug=True)
    release, debug = registry.manifest(repository, tag), registry.manifest(repository, debug_tag)
    if release is None or debug is None:
        return None
    config, debug_config = registry.config(repository, release), registry.config(repository, debug)
    for name, found in ((tag, config), (debug_tag, debug_config)):
        if found.labels.get(REVISION) != revision:
            raise StageError(
                f"{repository.tagged(name)} says it was built from "
                f"{found.labels.get(REVISION) or 'no commit'}",
                remedy=_BUILD_AGAIN,
            )
    if not config.is_base_of(debug_config):
        raise StageError(
            f"the debug image of commit {revision[:12]} is not built on top of its release image, "
            "so its tests would say nothing about what is delivered",
            remedy="let the `debug` stage of the Dockerfile begin with `FROM release`, then run: "
            "junov build",
        )
    return _image(repository, release, config, debug.digest).under(tag)


def find_promoted(registry: Registry, repository: Repository, image_tag: str) -> Image | None:
    """The image that was promoted to a tag, such as `main`.

    Returns:
        None where nothing was promoted to it. Its debug digest is that of the image its tests ran
        in; without tests, the one that was built with it, as long as the registry has it.

    Raises:
        StageError: the image doesn't say from which commit it was built.
    """
    manifest = registry.manifest(repository, image_tag)
    if manifest is None:
        return None
    config = registry.config(repository, manifest)
    revision = config.labels.get(REVISION)
    if not revision:
        raise StageError(
            f"{repository.tagged(image_tag)} does not say from which commit it was built",
            remedy="build, test and promote it with junov: junov run",
        )
    record = read_pass(registry, repository, manifest.digest)
    debug_digest = record.debug_digest if record else None
    built = registry.digest(repository, commit_image_tag(revision))
    if debug_digest is None and built == manifest.digest:
        debug_digest = registry.digest(repository, commit_image_tag(revision, debug=True))
    return _image(repository, manifest, config, debug_digest).under(image_tag)


def _image(
    repository: Repository, manifest: Manifest, config: ImageConfig, debug_digest: str | None
) -> Image:
    return Image(
        repository=repository,
        digest=manifest.digest,
        debug_digest=debug_digest,
        revision=config.labels[REVISION],
        source=config.labels.get(SOURCE, ""),
        created=config.labels.get(CREATED) or config.created,
    )
