"""Promote: the environment's tag on the very image that passed its tests."""

from __future__ import annotations

from junov.config.overlap import matches
from junov.delivery.build import find_image
from junov.delivery.source import Source
from junov.environments import Ref
from junov.environments.identity import branch_image_tag
from junov.errors import StageError
from junov.images import Image, Registry
from junov.images import promote as put_tags
from junov.site import Site
from junov.steps import Steps

LATEST = "latest"


def promote(source: Source, site: Site, steps: Steps) -> tuple[Image, tuple[str, ...]]:
    """Give a commit's image the tags that its ref stands for.

    They are its environment's, `latest` on the stable branch, and a version's own.

    Args:
        source: the commit, on a ref that an environment is for, or on a version's tag.
        site: says where images are kept, unless the project does.
        steps: shows what is done.

    Returns:
        The image, and the tags that it has now.

    Raises:
        NotFoundError: no environment is for the ref, and it is no version.
        StageError: it was not built, or has not passed its tests.
    """
    project, tags = source.folder.config, _tags(source)
    with (
        steps.step("promote", f"Promote {source.short} to {', '.join(tags)}") as step,
        Registry() as registry,
    ):
        image = find_image(source, site, registry)
        if image.is_dirty and (what := _commits_only(source)):
            raise StageError(
                f"{what}, and this image was built from changes that are not committed",
                remedy="commit them and run the stages again",
            )
        promotions = put_tags(registry, image, tags, tested_required=project.test is not None)
        changed = [promotion.tag for promotion in promotions if promotion.changed]
        step.note = image.digest if changed else f"{image.digest}, as before"
    return image, tuple(tags)


def _tags(source: Source) -> list[str]:
    project, ref = source.folder.config, source.ref
    if source.environment is None and _is_version(source):
        return [branch_image_tag(ref.name)]
    tags = [source.require_environment().image_tag]
    if project.stable and ref == Ref("branch", project.stable):
        tags.append(LATEST)
    return tags


def _is_version(source: Source) -> bool:
    return source.ref.type == "tag" and matches(source.folder.config.versions, source.ref.name)


def _commits_only(source: Source) -> str:
    """Why only what is committed may have the tags; empty where anything may."""
    environment = source.environment
    if environment is None:
        return f"{source.ref.name} is a version"
    if environment.tier in ("production", "staging"):
        return f"{environment.name} is of the tier {environment.tier}"
    return ""
