"""From a commit's compose files to a stack that the guard has passed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from junov.config.postgres import POSTGRES_PORT
from junov.config.project import ProjectFolder
from junov.databases import url_values
from junov.delivery.values import database_password, secrets
from junov.engine.resolve import resolve
from junov.environments import Environment, environments_of, identify
from junov.environments.identity import test_stack as name_of_test_stack
from junov.environments.labels import ENVIRONMENT, PROJECT, SERVER
from junov.errors import NotFoundError, StageError
from junov.images import Image
from junov.secret import Secret
from junov.site import Site
from junov.stacks.assemble import assemble_deploy, assemble_test
from junov.stacks.guard import Context, Foreign, ImageFacts, guard, refuse
from junov.stacks.layers import layers_for_deploy, layers_for_test
from junov.stacks.side_by_side import side_by_side
from junov.stacks.stack import Model, Stack
from junov.stacks.variables import identity_variables, release_variables


def deployed_stack(
    folder: ProjectFolder,
    environment: Environment,
    site: Site,
    image: Image,
    facts: ImageFacts,
    *,
    release: int,
) -> Stack:
    """The stack of one release: layered, resolved, checked, assembled.

    Args:
        folder: the project at the commit that is deployed.
        environment: whose stack it is.
        site: the server.
        image: what the project's own services run.
        facts: what the registry says about it.
        release: the release's number.

    Raises:
        ConfigError: Compose refuses the files.
        GuardError: the guard does.
    """
    project, server = folder.config, site.server
    values: dict[str, str | Secret] = {
        **identity_variables(environment),
        **release_variables(
            commit=image.revision, release=release, url=server.url(environment.host)
        ),
        **_database_variables(folder, environment, site),
        **secrets(project, environment, site),
    }
    layers = layers_for_deploy(folder, environment, values)
    model = resolve(site.tools.compose, layers, stack_name=environment.identity.stack)
    refuse(
        guard(
            Context(
                model=model,
                layers=layers,
                folder=folder,
                target=environment,
                others=others_on(site, folder, environment),
                image=facts,
                pool=server.networks.pool,
            )
        )
    )
    stack = assemble_deploy(
        model,
        project=project,
        target=environment,
        image=image.reference,
        values=values,
        commit=image.revision,
        release=release,
        server=server.name,
        interpolation=layers.values,
        contents=_file_contents(model),
    )
    # The password alone, too: a log line may show it without the URL around it.
    password = database_password(site, environment.identity)
    return side_by_side(replace(stack, secrets=stack.secrets | {password}), release)


def tested_stack(folder: ProjectFolder, site: Site, image: Image, *, run: str) -> Stack:
    """The throw-away stack of one test run. Raises as `deployed_stack`.

    Args:
        folder: the project at the commit that is tested.
        site: has Compose.
        image: its debug image is what the project's own services run.
        run: what tells this run from others; the value of its label.
    """
    name = name_of_test_stack(folder.config.project, image.commit, run.rpartition("-")[2])
    layers = layers_for_test(folder)
    model = resolve(site.tools.compose, layers, stack_name=name)
    refuse(guard(Context(model=model, layers=layers, folder=folder)))
    return assemble_test(
        model,
        project=folder.config,
        stack_name=name,
        image=image.debug_reference,
        run=run,
        interpolation=layers.values,
    )


def _file_contents(model: Model) -> dict[str, str]:
    """The texts of the files that configs and secrets come from, which the guard has passed.

    Raises:
        StageError: one of them is no text.
    """
    sources = [*model.get("configs", {}).values(), *model.get("secrets", {}).values()]
    paths = [str(source["file"]) for source in sources if source.get("file")]
    contents = {}
    for path in paths:
        try:
            contents[path] = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise StageError(
                f"the file {Path(path).name} of a config or secret cannot be read as text: {error}",
                remedy="put files that are no text into the image",
            ) from None
    return contents


def others_of_project(folder: ProjectFolder, environment: Environment) -> dict[str, Foreign]:
    """The environments that the project always has, without this one, by label."""
    found = (Foreign.of(each) for each in environments_of(folder.config) if each != environment)
    return {foreign.label: foreign for foreign in found}


def others_on(site: Site, folder: ProjectFolder, environment: Environment) -> tuple[Foreign, ...]:
    """Every other environment: those of the project, and all that live on the server."""
    others = others_of_project(folder, environment)
    me = f"{environment.project}/{environment.name}"
    for record in site.journal.environments():
        foreign = Foreign.of(record.environment)
        others[foreign.label] = foreign
    # Those that only the engine still knows have no host on record, but all their other names.
    for network in site.engine.networks({SERVER: site.server.name}):
        labels = network.labels
        if ENVIRONMENT in labels:
            label = f"{labels[PROJECT]}/{labels[ENVIRONMENT]}"
            others.setdefault(label, _known_by_labels(labels))
    others.pop(me, None)
    return tuple(others.values())


def _known_by_labels(labels: Mapping[str, str]) -> Foreign:
    names = identify(labels[PROJECT], labels[ENVIRONMENT])
    return Foreign(
        label=f"{names.project}/{names.name}",
        host="",
        database=names.database,
        role=names.role,
        network=names.network,
        stack=names.stack,
    )


def _database_variables(
    folder: ProjectFolder, environment: Environment, site: Site
) -> dict[str, str | Secret]:
    database = folder.config.database
    if database is None:
        return {}
    return url_values(
        database.variables,
        user=environment.identity.role,
        password=database_password(site, environment.identity),
        host=database.service,
        port=POSTGRES_PORT,
        name=environment.identity.database,
    )


def server_known(site: Site) -> bool:
    """Whether this machine has a server, so that what lives on it can be asked for."""
    try:
        return bool(site.server)
    except NotFoundError:
        return False


def pool_of(site: Site) -> str | None:
    """The server's address pool, where there is a server."""
    return site.server.networks.pool if server_known(site) else None
