"""Environments as they are: what the journal says happened, and what the engine says runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from shlex import quote
from typing import Any, Protocol, TypeVar

from junov.config.validation import did_you_mean
from junov.edge import RouteFileError
from junov.engine.inspection import Container
from junov.engine.private_network import DATABASE_ALIAS
from junov.environments import Identity, identify
from junov.environments.labels import COMMIT, ENVIRONMENT, PROJECT, RELEASE, SERVER, SERVICE
from junov.errors import NotFoundError
from junov.git.refs import forced
from junov.journal import EnvironmentRecord, Overview
from junov.site import Site


@dataclass(frozen=True)
class EnvironmentView:
    """One environment, from the journal and the engine together.

    Args:
        identity: its names.
        tier: how much it is protected; empty where only the engine still knows it.
        status: `healthy`, `starting`, `unhealthy`, `stopped`, `absent` (no containers),
            or `failed` (its last release failed and nothing serves).
        url: where it is reached.
        host: its host name.
        image: the image that serves, by digest.
        commit: the commit of that image.
        ref: the branch or tag that it is for.
        database: its database; empty for a project without one.
        release: the number of the release that serves; None where there is none.
        deployed_at: when that was delivered, as ISO 8601 in UTC.
        expires_at: when a sweep stops it; empty for never.
        services: its services and their states.
        ref_type: whether that ref is a `branch` or a `tag`; empty where only the engine knows it.
        used_at: when it was last deployed, rolled back, reset or started; likewise.
        stopped_at: since when nothing of it runs; empty while it does.
        removable_at: when a sweep removes it; empty for never, and while it runs.
    """

    identity: Identity
    tier: str
    status: str
    url: str
    host: str
    image: str
    commit: str
    ref: str
    database: str
    release: int | None
    deployed_at: str
    expires_at: str
    services: Mapping[str, str]
    ref_type: str = ""
    used_at: str = ""
    stopped_at: str = ""
    removable_at: str = ""

    @property
    def project(self) -> str:
        """Its project's name."""
        return self.identity.project

    @property
    def name(self) -> str:
        """Its name."""
        return self.identity.name

    @property
    def ref_name(self) -> str:
        """The branch or tag that it is for, as the journal's records call it."""
        return self.ref

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "project": self.project,
            "name": self.name,
            "slug": self.identity.slug,
            "tier": self.tier,
            "status": self.status,
            "url": self.url,
            "host": self.host,
            "image": self.image,
            "digest": self.image.partition("@")[2],
            "commit": self.commit,
            "ref": self.ref,
            "ref_type": self.ref_type,
            "database": self.database,
            "release": self.release,
            "deployed_at": self.deployed_at,
            "used_at": self.used_at or None,
            "expires_at": self.expires_at or None,
            "stopped_at": self.stopped_at or None,
            "removable_at": self.removable_at or None,
            "services": dict(self.services),
        }


def list_environments(site: Site, project: str | None = None) -> list[EnvironmentView]:
    """The environments of a project, or of the whole server, by project and name.

    Those that the journal has lost are found again by the labels of their containers and networks.
    """
    labels = {SERVER: site.server.name, **({PROJECT: project} if project else {})}
    running: dict[tuple[str, str], list[Container]] = {}
    without_database = set()
    for container in site.engine.containers(labels):
        if ENVIRONMENT in container.labels:
            running.setdefault(_whose(container.labels), []).append(container)
    for network in site.engine.networks(labels):
        if ENVIRONMENT in network.labels:
            running.setdefault(_whose(network.labels), [])
            if DATABASE_ALIAS not in network.labels:
                without_database.add(_whose(network.labels))
    views = {}
    for overview in site.journal.overview(project):
        key = (overview.environment.project, overview.environment.name)
        views[key] = _known(site, overview, running.pop(key, []))
    views |= {key: _by_labels(site, *key, containers) for key, containers in running.items()}
    for key in without_database & views.keys():
        views[key] = replace(views[key], database="")
    return [views[key] for key in sorted(views)]


class NoEnvironmentError(NotFoundError):
    """The server has no environment for a branch or a tag."""


def find_environment(site: Site, name: str, project: str | None) -> EnvironmentView:
    """One environment that exists on the server.

    Args:
        site: the server.
        name: its name, such as `stage`; or `heads/<branch>` or `tags/<tag>`, for the environment
            that this branch or tag was last delivered to. No repository is asked for that.
        project: its project; where it isn't known, the name has to be one project's alone.

    Raises:
        NoEnvironmentError: nothing was ever delivered for that branch or tag, or it is gone.
        NotFoundError: there is none of that name, or there are several.
    """
    views = list_environments(site, project)
    found, ref = meant(views, name), forced(name)
    if len(found) == 1:
        return found[0]
    of = f" of the project {project}" if project else ""
    if not found and ref:
        there = [f"{_FORCED[view.ref_type]}/{view.ref}" for view in views if view.ref_type]
        raise NoEnvironmentError(
            f"there is no environment for the {ref}{of} on this server",
            remedy=did_you_mean(name.removeprefix("refs/"), there)
            or f"deploy it: junov deploy {quote(name)}",
        )
    if not found:
        raise NotFoundError(
            f"there is no environment {name}{of} on this server",
            remedy=did_you_mean(name, [view.name for view in views])
            or "there are none yet; make one with: junov run",
        )
    projects = dict.fromkeys(view.project for view in found)
    if len(projects) > 1:
        raise NotFoundError(
            f"several projects have an environment {name}: {', '.join(projects)}",
            remedy="say which: --project NAME",
        )
    raise NotFoundError(
        f"{name} is the name of an environment, and the {ref} has another one: {found[-1].name}",
        remedy=f"say which: refs/{name} for that of the {ref}",
    )


def find_record(site: Site, name: str, project: str | None) -> EnvironmentRecord:
    """The same as the journal has it, for what works while nothing runs.

    Raises:
        NotFoundError: as `Journal.environment`.
    """
    found = meant(site.journal.environments(project), name)
    return found[0] if len(found) == 1 else site.journal.environment(project, name)


class _Known(Protocol):
    """An environment, as it is or as the journal has it."""

    @property
    def project(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def ref_type(self) -> str: ...
    @property
    def ref_name(self) -> str: ...
    @property
    def used_at(self) -> Any: ...


_K = TypeVar("_K", bound=_Known)


def meant(known: Sequence[_K], name: str) -> list[_K]:
    """The environments that a name means, of several projects perhaps: one where it is clear.

    Args:
        known: those that there are.
        name: the name of one, or `heads/<branch>` or `tags/<tag>`. A kind may be called `heads`
            or `tags`, so a name can mean both; after `refs/` it means the branch or the tag.
    """
    found = [each for each in known if each.name == name and not name.startswith("refs/")]
    ref = forced(name)
    of_ref = [e for e in known if ref and (e.ref_type, e.ref_name) == (ref.type, ref.name)]
    for project in dict.fromkeys(each.project for each in of_ref):
        # After its kind was given another name, a branch has one of each.
        last = max((e for e in of_ref if e.project == project), key=lambda each: each.used_at)
        if last not in found:
            found.append(last)
    return found


_FORCED = {"branch": "heads", "tag": "tags"}


def unrecorded(site: Site, project: str, name: str) -> EnvironmentView:
    """An environment of which neither the journal nor the engine knows anything."""
    return _by_labels(site, project, name, [])


def _known(site: Site, overview: Overview, containers: list[Container]) -> EnvironmentView:
    record, live = overview.environment, overview.live
    host = _routed_host(site, record.identity) or record.host
    return EnvironmentView(
        identity=record.identity,
        tier=record.tier,
        status=_status(containers, failed=overview.live is None and overview.last is not None),
        url=site.server.url(host),
        host=host,
        image=live.image if live else "",
        commit=live.commit if live else "",
        ref=record.ref_name,
        database=record.database,
        release=live.number if live else None,
        deployed_at=_text(live.ended_at) if live else "",
        expires_at=_text(record.expires_at),
        services=_services(containers),
        ref_type=record.ref_type,
        used_at=_text(record.used_at),
        stopped_at=_text(record.stopped_at),
        removable_at=_text(record.removable_at),
    )


def _routed_host(site: Site, identity: Identity) -> str:
    """The host that really leads to it: a release that failed may have asked for another."""
    try:
        route = site.routes.read(identity.route)
    except RouteFileError:
        return ""
    return route.host if route else ""


def _by_labels(site: Site, project: str, name: str, containers: list[Container]) -> EnvironmentView:
    identity = identify(project, name)
    host = _routed_host(site, identity)
    released = [container for container in containers if RELEASE in container.labels]
    newest = max(released, key=lambda container: int(container.labels[RELEASE]), default=None)
    return EnvironmentView(
        identity=identity,
        tier="",
        status=_status(containers, failed=False),
        url=site.server.url(host) if host else "",
        host=host,
        image=newest.image if newest else "",
        commit=newest.labels.get(COMMIT, "") if newest else "",
        ref="",
        database=identity.database,
        release=int(newest.labels[RELEASE]) if newest else None,
        deployed_at="",
        expires_at="",
        services=_services(containers),
    )


def _whose(labels: Mapping[str, str]) -> tuple[str, str]:
    return labels.get(PROJECT, ""), labels[ENVIRONMENT]


def _status(containers: Sequence[Container], *, failed: bool) -> str:
    if not containers:
        return "failed" if failed else "absent"
    if not any(container.running for container in containers):
        return "stopped"
    # What ended well beside others that run was there to be run once; web never is.
    lasting = [each for each in containers if not each.ended_well or _is_web(each)]
    for word in ("unhealthy", "starting"):
        if any(container.health == word for container in lasting):
            return word
    return "healthy" if all(container.running for container in lasting) else "unhealthy"


def _is_web(container: Container) -> bool:
    """Whether it is of the service that faces outwards: that alone has its release in its name."""
    return container.labels.get(SERVICE, container.service) != container.service


def _services(containers: Iterable[Container]) -> dict[str, str]:
    return {
        container.labels.get(SERVICE, container.name): container.health or container.state
        for container in containers
    }


def _text(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else ""
