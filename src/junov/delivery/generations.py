"""Which database is an environment's own: the one that the release uses which serves.

A database is never changed in place for another one. What takes its place is a new generation of
it, with a role and a name of its own, and the release that uses it comes to serve on the gapless
path of every release. So the change is one of routes, like every other: what requests reach is
either the old release with the old database or the new one with the new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from junov.config.project import Kept, Project
from junov.databases import DatabaseInfo
from junov.delivery.delivered import Delivered, find_release
from junov.delivery.migrations import database_heads
from junov.delivery.provision import stamp_of
from junov.environments import Environment, Identity
from junov.environments.identity import generation_of
from junov.site import Site
from junov.steps import Step


def live_identity(site: Site, identity: Identity) -> Identity:
    """The environment's names, with the database of the release that serves.

    Where there is no such release, or its record is lost, it is the newest database that is
    stamped as the live one; where there is none either, that of the first generation.
    """
    route = site.routes.read(identity.route)
    serving = find_release(site, identity, route.release) if route else None
    if serving:
        return serving.environment.identity
    live = [
        generation_of(each.name, identity.first_database) or 1
        for each in databases_of(site, identity)
        if each.stamp and each.stamp.kind == "live"
    ]
    return identity.at(max(live, default=1))


def on_live_database(site: Site, environment: Environment, project: Project) -> Environment:
    """The environment with the database of the release that serves, if the project has any."""
    if project.database is None:
        return environment
    return replace(environment, identity=live_identity(site, environment.identity))


def databases_of(site: Site, identity: Identity) -> list[DatabaseInfo]:
    """Every generation of an environment's database, the oldest first."""
    found = {
        generation_of(each.name, identity.first_database): each
        for each in site.postgres.databases()
    }
    return [found[generation] for generation in sorted(g for g in found if g is not None)]


def kept_of(site: Site, identity: Identity) -> list[DatabaseInfo]:
    """Those generations that another database has replaced, and that can be brought back."""
    found = databases_of(site, identity)
    return [each for each in found if each.stamp and each.stamp.kind == "kept"]


def next_generation(site: Site, identity: Identity) -> Identity:
    """The environment's names with a database that isn't there yet; its lock is held."""
    names = site.postgres.names()
    taken = (generation_of(name, identity.first_database) or 0 for name in names)
    return identity.at(1 + max([identity.generation, *taken]))


def settle(site: Site, serving: Delivered) -> None:
    """Let the database of the release that serves be the live one, and no other.

    Those that were live are kept, their roles may not log in any more, and what a killed or failed
    run had only begun to make is removed. Safe to repeat; the environment's lock is held.

    Raises:
        StampMismatchError: one of them is another environment's; nothing was changed.
    """
    identity = serving.environment.identity
    expected = stamp_of(site, identity)
    replaced = [
        identity.at(generation_of(each.name, identity.first_database) or 1)
        for each in databases_of(site, identity)
        if each.name != identity.database and each.stamp and each.stamp.kind == "live"
    ]
    heads = {names.database: database_heads(site, names) for names in replaced}
    site.postgres.settle(identity.database, expected, heads)
    for each in databases_of(site, identity):
        if each.stamp and each.stamp.kind == "new":
            site.postgres.drop_generation(each.name, expected)


def prune_kept(site: Site, delivered: Delivered, step: Step) -> None:
    """Remove kept databases that are too old, too many or too large.

    Args:
        site: the server.
        delivered: the release that serves; its project says how many are kept, and how long.
        step: told what was removed.
    """
    if delivered.project.database is None:
        return
    identity = delivered.environment.identity
    gone = outdated(kept_of(site, identity), delivered.project.database.kept, datetime.now(UTC))
    for each in gone:
        site.postgres.drop_generation(each.name, stamp_of(site, identity))
    if gone:
        step.note += f", databases removed: {', '.join(each.name for each in gone)}"


def outdated(kept: Sequence[DatabaseInfo], limits: Kept, now: datetime) -> list[DatabaseInfo]:
    """Which kept databases are to go: too old, too many, or together too large.

    The one that was replaced last always stays.

    Args:
        kept: all that are kept of one environment.
        limits: what `junov.yaml` says.
        now: the time.
    """
    newest_first = sorted(kept, key=replaced_at, reverse=True)
    gone, size = [], 0
    for index, each in enumerate(newest_first):
        size += each.size_bytes
        if index and (
            index >= limits.count
            or size > limits.gigabytes * 10**9
            or now - replaced_at(each) > timedelta(seconds=limits.time)
        ):
            gone.append(each)
    return gone


def replaced_at(kept: DatabaseInfo) -> datetime:
    """When another database took the place of this one."""
    since = kept.stamp.since if kept.stamp else None
    return since or datetime.min.replace(tzinfo=UTC)
