"""Build: two images from one Dockerfile, pushed under the commit."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from shlex import quote

from junov.delivery.source import Source, image_repository
from junov.engine.build import Build, build_images, push
from junov.engine.login import docker_login
from junov.errors import NotFoundError, StageError
from junov.images import Image, Registry, Repository, find_built, parse_repository, retag
from junov.images.credentials import ci_credentials
from junov.site import Site
from junov.steps import Steps

CACHE_TAG = "cache"
"""The debug image that was built last, for machines that have no cache of their own; it contains
the release image."""


def build(source: Source, site: Site, steps: Steps) -> Image:
    """Build and push the images of a commit, unless the registry has them already.

    Args:
        source: the commit.
        site: has the engine; says where images are kept, unless the project does.
        steps: shows what is done.

    Returns:
        The image, with the digests that the registry gave.

    Raises:
        StageError: the build or the push failed, or `debug` is not built on top of `release`.
    """
    repository = parse_repository(image_repository(source, site))
    with Registry() as registry:
        with steps.step("look", f"Look for {source.short} in {repository}") as step:
            found = None if source.dirty else find_built(registry, repository, source.revision)
            step.note = f"built before: {found.digest}" if found else "not built yet"
        if found:
            return found
        config = source.folder.config.build
        plan = Build(
            context=(source.root / config.context).resolve(),
            dockerfile=source.root / config.context / config.dockerfile,
            release=config.release,
            debug=config.debug,
            repository=str(repository),
            revision=source.revision,
            source=source.origin,
            created=source.commit.committed_at,
            version=source.ref.name,
            cache_from=(CACHE_TAG,),
        )
        with logged_in(repository) as env:
            with steps.step("build", f"Build {config.debug} and {config.release}") as step:
                build_images(site.tools, plan, env=env, on_line=step.say)
            with steps.step("push", f"Push to {repository}") as step:
                digests = [
                    push(site.tools, plan.reference(debug=debug), env=env, on_line=step.say)
                    for debug in (True, False)
                ]
                debug_digest, release_digest = digests
                retag(registry, repository, debug_digest, CACHE_TAG)
                step.note = release_digest
        image = find_built(registry, repository, source.revision)
        if image is None:
            raise StageError(
                f"{repository} does not have what was just pushed to it",
                remedy="see whether a cleanup policy of the registry removes new tags",
            )
        return image


def find_image(source: Source, site: Site, registry: Registry) -> Image:
    """The image that was built from a commit.

    Raises:
        NotFoundError: there is none.
    """
    repository = parse_repository(image_repository(source, site))
    image = find_built(registry, repository, source.revision)
    if image is None:
        raise NotFoundError(
            f"{source.short} has not been built: it is not in {repository}",
            remedy=f"build it with: junov build {quote(source.ref.name)}",
        )
    return image


@contextmanager
def logged_in(repository: Repository) -> Iterator[Mapping[str, str]]:
    """Variables for the docker client that let it push and pull here.

    Credentials that a CI job was given stay in a folder of their own that is removed afterwards;
    otherwise the client uses its own configuration.
    """
    given = ci_credentials(repository.host, os.environ)
    if given is None:
        yield {}
        return
    with docker_login(repository.host, given.user, given.password) as env:
        yield env
