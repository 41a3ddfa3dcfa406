"""What an environment needs before anything of it runs: network, database, schema, data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from junov.config.project import Project
from junov.databases import Kind, Stamp
from junov.delivery.delivered import Delivered
from junov.delivery.migrations import migrate
from junov.delivery.rollout.hooks import run_once
from junov.delivery.templates import find_template, keep_template
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
        filled: whether it has its fixtures.
        is_copy: whether it is a copy of one that the same commit has migrated and filled.
    """

    name: str
    created: bool
    filled: bool
    is_copy: bool = False

    def __str__(self) -> str:
        if not self.name:
            return "the project has none"
        if self.is_copy:
            return f"{self.name}, a copy of the template of this commit"
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
    commit: str = "",
) -> EnvironmentDatabase:
    """The environment's database and role, if the project has a database.

    Args:
        site: the server.
        environment: whose they are.
        project: says how many connections the role may hold.
        kind: what the database is to the environment if it is made just now.
        commit: whose migrations and fixtures are wanted in it then; where there is a template of
            this commit, it is copied. Empty for a database that is made empty.

    Raises:
        StampMismatchError: there is a database of that name, and it is not this environment's.
    """
    if project.database is None:
        return EnvironmentDatabase("", created=False, filled=False)
    names = environment.identity
    wants_copy = commit and is_filled_with_fixtures(environment, project)
    template = find_template(site, names, commit) if wants_copy else None
    ensured = site.postgres.ensure(
        database=names.database,
        role=names.role,
        password=database_password(site, names),
        connections=project.database.connections,
        stamp=stamp_of(site, names, kind),
        template=template,
    )
    return EnvironmentDatabase(
        names.database,
        created=ensured.created_database,
        filled=ensured.stamp.filled,
        is_copy=ensured.created_database and template is not None,
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


def is_filled_with_fixtures(environment: Environment, project: Project) -> bool:
    """Whether a new database of an environment gets the project's fixtures."""
    database = project.database
    return bool(database and database.fixtures) and not environment.is_production


def bring_up(site: Site, delivered: Delivered, database: EnvironmentDatabase, step: Step) -> None:
    """Run a release's migrations, unless its database is a copy that has them.

    Raises:
        StageError: as `migrate`.
    """
    if database.is_copy:
        step.note = "it has them from the template"
    else:
        migrate(site, delivered, step)


def fill(
    site: Site, delivered: Delivered, database: EnvironmentDatabase, commit: str, step: Step
) -> None:
    """Fill a database that has no data yet with the project's fixtures; never in production.

    What comes of it is kept as a template, for the next one that the same commit is to fill.

    Args:
        site: the server.
        delivered: the release whose fixtures these are.
        database: its database.
        commit: the release's.
        step: told what came of it.

    Raises:
        StageError: the command failed; the next deploy runs it again.
    """
    settings, stack = delivered.project.database, delivered.stack
    command = settings.fixtures if settings else None
    if not command:
        step.note = "the project has none"
        return
    if delivered.environment.is_production:
        step.note = "never in production"
        return
    if database.filled:
        step.note = "it has them from the template" if database.is_copy else "filled before"
        return
    service = stack.migrate or next(iter(stack.background), None) or stack.web
    code = run_once(site, delivered, service, command, FIXTURES_SECONDS, step)
    if code:
        raise StageError(
            f"the fixtures failed with exit code {code}",
            remedy="their last lines are above; the next deploy runs them again",
        )
    site.postgres.mark_filled(database.name)
    step.note = keep_template(site, delivered, commit)
