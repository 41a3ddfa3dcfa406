"""Whether an image may go into an environment, and whether there may be one more environment."""

from __future__ import annotations

from datetime import datetime
from shlex import quote

from junov.config.project import Project
from junov.delivery.build import logged_in
from junov.delivery.source import Source, image_repository
from junov.engine.build import pull
from junov.engine.private_network import refuse_foreign
from junov.environments import Environment
from junov.environments.labels import environment_labels
from junov.errors import NotFoundError, StageError, SupersededError
from junov.images import Image, Registry, find_promoted, parse_repository, passed
from junov.locks import held
from junov.site import Site
from junov.stacks.guard import ImageFacts
from junov.stacks.stack import Stack
from junov.steps import Step

_LIMITS_LOCK = "limits"


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


def register(site: Site, project: Project, environment: Environment) -> None:
    """Write an environment down before anything of it is made.

    Raises:
        TakenError: its host is another environment's; nothing was done.
        StageError: there is one environment of its kind too many; nothing was done.
    """
    with held(site.home.locks_folder, _LIMITS_LOCK, purpose=f"registration of {environment.name}"):
        refuse_over_limit(site, project, environment)
        site.journal.register(environment)


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
            remedy=f"remove one that nobody needs (junov env rm {quote(others[0].name)}), or raise "
            f"`limit` of {environment.kind} in junov.yaml",
        )
