"""First data: what a new database starts with, where that is what another environment has."""

from __future__ import annotations

from dataclasses import replace

from junov.config.kinds import STARTS
from junov.delivery.copying import copy_data
from junov.delivery.delivered import Delivered, find_release
from junov.delivery.provision import EnvironmentDatabase, start_of
from junov.delivery.room import require_room
from junov.delivery.values import database_password
from junov.environments import identify
from junov.errors import StageError
from junov.site import Site
from junov.steps import Step


def with_first_data(
    site: Site, delivered: Delivered, database: EnvironmentDatabase, step: Step
) -> EnvironmentDatabase:
    """Copy another environment's data into a new database, where its kind starts from that.

    It is done once, before anything else is in it; all of it comes or nothing. What is in a
    database already is left alone.

    Args:
        site: the server.
        delivered: the release whose database it is.
        database: the database.
        step: told what came of it.

    Returns:
        The database as it is now.

    Raises:
        StageError: nothing serves there, there is no room for it, or the copy failed.
    """
    environment = delivered.environment
    start = start_of(environment, delivered.project)
    if start in STARTS or not database.name or database.filled:
        return database
    names = environment.identity
    if site.postgres.is_empty(names.database, names.role, database_password(site, names)):
        source = _serving(site, delivered, start).environment
        require_room(site, [source.identity.database])
        copy_data(site, source, environment, step)
        step.note = f"{database}, with what {start} has"
    # Else a run that was killed has copied it.
    site.postgres.mark_filled(names.database)
    return replace(database, filled=True)


def _serving(site: Site, delivered: Delivered, name: str) -> Delivered:
    environment = delivered.environment
    theirs = identify(environment.project, name)
    route = site.routes.read(theirs.route)
    serving = find_release(site, theirs, route.release) if route else None
    if serving is None or serving.project.database is None:
        raise StageError(
            f"{environment.name} starts with what {name} has, and nothing serves there that has a "
            "database",
            remedy=f"deploy {name} first, or change `environments.{environment.kind}.start_from` "
            "in junov.yaml",
        )
    return serving
