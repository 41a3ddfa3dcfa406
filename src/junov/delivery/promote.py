"""Promote: the environment's tag on the very image that passed its tests."""

from __future__ import annotations

from junov.delivery.build import find_image
from junov.delivery.source import Source
from junov.errors import StageError
from junov.images import Image, Registry
from junov.images import promote as put_tags
from junov.site import Site
from junov.steps import Steps

LATEST = "latest"


def promote(source: Source, site: Site, steps: Steps) -> tuple[Image, tuple[str, ...]]:
    """Give a commit's image its environment's tag, and `latest` on the stable branch.

    Args:
        source: the commit, on a ref that an environment is for.
        site: says where images are kept, unless the project does.
        steps: shows what is done.

    Returns:
        The image, and the tags that it has now.

    Raises:
        NotFoundError: no environment is for the ref.
        StageError: it was not built, or has not passed its tests.
    """
    environment = source.require_environment()
    project = source.folder.config
    tags = [environment.image_tag]
    if project.stable and source.ref.type == "branch" and source.ref.name == project.stable:
        tags.append(LATEST)
    with (
        steps.step("promote", f"Promote {source.short} to {', '.join(tags)}") as step,
        Registry() as registry,
    ):
        image = find_image(source, site, registry)
        if image.is_dirty and environment.tier in ("production", "staging"):
            raise StageError(
                f"{environment.name} is of the tier {environment.tier}, and this image was built "
                "from changes that are not committed",
                remedy="commit them and run the stages again",
            )
        promotions = put_tags(registry, image, tags, tested_required=project.test is not None)
        changed = [promotion.tag for promotion in promotions if promotion.changed]
        step.note = image.digest if changed else f"{image.digest}, as before"
    return image, tuple(tags)
