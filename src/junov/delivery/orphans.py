"""Orphans: databases and roles that bear the stamp of an environment which isn't there any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from junov.databases import DatabaseInfo
from junov.delivery.backups.backup import back_up
from junov.delivery.environments import EnvironmentView, list_environments, unrecorded
from junov.delivery.provision import stamp_of
from junov.delivery.turn import turn
from junov.delivery.values import database_password
from junov.environments import identify
from junov.environments.identity import generation_of
from junov.site import Site
from junov.steps import Steps

_BACKUP_CONNECTIONS = 2  # one dumps, one holds the snapshot


@dataclass(frozen=True, slots=True)
class Orphans:
    """What is left of one environment.

    Args:
        project: the project's name.
        environment: the environment's name.
        databases: its databases, by name.
        roles: its roles, by name.
    """

    project: str
    environment: str
    databases: tuple[DatabaseInfo, ...]
    roles: tuple[str, ...]

    @property
    def whole(self) -> tuple[DatabaseInfo, ...]:
        """The databases that were once an environment's own, and not only begun."""
        return whole(self.databases)


def whole(databases: Iterable[DatabaseInfo]) -> tuple[DatabaseInfo, ...]:
    """Those of an environment's databases that were once its own, and not only begun."""
    return tuple(each for each in databases if each.stamp and each.stamp.kind != "new")


def list_orphans(site: Site, project: str | None) -> list[Orphans]:
    """What is left of environments that are gone, by project and name.

    An environment is there as long as the journal, the engine or the edge knows anything of it.

    Args:
        site: the server.
        project: only of this project; of all without.
    """
    known = {(view.project, view.name) for view in list_environments(site)}
    known |= {(route.project, route.environment) for route in site.routes.all()}
    found = site.postgres.orphans(site.server.name, known)
    databases = {each.name: each for each in found.databases}
    whose = {
        name: (each.stamp.project, each.stamp.environment)
        for name, each in databases.items()
        if each.stamp
    }
    roles = {name: (stamp.project, stamp.environment) for name, stamp in found.roles}
    return [
        Orphans(
            *key,
            tuple(databases[name] for name in sorted(whose) if whose[name] == key),
            tuple(name for name in sorted(roles) if roles[name] == key),
        )
        for key in sorted({*whose.values(), *roles.values()})
        if project is None or key[0] == project
    ]


def back_up_all(
    site: Site,
    view: EnvironmentView,
    databases: Iterable[DatabaseInfo],
    steps: Steps,
    *,
    connections: int = _BACKUP_CONNECTIONS,
    wait: float | None = None,
) -> list[dict[str, Any]]:
    """Back databases of an environment up that are about to be removed, whichever is the live one.

    Args:
        site: the server.
        view: the environment, of which nothing runs.
        databases: its databases.
        steps: shows what is done.
        connections: how many a role may hold from now on; a backup takes two.
        wait: seconds to wait for another backup of this environment; an hour without.

    Returns:
        The backups, each as `back_up` tells of it. Raises as that.
    """
    made = []
    for each in databases:
        generation = generation_of(each.name, view.identity.first_database) or 1
        own = view.identity.at(generation)
        # Its role may have gone, or may not log in any more.
        site.postgres.ensure(
            database=own.database,
            role=own.role,
            password=database_password(site, own),
            connections=max(connections, _BACKUP_CONNECTIONS),
            stamp=stamp_of(site, own),
        )
        made.append(back_up(site, view, steps, wait=wait, generation=generation))
    return made


def remove_orphans(
    site: Site, orphans: Orphans, steps: Steps, *, wait: float | None = None
) -> dict[str, Any]:
    """Remove what is left of an environment, once each of its databases has a backup.

    Args:
        site: the server.
        orphans: what is left.
        steps: shows what is done.
        wait: seconds to wait for another run in this environment; an hour without.

    Returns:
        What was removed and the backups, for people and machines; nothing where the environment is
        there again.

    Raises:
        StageError: a backup failed; nothing was removed.
        StampMismatchError: something is another's; nothing was removed.
        LockedError: another run is at it for longer than `wait`.
    """
    names = identify(orphans.project, orphans.environment)
    view = unrecorded(site, orphans.project, orphans.environment)
    purpose = f"removal of what is left of {orphans.environment}"
    result = {"project": orphans.project, "environment": orphans.environment}
    with turn(site, view, purpose=purpose, steps=steps, wait=wait):
        left = list_orphans(site, orphans.project)
        still = next((each for each in left if each.environment == orphans.environment), None)
        if still is None:  # somebody has deployed it meanwhile, or removed it
            return {**result, "removed": [], "backups": []}
        backups = [each["name"] for each in back_up_all(site, view, still.whole, steps, wait=wait)]
        with steps.step("database", "Databases and roles") as step:
            dropped = site.postgres.drop(names.database, names.role, stamp_of(site, names))
            step.note = ", ".join(dropped.databases) or "roles only"
    return {**result, "removed": list(dropped.databases), "backups": backups}
