"""Reset, undo and clone: an environment with a fresh database, its last one, or another's data."""

from __future__ import annotations

from typing import Any

from junov.delivery.copying import copy_data
from junov.delivery.delivered import Delivered
from junov.delivery.environments import EnvironmentView
from junov.delivery.exchange import exchange, serving_with_database
from junov.delivery.first_data import with_first_data
from junov.delivery.generations import kept_of, live_identity, next_generation, replaced_at
from junov.delivery.migrations import migrate
from junov.delivery.provision import bring_up, ensure_database, fill
from junov.delivery.room import require_room
from junov.environments import Identity
from junov.environments.identity import generation_of
from junov.errors import StageError
from junov.site import Site
from junov.steps import Steps


def reset(
    site: Site, view: EnvironmentView, steps: Steps, *, wait: float | None = None
) -> dict[str, Any]:
    """Give an environment a fresh database, with what a new one of its kind has.

    Args:
        site: the server.
        view: the environment.
        steps: shows what is done.
        wait: seconds to wait for another run in this environment; an hour without.

    Returns:
        As `exchange`. Raises as that.
    """

    def made(delivered: Delivered, commit: str, steps: Steps) -> None:
        environment, project = delivered.environment, delivered.project
        with steps.step("database", "Database") as step:
            require_room(site, [live_identity(site, environment.identity).database])
            database = ensure_database(
                site, environment, project, kind="new", recipe=delivered.recipe
            )
            step.note = str(database)
            database = with_first_data(site, delivered, database, step)
        with steps.step("migrate", "Migrate") as step:
            bring_up(site, delivered, database, step)
        with steps.step("fixtures", "Fixtures") as step:
            fill(site, delivered, database, commit, step)

    return exchange(
        site,
        view,
        steps,
        purpose=f"reset of {view.name}",
        choose=lambda live: next_generation(site, live),
        fill=made,
        wait=wait,
    )


def clone(
    site: Site,
    source: EnvironmentView,
    view: EnvironmentView,
    steps: Steps,
    *,
    wait: float | None = None,
) -> dict[str, Any]:
    """Give an environment a copy of another one's data, brought up by its own migrations.

    The source goes on being used meanwhile; the copy is of one moment.

    Args:
        site: the server.
        source: whose data; of the same project.
        view: the environment that gets it; never production.
        steps: shows what is done.
        wait: seconds to wait for another run in this environment; an hour without.

    Returns:
        As `exchange`.

    Raises:
        StageError: the target is production, or the two are of different projects or the same.
        Others as `exchange`.
    """
    if view.tier == "production":
        raise StageError(
            f"{view.name} is production: no other environment's data goes into it",
            remedy="clone the other way round, or move data with tools of your own",
        )
    if source.project != view.project or source.name == view.name:
        raise StageError(
            f"{source.name} of {source.project} can't be cloned into {view.name} of {view.project}",
            remedy="name two different environments of one project",
        )

    def copied(delivered: Delivered, commit: str, steps: Steps) -> None:
        del commit
        theirs = serving_with_database(site, source)
        with steps.step("database", "Database") as step:
            require_room(site, [theirs.environment.identity.database])
            step.note = str(
                ensure_database(site, delivered.environment, delivered.project, kind="new")
            )
        with steps.step("copy", f"Copy the data of {source.name}") as step:
            copy_data(site, theirs.environment, delivered.environment, step)
            site.postgres.mark_filled(delivered.environment.identity.database)
        with steps.step("migrate", "Migrate") as step:
            migrate(site, delivered, step)

    return exchange(
        site,
        view,
        steps,
        purpose=f"clone of {source.name} into {view.name}",
        choose=lambda live: next_generation(site, live),
        fill=copied,
        wait=wait,
    )


def undo(
    site: Site, view: EnvironmentView, steps: Steps, *, wait: float | None = None
) -> dict[str, Any]:
    """Bring back the database that was replaced last; the one that it replaces is kept in turn.

    Args:
        site: the server.
        view: the environment.
        steps: shows what is done.
        wait: seconds to wait for another run in this environment; an hour without.

    Returns:
        As `exchange`.

    Raises:
        StageError: none is kept. Others as `exchange`.
    """

    def chosen(live: Identity) -> Identity:
        return live.at(kept_last(site, live))

    def opened(delivered: Delivered, commit: str, steps: Steps) -> None:
        del commit
        with steps.step("database", "Database") as step:
            step.note = str(ensure_database(site, delivered.environment, delivered.project))
        with steps.step("migrate", "Migrate") as step:
            migrate(site, delivered, step)

    return exchange(
        site,
        view,
        steps,
        purpose=f"undo in {view.name}",
        choose=chosen,
        fill=opened,
        wait=wait,
    )


def kept_last(site: Site, identity: Identity) -> int:
    """The generation of the database that was replaced last.

    Raises:
        StageError: none is kept.
    """
    kept = kept_of(site, identity)
    if not kept:
        raise StageError(
            f"no database of {identity.name} is kept that could be brought back",
            remedy="see what there is with: junov db ls",
        )
    newest = max(kept, key=replaced_at)
    return generation_of(newest.name, identity.first_database) or 1
