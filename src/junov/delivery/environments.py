"""Environments as they are: what the journal says happened, and what the engine says runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from junov.config.validation import did_you_mean
from junov.edge import RouteFileError
from junov.engine.inspection import Container
from junov.engine.private_network import DATABASE_ALIAS
from junov.environments import Identity, identify
from junov.environments.labels import COMMIT, ENVIRONMENT, PROJECT, RELEASE, SERVER, SERVICE
from junov.errors import NotFoundError
from junov.journal import Overview
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
        expires_at: when it may be removed; empty for never.
        services: its services and their states.
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

    @property
    def project(self) -> str:
        """Its project's name."""
        return self.identity.project

    @property
    def name(self) -> str:
        """Its name."""
        return self.identity.name

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
            "database": self.database,
            "release": self.release,
            "deployed_at": self.deployed_at,
            "expires_at": self.expires_at or None,
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


def find_environment(site: Site, name: str, project: str | None) -> EnvironmentView:
    """One environment that exists on the server.

    Args:
        site: the server.
        name: its name, such as `stage`.
        project: its project; where it isn't known, the name has to be one project's alone.

    Raises:
        NotFoundError: there is none of that name, or there are several.
    """
    views = list_environments(site, project)
    found = [view for view in views if view.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        projects = ", ".join(view.project for view in found)
        raise NotFoundError(
            f"several projects have an environment {name}: {projects}",
            remedy="say which: --project NAME",
        )
    of = f" of the project {project}" if project else ""
    raise NotFoundError(
        f"there is no environment {name}{of} on this server",
        remedy=did_you_mean(name, [view.name for view in views])
        or "there are none yet; make one with: junov run",
    )


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
