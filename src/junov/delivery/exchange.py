"""Exchange: another database takes the place of an environment's own, and the old one is kept.

The new one is made and filled beside it. Then the release that serves is delivered once more, told
of the new one, on the gapless path of every release. Until the switch everybody works with the old
database, and from there on with the new; nothing is renamed, and no connection is cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from shlex import quote
from typing import Any

from junov.config.fields import format_duration
from junov.delivery.admission import pulled, register, require_edge
from junov.delivery.backups.record import list_backups
from junov.delivery.delivered import Delivered, find_release, junov_yaml_of, write_release
from junov.delivery.environments import EnvironmentView
from junov.delivery.generations import live_identity, prune_kept, settle
from junov.delivery.migrations import schema_heads
from junov.delivery.provision import ensure_private_network
from junov.delivery.recording import brought_back, next_number, prune, recorded
from junov.delivery.repair import repaired
from junov.delivery.rollout.rollout import roll_out
from junov.delivery.turn import turn
from junov.environments import Identity
from junov.errors import JunovError, StageError
from junov.pgbouncer import write_entries
from junov.site import Site
from junov.steps import Steps

FRESH_SECONDS = 15 * 60
"""How long ago production's newest backup may have ended when its database is replaced."""

Fill = Callable[[Delivered, str, Steps], None]
"""Makes the database of a release of a commit that is to use it, with what is in it."""


def exchange(
    site: Site,
    view: EnvironmentView,
    steps: Steps,
    *,
    purpose: str,
    choose: Callable[[Identity], Identity],
    fill: Fill,
    wait: float | None = None,
) -> dict[str, Any]:
    """Let another database take the place of an environment's own.

    Args:
        site: the server.
        view: the environment.
        steps: shows what is done.
        purpose: what for, such as `reset of stage`; told to whoever waits.
        choose: says which generation, given the environment's names with the live one.
        fill: makes it.
        wait: seconds to wait for another run in this environment; an hour without.

    Returns:
        The release that uses it, for people and machines.

    Raises:
        StageError: nothing serves, the project has no database, production does not allow it or
            has no fresh backup, or the release doesn't come up; the old database stays the live
            one.
        LockedError: another run is at it for longer than `wait`.
    """
    with turn(site, view, purpose=purpose, steps=steps, wait=wait):
        require_edge(site)
        repaired(site, view, view.identity, steps)
        serving = serving_with_database(site, view)
        refuse_protected(serving)
        live = site.journal.release(view, serving.release)
        old = serving.environment.identity.database
        lost = is_lost(site, serving)
        require_fresh_backup(site, serving)
        if not lost:
            settle(site, serving)
        number = next_number(site, serving.environment)
        identity = choose(serving.environment.identity)
        delivered = serving.again(site, number).on(identity.generation)
        with steps.step("pull", "Pull what the engine lacks") as step:
            pulled(site, delivered.stack, step)
        register(site, serving.project, serving.environment, steps, wait=wait)
        with (
            recorded(site, delivered.environment, number, brought_back(live), steps) as (
                release,
                steps,
            ),
            _settled_on_failure(site, serving),
        ):
            write_release(delivered, junov_yaml_of(serving))
            release.is_written_to(delivered.file)
            with steps.step("network", "Private network") as step:
                network = ensure_private_network(site, delivered.environment, delivered.project)
                step.note = network.subnets[0]
            write_entries(site)
            fill(delivered, live.commit, steps)
            release.has_schema(schema_heads(site, delivered))
            roll_out(site, delivered, release, steps)
            with steps.step("keep", "Keep the old database") as step:
                settle(site, delivered)
                site.journal.register(delivered.environment)
                step.note = "there was none any more" if lost else old
            with steps.step("prune", "Forget what is too old") as step:
                prune(site, delivered.environment, number, step)
                prune_kept(site, delivered, step)
                write_entries(site)
    return {
        "environment": view.name,
        "release": number,
        "database": identity.database,
        "kept": "" if lost else old,
        "url": site.server.url(delivered.environment.host),
    }


def serving_with_database(site: Site, view: EnvironmentView) -> Delivered:
    """The release that serves in an environment, whose project has a database.

    Raises:
        StageError: nothing serves, its record is lost, or its project has no database.
    """
    route = site.routes.read(view.identity.route)
    serving = find_release(site, view.identity, route.release) if route else None
    if serving is None:
        why = "the record of what serves it is lost" if route else "nothing serves"
        raise StageError(
            f"{view.name} can't get another database: {why}",
            remedy=f"deploy it: junov deploy {quote(view.ref)}",
        )
    if serving.project.database is None:
        raise StageError(
            f"the project {view.project} has no database",
            remedy="describe it under `database` in junov.yaml and deploy once",
        )
    return serving


def refuse_protected(serving: Delivered) -> None:
    """Refuse to replace production's database where its `junov.yaml` doesn't allow it.

    Raises:
        StageError: it doesn't.
    """
    environment = serving.environment
    if environment.is_production and not serving.project.environments[environment.kind].allow_reset:
        raise StageError(
            f"{environment.name} is production, and its junov.yaml does not allow its database to "
            "be replaced",
            remedy=f"if it is really to be, set `allow_reset: true` under {environment.kind} and "
            "deploy once",
        )


def is_lost(site: Site, serving: Delivered) -> bool:
    """Whether Postgres has neither the live database nor its role any more.

    One that somebody has renamed still has its role.
    """
    return serving.environment.identity.database not in site.postgres.names()


def require_fresh_backup(site: Site, serving: Delivered, *, then: str = "") -> None:
    """Refuse to replace production's database without a backup of the last minutes.

    Where Postgres has lost it, there is nothing that could be backed up, or replaced.

    Args:
        site: the server.
        serving: the release that serves.
        then: the command that is to follow the backup; without it, the same once more.

    Raises:
        StageError: there is none of this database that ended in the last 15 minutes.
    """
    environment = serving.environment
    if not environment.is_production or is_lost(site, serving):
        return
    newest = next(iter(list_backups(site, environment.identity)), None)
    if newest and newest.database == environment.identity.database:
        age = datetime.now(UTC) - newest.ended_at
        # One of the future was taken by a clock that was wrong, and says nothing.
        if abs(age) <= timedelta(seconds=FRESH_SECONDS):
            return
    raise StageError(
        f"{environment.name} is production, and there is no backup of the last "
        f"{format_duration(FRESH_SECONDS)} of its database {environment.identity.database}",
        remedy=f"make one: junov db backup {quote(environment.name)}; then "
        f"{then or 'run this again'}",
    )


@contextmanager
def _settled_on_failure(site: Site, serving: Delivered) -> Iterator[None]:
    """Whatever fails in the block: where the old database is still the live one, it alone is."""
    try:
        yield
    except BaseException:
        identity = serving.environment.identity
        # What failed first is what has to be told; the next run does this as well.
        with suppress(JunovError):
            if live_identity(site, identity) == identity:
                settle(site, serving)
        raise
