"""Whether an image may go into an environment, and whether there is a place for one more."""

from __future__ import annotations

from datetime import datetime
from shlex import quote

from junov.config.project import Project
from junov.delivery.build import logged_in
from junov.delivery.lifecycle import make_place
from junov.delivery.limit import Places, places_for
from junov.delivery.source import Source, image_repository
from junov.engine.build import pull
from junov.engine.private_network import refuse_foreign
from junov.environments import Environment
from junov.environments.labels import environment_labels
from junov.errors import NotFoundError, StageError, SupersededError
from junov.images import Image, Registry, find_promoted, parse_repository, passed
from junov.site import Site
from junov.stacks.guard import ImageFacts
from junov.stacks.stack import Stack
from junov.steps import Step, Steps


def admitted_image(
    source: Source, site: Site, environment: Environment
) -> tuple[Image, ImageFacts]:
    """The image that was promoted for the commit, and what the registry says about it.

    Raises:
        NotFoundError: nothing was promoted for this environment.
        StageError: what was promoted is another commit's, or has not passed its tests.
        SupersededError: what was promoted is of a newer commit.
    """
    repository = parse_repository(image_repository(source, site))
    tag = environment.image_tag
    with Registry() as registry:
        image = find_promoted(registry, repository, tag)
        if image is None:
            raise NotFoundError(
                f"nothing has been promoted for {environment.name}: there is no "
                f"{repository.tagged(tag)}",
                remedy=f"build, test and promote it with: junov run {quote(source.ref.name)}",
            )
        if image.revision != source.revision:
            if _is_newer(image, source):
                raise SupersededError(
                    f"{source.short} is superseded by {image.revision[:8]}, a newer commit, which "
                    f"was promoted for {environment.name}",
                    remedy=f"to deploy the older one all the same, promote it: junov promote "
                    f"{source.ref.name}",
                )
            raise StageError(
                f"{repository.tagged(tag)} is commit {image.revision[:8]}, not {source.short}",
                remedy=f"promote {source.short} first: junov run {quote(source.ref.name)}",
            )
        tested = source.folder.config.test is None or passed(registry, image) is not None
        if not tested:
            raise StageError(
                f"{image.reference} has no record of passed tests",
                remedy=f"test it with: junov test {quote(source.ref.name)}",
            )
        facts = ImageFacts(
            digest=image.digest,
            promoted=registry.digest(repository, tag) or "",
            commit=source.revision,
            revision=image.revision,
            tested=tested,
        )
    return image, facts


def _is_newer(image: Image, source: Source) -> bool:
    try:
        created = datetime.fromisoformat(image.created)
    except ValueError:
        return False
    return created.tzinfo is not None and created > source.commit.committed_at


def pulled(site: Site, stack: Stack, step: Step) -> None:
    """See to it that the engine has every image of a stack, before anything is changed.

    Raises:
        StageError: the registry doesn't have one of them, or refuses it.
        UnavailableError: the registry or the engine doesn't answer.
    """
    services = stack.model["services"].values()
    missing = [
        image
        for image in sorted({str(service["image"]) for service in services})
        if site.engine.image_labels(image) is None
    ]
    for image in missing:
        with logged_in(parse_repository(image.partition("@")[0])) as env:
            pull(site.tools, image, env=env)
    step.note = ", ".join(missing) or "the engine has it"


def require_edge(site: Site) -> None:
    """See to it that the edge would take a route, before anything is changed.

    Raises:
        UnavailableError: it doesn't run, or doesn't answer.
    """
    site.edge_api.ping()


def refuse_foreign_network(site: Site, environment: Environment) -> None:
    """Refuse an environment whose network's name is taken, before anything is written down.

    Raises:
        StageError: the network of that name is another server's, or isn't junov's.
    """
    network = site.engine.network(environment.identity.network)
    if network:
        refuse_foreign(network, environment_labels(site.server.name, environment.identity))


def register(
    site: Site,
    project: Project,
    environment: Environment,
    steps: Steps,
    *,
    wait: float | None = None,
) -> None:
    """Write an environment down before anything of it is made.

    Where as many of its kind run as may, the one that was used least recently is stopped first.

    Args:
        site: the server.
        project: says how many of its kind may run, and how long a stopped one is kept.
        environment: the environment; whoever asks has its turn.
        steps: shows what is stopped.
        wait: seconds to wait for other runs in one that has to stop; an hour without.

    Raises:
        TakenError: its host is another environment's; nothing was done.
        StageError: there is no place for it, and none that may be stopped; nothing was done.
        LockedError: other runs are at those that may be stopped for longer than `wait`.
    """
    kind = project.environments[environment.kind]
    site.journal.refuse_taken(environment)
    make_place(
        site,
        environment,
        kind.limit,
        steps,
        lambda: site.journal.register(environment, keep=kind.keep),
        wait=wait,
    )


def require_place(site: Site, project: Project, environment: Environment) -> Places:
    """What has to stop for an environment that is to run, and what would be the next.

    Raises:
        StageError: as many of its kind run as may, and too few of them may be stopped.
    """
    limit = project.environments[environment.kind].limit
    places = places_for(environment, limit, site.journal.environments(project.project))
    places.require()
    return places
