"""What runs is what was built, tested and promoted, down to the digest."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from junov.stacks.guard.context import Context
from junov.stacks.guard.placeholders import without_passwords
from junov.stacks.guard.rule import DEPLOY, EVERYWHERE, Hit, Rule

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


def _unpinned_image(context: Context) -> Iterator[Hit]:
    for service, data in context.services.items():
        image = without_passwords(str(data.get("image", "")))
        if service not in context.own and image and not _DIGEST.search(image):
            loc = ("services", service, "image")
            yield Hit(
                f"service `{service}` runs `{image}`, which is not pinned to a digest",
                image,
                loc,
                remedy=f"pin it: {image}@sha256:…, as `docker pull {image} && docker image inspect "
                f"--format '{{{{index .RepoDigests 0}}}}' {image}` shows it",
            )


def _other_build(context: Context) -> Iterator[Hit]:
    build, root = context.project.build, context.layers.project_dir
    expected_context = os.path.realpath(root / build.context)
    expected_file = os.path.realpath(root / build.context / build.dockerfile)
    for service in context.own:
        data = context.services[service].get("build") or {}
        loc = ("services", service, "build")
        folder = str(data.get("context", root))
        file = os.path.realpath(Path(folder) / data.get("dockerfile", "Dockerfile"))
        if "dockerfile_inline" in data:
            at = (*loc, "dockerfile_inline")
            yield Hit(f"service `{service}` is built from lines of its own", service, at, key=True)
        elif os.path.realpath(folder) != expected_context:
            shown = os.path.relpath(folder, root)
            yield Hit(
                f"service `{service}` is built from the folder `{shown}`, but the project's image "
                f"from `{build.context}`",
                service,
                (*loc, "context"),
            )
        elif file != expected_file:
            shown = os.path.relpath(file, root)
            yield Hit(
                f"service `{service}` is built from `{shown}`, but the project's image from "
                f"`{build.dockerfile}`",
                service,
                (*loc, "dockerfile"),
            )


def _other_image(context: Context) -> Iterator[Hit]:
    facts, loc = context.image, ("services", context.project.web.service, "build")
    if facts and facts.digest != facts.promoted:
        yield Hit(
            f"the image {_short(facts.digest)} is not the one that was promoted, "
            f"{_short(facts.promoted)}",
            facts.digest,
            loc,
        )


def _other_commit(context: Context) -> Iterator[Hit]:
    facts, loc = context.image, ("services", context.project.web.service, "build")
    if facts and facts.revision != facts.commit:
        built = f"from {facts.revision[:12]}" if facts.revision else "without a word of its commit"
        yield Hit(
            f"the image {_short(facts.digest)} was built {built}, not from {facts.commit[:12]}",
            facts.digest,
            loc,
        )


def _untested_image(context: Context) -> Iterator[Hit]:
    facts, loc = context.image, ("services", context.project.web.service, "build")
    if facts and context.project.test and not facts.tested:
        yield Hit(f"the image {_short(facts.digest)} has not passed its tests", facts.digest, loc)


def _short(digest: str) -> str:
    algorithm, _, value = digest.rpartition(":")
    return f"{algorithm.rpartition('@')[2]}:{value[:12]}" if algorithm else digest


RULES = (
    Rule(
        id="unpinned-image",
        sentence="An image of others by its tag. A tag can become another image overnight, in one "
        "environment and not in the next. (The database service is left out of deployed stacks, "
        "so its image may have a tag.)",
        remedy="pin it to a digest",
        waivable=True,
        check=_unpinned_image,
        applies_to=DEPLOY,
        bad="services:\n  cache:\n    image: redis:7\n",
        good=f"services:\n  cache:\n    image: redis:7@sha256:{'0' * 64}\n",
    ),
    Rule(
        id="other-build",
        sentence="A service with a Dockerfile or folder of its own. All services with `build:` run "
        "the one image that junov builds, so this one would silently run another than it names.",
        remedy="use the project's Dockerfile (`build` in junov.yaml), or take the other image from "
        "a registry, pinned to a digest",
        waivable=False,
        check=_other_build,
        applies_to=EVERYWHERE,
        bad="services:\n  proxy:\n    build: ./proxy\n",
        good=f"services:\n  proxy:\n    image: team/proxy:1@sha256:{'0' * 64}\n",
    ),
    Rule(
        id="other-image",
        sentence="An image with another digest than the one that was promoted to this environment.",
        remedy="promote the image that you mean: junov promote",
        waivable=False,
        check=_other_image,
        applies_to=DEPLOY,
        bad="# the tag `main` was moved by hand after `junov promote`\n",
        good="# `junov promote` was the last to move the tag `main`\n",
    ),
    Rule(
        id="other-commit",
        sentence="An image that was built from another commit than the one that is deployed.",
        remedy="build and test this commit: junov run",
        waivable=False,
        check=_other_commit,
        applies_to=DEPLOY,
        bad="# deploying 3f2a1b…, but the image's label says 9c8d7e…\n",
        good="# org.opencontainers.image.revision is the commit that is deployed\n",
    ),
    Rule(
        id="untested-image",
        sentence="An image whose tests have not passed.",
        remedy="run them: junov test",
        waivable=False,
        check=_untested_image,
        applies_to=DEPLOY,
        bad="# the registry holds no passed test run of this digest\n",
        good="# `junov test` has passed and recorded it in the registry\n",
    ),
)
