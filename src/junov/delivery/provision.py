"""What an environment needs before anything of it runs: network, database, schema, data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from junov.config.project import Project
from junov.databases import Kind, Stamp
from junov.delivery.delivered import Delivered
from junov.delivery.migrations import migrate
from junov.delivery.recipe import Recipe
from junov.delivery.rollout.hooks import run_once
from junov.delivery.room import require_room
from junov.delivery.templates import Fitting, find_template, keep_template
from junov.delivery.values import database_password
from junov.engine.inspection import Network
from junov.engine.private_network import (
    DATABASE_ALIAS,
    NETWORKS_LOCK,
    connect_trusted,
    ensure_network,
)
from junov.environments import Environment, Identity
from junov.environments.labels import environment_labels
from junov.errors import StageError
from junov.locks import held
from junov.site import Site
from junov.steps import Step

FIXTURES_SECONDS = 600


@dataclass(frozen=True, slots=True)
class EnvironmentDatabase:
    """The environment's database, as a deploy finds or makes it.

    Args:
        name: its name; empty for a project without a database.
        created: whether it was made just now.
        filled: whether it has its first data.
        template: what it was copied from just now; None where it was not.
    """

    name: str
    created: bool
    filled: bool
    template: Fitting | None = None

    def __str__(self) -> str:
        if not self.name:
            return "the project has none"
        if self.template:
            commit = self.template.template.commit[:8]
            return f"{self.name}, a copy of the template that {commit} has made"
        return f"{self.name}, new" if self.created else self.name


def ensure_private_network(site: Site, environment: Environment, project: Project) -> Network:
    """The environment's private network, with the edge and Postgres in it."""
    server = site.server
    labels = environment_labels(server.name, environment.identity)
    if project.database:
        labels[DATABASE_ALIAS] = project.database.service
    with held(site.home.locks_folder, NETWORKS_LOCK, purpose=f"network of {environment.name}"):
        network = ensure_network(
            site.engine,
            environment.identity.network,
            server=server.name,
            pool=server.networks.pool,
            size=server.networks.size,
            labels=labels,
        )
    connect_trusted(site.engine, server.name, network)
    return network


def ensure_database(
    site: Site,
    environment: Environment,
    project: Project,
    *,
    kind: Kind = "live",
    recipe: Recipe | None = None,
) -> EnvironmentDatabase:
    """The environment's database and role, if the project has a database.

    Args:
        site: the server.
        environment: whose they are.
        project: says how many connections the role may hold.
        kind: what the database is to the environment if it is made just now.
        recipe: what is wanted in it then; where there is a template with it, or with most of it,
            that is copied. None for a database that is made empty.

    Raises:
        StampMismatchError: there is a database of that name, and it is not this environment's.
        StageError: there is no room for a copy of the template.
    """
    if project.database is None:
        return EnvironmentDatabase("", created=False, filled=False)
    names = environment.identity
    from_fixtures = start_of(environment, project) == "fixtures"
    template = find_template(site, names, recipe) if recipe and from_fixtures else None
    if template:
        require_room(site, [template.template.name])
    ensured = site.postgres.ensure(
        database=names.database,
        role=names.role,
        password=database_password(site, names),
        connections=project.database.connections,
        stamp=stamp_of(site, names, kind),
        template=template.template if template else None,
    )
    return EnvironmentDatabase(
        names.database,
        created=ensured.created_database,
        filled=ensured.stamp.filled,
        template=template if ensured.created_database else None,
    )


def stamp_of(site: Site, identity: Identity, kind: Kind = "live") -> Stamp:
    """The stamp that a database of an environment gets, if it is made now."""
    return Stamp(
        server=site.server.name,
        project=identity.project,
        environment=identity.name,
        created_at=datetime.now(UTC).replace(microsecond=0),
        kind=kind,
    )


def start_of(environment: Environment, project: Project) -> str:
    """What an environment's new database has in it: `fixtures`, `empty` or another one's name."""
    if environment.is_production:
        return "empty"
    return project.environments[environment.kind].start_from


def bring_up(site: Site, delivered: Delivered, database: EnvironmentDatabase, step: Step) -> None:
    """Run a release's migrations, unless its database is a copy that has them.

    Raises:
        StageError: as `migrate`.
    """
    if database.template and database.template.complete:
        step.note = "it has them from the template"
    else:
        migrate(site, delivered, step)


def fill(
    site: Site, delivered: Delivered, database: EnvironmentDatabase, commit: str, step: Step
) -> None:
    """Fill a database that has no data yet with the project's fixtures; never in production.

    What comes of it is kept as a template, for the next one that is to have the same.

    Args:
        site: the server.
        delivered: the release whose fixtures these are.
        database: its database; its migrations have run.
        commit: the release's.
        step: told what came of it.

    Raises:
        StageError: the command failed; the next deploy runs it again.
    """
    settings, environment = delivered.project.database, delivered.environment
    if settings is None:
        step.note = "the project has none"
        return
    if environment.is_production:
        step.note = "never in production"
        return
    start = start_of(environment, delivered.project)
    if start != "fixtures":
        step.note = f"not here: {environment.kind} starts from {start}"
        site.postgres.mark_filled(database.name)
        return
    if database.filled and not database.template:
        step.note = "filled before"
        return
    if database.template:
        step.note = "it has them from the template"
        if database.template.complete:
            return
    elif settings.fixtures:
        _run_fixtures(site, delivered, settings.fixtures, step)
        site.postgres.mark_filled(database.name)
    else:
        step.note = "the project has none"
        if not database.created:
            return
    kept = keep_template(site, delivered, commit)
    step.note = "; ".join(filter(None, [step.note, kept]))


def _run_fixtures(site: Site, delivered: Delivered, command: Sequence[str], step: Step) -> None:
    stack = delivered.stack
    service = stack.migrate or next(iter(stack.background), None) or stack.web
    code = run_once(site, delivered, service, command, FIXTURES_SECONDS, step)
    if code:
        raise StageError(
            f"the fixtures failed with exit code {code}",
            remedy="their last lines are above; mend them and do this again",
        )
