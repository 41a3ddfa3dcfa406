"""Whether an image may go into an environment, and whether there may be one more environment."""

from __future__ import annotations

from junov.config.project import Project
from junov.delivery.source import Source, image_repository
from junov.engine.private_network import refuse_foreign
from junov.environments import Environment
from junov.environments.labels import environment_labels
from junov.errors import NotFoundError, StageError
from junov.images import Image, Registry, find_promoted, parse_repository, passed
from junov.site import Site
from junov.stacks.guard import ImageFacts


def admitted_image(
    source: Source, site: Site, environment: Environment
) -> tuple[Image, ImageFacts]:
    """The image that was promoted for the commit, and what the registry says about it.

    Raises:
        NotFoundError: nothing was promoted for this environment.
        StageError: what was promoted is another commit's, or has not passed its tests.
    """
    repository = parse_repository(image_repository(source, site))
    tag = environment.image_tag
    with Registry() as registry:
        image = find_promoted(registry, repository, tag)
        if image is None:
            raise NotFoundError(
                f"nothing has been promoted for {environment.name}: there is no "
                f"{repository.tagged(tag)}",
                remedy=f"build, test and promote it with: junov run {source.ref.name}",
            )
        if image.revision != source.revision:
            raise StageError(
                f"{repository.tagged(tag)} is commit {image.revision[:8]}, not {source.short}",
                remedy=f"promote {source.short} first: junov run {source.ref.name}",
            )
        tested = source.folder.config.test is None or passed(registry, image) is not None
        if not tested:
            raise StageError(
                f"{image.reference} has no record of passed tests",
                remedy=f"test it with: junov test {source.ref.name}",
            )
        facts = ImageFacts(
            digest=image.digest,
            promoted=registry.digest(repository, tag) or "",
            commit=source.revision,
            revision=image.revision,
            tested=tested,
        )
    return image, facts


def refuse_foreign_network(site: Site, environment: Environment) -> None:
    """Refuse an environment whose network's name is taken, before anything is written down.

    Raises:
        StageError: the network of that name is another server's, or isn't junov's.
    """
    network = site.engine.network(environment.identity.network)
    if network:
        refuse_foreign(network, environment_labels(site.server.name, environment.identity))


def refuse_over_limit(site: Site, project: Project, environment: Environment) -> None:
    """Refuse a new environment of a kind that has as many as it may have.

    Raises:
        StageError: there are `limit` of the kind, and this one isn't among them.
    """
    limit = project.environments[environment.kind].limit
    if limit is None:
        return
    others = [
        record
        for record in site.journal.environments(project.project)
        if record.kind == environment.kind and record.name != environment.name
    ]
    if len(others) >= limit:
        raise StageError(
            f"there are {len(others)} environments of the kind {environment.kind} already, and "
            f"its limit is {limit}",
            remedy=f"remove one that nobody needs (junov env rm {others[0].name}), or raise "
            f"`limit` of {environment.kind} in junov.yaml",
        )
