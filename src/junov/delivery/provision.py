"""What an environment needs before anything of it runs: network, database, schema, data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from junov.config.fields import format_duration
from junov.config.project import Project
from junov.databases import Stamp
from junov.delivery.delivered import Delivered
from junov.delivery.rollout.hooks import run_once
from junov.delivery.values import database_password
from junov.engine.inspection import Network
from junov.engine.private_network import (
    DATABASE_ALIAS,
    NETWORKS_LOCK,
    connect_trusted,
    ensure_network,
)
from junov.environments import Environment
from junov.environments.labels import environment_labels
from junov.errors import StageError, UnavailableError
from junov.locks import held
from junov.process import TIMED_OUT
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
    """

    name: str
    created: bool
    filled: bool

    def __str__(self) -> str:
        if not self.name:
            return "the project has none"
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


def ensure_database(site: Site, environment: Environment, project: Project) -> EnvironmentDatabase:
    """The environment's database and role, if the project has a database.

    Raises:
        StampMismatchError: there is a database of that name, and it is not this environment's.
    """
    if project.database is None:
        return EnvironmentDatabase("", created=False, filled=False)
    names = environment.identity
    ensured = site.postgres.ensure(
        database=names.database,
        role=names.role,
        password=database_password(site, environment),
        connections=project.database.connections,
        stamp=Stamp(
            server=site.server.name,
            project=names.project,
            environment=names.name,
            created_at=datetime.now(UTC).replace(microsecond=0),
        ),
    )
    return EnvironmentDatabase(names.database, ensured.created_database, ensured.stamp.filled)


def migrate(site: Site, delivered: Delivered, step: Step) -> None:
    """Run the migration service of a release to its end.

    Raises:
        StageError: it failed or took too long; the old release goes on serving.
    """
    settings, service = delivered.project.migrate, delivered.stack.migrate
    if settings is None or service is None:
        step.note = "the project has no migrations"
        return
    code = run_once(site, delivered, service, (), settings.timeout, step)
    if code == TIMED_OUT:
        raise StageError(
            f"the migration had not ended after {format_duration(settings.timeout)} and was ended",
            remedy="see what it waits for, or set a larger `migrate.timeout` in junov.yaml; what "
            "ran before goes on serving",
        )
    if code:
        raise StageError(
            f"the migration failed: {service} ended with exit code {code}",
            remedy="its last lines are above; what ran before goes on serving",
        )


def schema_heads(site: Site, delivered: Delivered) -> tuple[str, ...]:
    """Where the migrations of the environment's database stand; empty where that isn't known."""
    if delivered.project.database is None or delivered.stack.migrate is None:
        return ()
    names = delivered.environment.identity
    try:
        return site.postgres.alembic_heads(
            names.database, names.role, database_password(site, delivered.environment)
        )
    except UnavailableError:  # such as a role that has no connection left
        return ()


def fill(site: Site, delivered: Delivered, database: EnvironmentDatabase, step: Step) -> None:
    """Fill a database that has no data yet with the project's fixtures; never in production.

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
        step.note = "filled before"
        return
    service = stack.migrate or next(iter(stack.background), None) or stack.web
    code = run_once(site, delivered, service, command, FIXTURES_SECONDS, step)
    if code:
        raise StageError(
            f"the fixtures failed with exit code {code}",
            remedy="their last lines are above; the next deploy runs them again",
        )
    site.postgres.mark_filled(database.name)
