"""Rollback: an older release serves again, from its own record, without a checkout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from shlex import quote
from typing import Any

from junov.delivery.admission import pulled, refuse_foreign_network, register, require_edge
from junov.delivery.backups.before import back_up_first
from junov.delivery.delivered import (
    Delivered,
    find_release,
    junov_yaml_of,
    read_release,
    write_release,
)
from junov.delivery.environments import EnvironmentView
from junov.delivery.generations import live_identity
from junov.delivery.migrations import migrate, schema_heads, take_back
from junov.delivery.provision import ensure_database, ensure_private_network
from junov.delivery.recording import brought_back, next_number, prune, recorded
from junov.delivery.repair import repaired
from junov.delivery.rollout.rollout import roll_out
from junov.delivery.turn import turn
from junov.errors import JunovError, NotFoundError, StageError
from junov.journal import Release
from junov.site import Site
from junov.steps import Steps


@dataclass(frozen=True)
class Way:
    """From the release that serves to the one that is to serve again.

    Args:
        live: the release that serves, from the journal.
        target: the release to go back to, from the journal.
        old: the target, as its folder has it.
        schema: where the database's migrations stand; empty where that isn't known.
        is_behind: whether the target's own migrations bring the schema to where its code wants it,
            as after a rollback that took the schema back.
        newer: the release whose migrations brought it there, as its folder has it; None where the
            schema isn't ahead, or there is no such release any more.
    """

    live: Release
    target: Release
    old: Delivered
    schema: tuple[str, ...]
    is_behind: bool
    newer: Delivered | None

    @property
    def schema_is_ahead(self) -> bool:
        """Whether the database is known to stand where the target's code doesn't know it."""
        known = bool(self.schema and self.target.schema_heads)
        return known and self.schema != self.target.schema_heads and not self.is_behind

    def lines(self) -> list[str]:
        """What it means, a line each, for a person to read before saying yes."""
        told = [
            f"{_named(self.live)} serves now",
            f"{_named(self.target)} would serve again, as it was delivered",
        ]
        heads = (
            f"the database stands at {_heads(self.schema)}, the code of release "
            f"{self.target.number} at {_heads(self.target.schema_heads)}"
        )
        if self.schema_is_ahead:
            told.append(f"the schema is ahead of its code: {heads}")
        if self.is_behind:
            told.append(f"the schema is behind its code: {heads}; its migrations would run first")
        return told


def find_way(site: Site, view: EnvironmentView, to: int | None) -> Way:
    """From what serves in an environment to the release that is asked for.

    Args:
        site: the server.
        view: the environment.
        to: the release's number; without it, the one that served before the one that serves. What
            a rollback brought back counts as the release it is of, so a second rollback goes
            further back and not forth again.

    Raises:
        NotFoundError: there is no such release, or it isn't kept any more.
        StageError: it never served, or is the one that serves.
    """
    live = site.journal.last_release(view, "succeeded")
    if live is None:
        raise NotFoundError(
            f"nothing has been delivered to {view.name} yet",
            remedy=f"deliver something: junov deploy {quote(view.ref)}",
        )
    target = _before(site, view, live) if to is None else site.journal.release(view, to)
    if target.outcome != "succeeded":
        raise StageError(
            f"release {target.number} of {view.name} never served: its outcome is "
            f"`{target.outcome}`",
            remedy=f"see which did: junov releases {quote(view.name)}",
        )
    if target.number == live.number:
        raise StageError(
            f"release {target.number} of {view.name} is the one that serves",
            remedy=f"see the others: junov releases {quote(view.name)}",
        )
    # What a rollback brought back is kept as the release that it is of. Its code comes back, not
    # the database that it had.
    generation = live_identity(site, view.identity).generation
    old = read_release(site, view.identity, target.origin).on(generation)
    schema = schema_heads(site, old)
    at_it = _releases_at(site, view, schema) if schema != target.schema_heads else []
    if schema and target.schema_heads and at_it and all(r.origin < target.origin for r in at_it):
        return Way(live, target, old, schema, is_behind=True, newer=None)
    kept = (find_release(site, view.identity, release.number) for release in at_it)
    newer = next(
        (each for each in kept if each and each.environment.identity.generation == generation), None
    )
    return Way(live, target, old, schema, is_behind=False, newer=newer)


def rollback(
    site: Site,
    view: EnvironmentView,
    steps: Steps,
    *,
    to: int | None = None,
    downgrade: bool = False,
    ask: Callable[[Way], None],
    wait: float | None = None,
) -> dict[str, Any]:
    """Let an older release serve again, over the same gapless path as a deploy.

    It is a new release with the older one's stack and image, from the record on this server.

    Args:
        site: the server.
        view: the environment.
        steps: shows what is done.
        to: the release's number; see `find_way`.
        downgrade: take the database's schema back first, by the project's own command.
        ask: shown the way before any of it is gone; what it raises ends the rollback.
        wait: seconds to wait for another run in this environment; an hour without.

    Returns:
        The new release, for people and machines.

    Raises:
        As `find_way`; StageError: it doesn't come up, and what served goes on serving.
    """
    with turn(site, view, purpose=f"rollback of {view.name}", steps=steps, wait=wait):
        require_edge(site)
        repaired(site, view, view.identity, steps)
        way = find_way(site, view, to)
        command = downgrade_command(way, view) if downgrade else None
        ask(way)
        number = next_number(site, way.old.environment)
        delivered = way.old.again(site, number)
        environment, project = delivered.environment, delivered.project
        refuse_foreign_network(site, environment)
        with steps.step("pull", "Pull what the engine lacks") as step:
            pulled(site, delivered.stack, step)
        register(site, project, environment, steps, wait=wait)
        with recorded(site, environment, number, brought_back(way.target), steps) as (
            release,
            steps,
        ):
            write_release(delivered, junov_yaml_of(way.old))
            release.is_written_to(delivered.file)
            with steps.step("network", "Private network") as step:
                step.note = ensure_private_network(site, environment, project).subnets[0]
            with steps.step("database", "Database") as step:
                step.note = str(ensure_database(site, environment, project))
            if way.is_behind or (way.newer and command):
                back_up_first(site, environment, steps)
            with _upgraded_again_on_failure(site, way, delivered, steps):
                if way.newer and command:
                    with steps.step("downgrade", "Take the schema back") as step:
                        take_back(site, delivered, way.newer, command, step)
                if way.is_behind:
                    with steps.step("migrate", "Migrate") as step:
                        migrate(site, delivered, step)
                release.has_schema(way.target.schema_heads)
                roll_out(site, delivered, release, steps)
            with steps.step("prune", "Forget what is too old") as step:
                prune(site, environment, number, step)
    return {
        "environment": view.name,
        "release": number,
        "restores": way.target.origin,
        "commit": way.target.commit,
        "digest": way.target.digest,
        "url": site.server.url(environment.host),
    }


def _before(site: Site, view: EnvironmentView, live: Release) -> Release:
    """The release that served before the one that serves, by what each of them really is."""
    for release in site.journal.releases(view, limit=_LOOKED_AT):
        if release.outcome == "succeeded" and release.number < live.origin:
            return site.journal.release(view, release.origin)
    raise NotFoundError(
        f"{view.name} has no release before {live.origin} to go back to",
        remedy=f"see those that it has: junov releases {quote(view.name)}",
    )


def _releases_at(site: Site, view: EnvironmentView, schema: tuple[str, ...]) -> list[Release]:
    """The releases whose code wants the schema as it is, the newest first."""
    releases = site.journal.releases(view, limit=_LOOKED_AT)
    return [release for release in releases if release.schema_heads == schema]


_LOOKED_AT = 1000


def downgrade_command(way: Way, view: EnvironmentView) -> tuple[str, ...] | None:
    """The project's command that takes the schema back; None where it is where it should be.

    Raises:
        StageError: there is no such command, or it isn't known where to go back to.
    """
    heads, newer = way.target.schema_heads, way.newer
    if way.is_behind or (way.schema and way.schema == heads):
        return None
    if len(heads) != 1 or newer is None or newer.project.migrate is None:
        raise StageError(
            f"the schema stands at {_heads(way.schema)} and would have to go back to "
            f"{_heads(heads)}; there is no way to do that by itself",
            remedy="take it back by hand, with: junov env exec "
            f"{quote(view.name)} -- alembic downgrade …; then roll back without --downgrade",
        )
    command = newer.project.migrate.downgrade
    if command is None:
        raise StageError(
            f"release {newer.release} of {view.name} has no `migrate.downgrade` in its junov.yaml",
            remedy='set it and deploy once, such as: downgrade: [alembic, downgrade, "{head}"]',
        )
    return tuple(word.replace("{head}", heads[0]) for word in command)


@contextmanager
def _upgraded_again_on_failure(
    site: Site, way: Way, delivered: Delivered, steps: Steps
) -> Iterator[None]:
    """Whatever fails in the block: the schema is brought back to what still serves."""
    try:
        yield
    except BaseException:
        newer = way.newer
        if newer and schema_heads(site, newer) != way.schema:
            # What failed first is what has to be told; what fails here, its step says.
            with suppress(JunovError), steps.step("upgrade", "Upgrade the schema again") as step:
                migrate(site, delivered, step, code=newer)
        raise


def _named(release: Release) -> str:
    subject = f" {release.subject}" if release.subject else ""
    return f"release {release.number} ({release.commit[:8]}{subject})"


def _heads(heads: tuple[str, ...]) -> str:
    return " and ".join(heads) or "(not known)"
