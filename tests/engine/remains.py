"""What there is of an environment: on the engine, in Postgres, at the edge and in the state folder.

`remains_of` writes all of it down in lines in which no name, number or id tells one environment or
release from another. So what is there after a killed run and the next one can be held against what
a run that nobody killed leaves, line by line.
"""

from __future__ import annotations

import difflib
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from junov.config.postgres import POSTGRES_PORT
from junov.databases import Address
from junov.databases.sessions import connect, session
from junov.edge import Route
from junov.engine.inspection import Container
from junov.environments import Identity
from junov.environments.labels import COMMIT, RELEASE, SERVER, environment_labels
from junov.journal import Release
from junov.site import Site

_COMPOSE = "com.docker.compose."
# What Compose notes for itself: hashes of the model, which holds the release's number, what a
# container has replaced, and from which release's folder it was made.
_NOTED = tuple(
    _COMPOSE + word
    for word in (
        *("config-hash", "image", "replace", "version"),
        *("project.config_files", "project.working_dir"),
    )
)


@dataclass(frozen=True, slots=True)
class Remains:
    """An environment with the release that serves it, in lines.

    Args:
        lines: what there is but for the folders of older releases, sorted.
        older: what the folder of each release that can be gone back to holds, the newest first.
    """

    lines: tuple[str, ...]
    older: tuple[str, ...] = ()

    def with_older(self, count: int) -> Remains:
        """The same with so many older releases; each looks like the first."""
        return Remains(self.lines, self.older[:1] * count)


def differences(expected: Remains, found: Remains) -> str:
    """What is too much (`+`) and what is missing (`-`), line by line; empty where nothing is."""
    return "\n".join(
        line
        for line in difflib.unified_diff(_all(expected), _all(found), n=0, lineterm="")
        if not line.startswith(("---", "+++", "@@"))
    )


def remains_of(site: Site, identity: Identity, live: Release) -> Remains:
    """All that there is of an environment.

    Args:
        site: the server.
        identity: the environment.
        live: the release that serves, as the journal has it.
    """
    route = site.routes.read(identity.route)
    names = _Names(site, identity, live)
    containers = site.engine.containers({SERVER: site.server.name})
    own = environment_labels(site.server.name, identity)
    found = [
        *_container_lines(containers, identity, own, names),
        *_network_lines(site, containers, identity),
        *(f"volume {name}" for name in site.engine.volumes(own)),
        *_database_lines(site, identity),
        *_route_lines(route, containers, names),
        *_file_lines(site, identity, live),
        f"journal: {site.journal.environment(identity.project, identity.name).status}",
    ]
    return Remains(tuple(sorted(map(names.replaced, found))), tuple(_older(site, identity, live)))


def untouched(site: Site, identity: Identity) -> tuple[str, ...]:
    """An environment exactly as it is, ids and times included: if this is the same, all is."""
    labels = environment_labels(site.server.name, identity)
    route = site.routes.folder / f"{identity.route}.yaml"
    folder = site.home.environments_folder / identity.folder
    return (
        *map(str, site.engine.containers(labels)),
        *(f"{each.id} {each.name} {each.subnets}" for each in site.engine.networks(labels)),
        *site.engine.volumes(labels),
        *(str(each) for each in site.journal.releases(identity)),
        *_rows(
            site,
            "SELECT oid, datname, datacl::text FROM pg_database WHERE datname = %s",
            identity.database,
        ),
        *_rows(site, "SELECT oid, * FROM pg_roles WHERE rolname = %s", identity.role),
        f"{route.stat().st_mtime_ns} {route.read_text()}",
        *(f"{path} {path.stat().st_mtime_ns}" for path in sorted(folder.rglob("*"))),
    )


class _Names:
    """Puts placeholders for what differs between environments and between releases.

    Args:
        site, identity, live: as for `remains_of`.
    """

    def __init__(self, site: Site, identity: Identity, live: Release) -> None:
        host = site.journal.environment(identity.project, identity.name).host
        self._live = live.number
        self._words = {
            str(site.home.path): "<home>",
            live.image: "<image>",
            live.commit: "<commit>",
            host: "<host>",
            identity.stack: "<stack>",
            identity.database: "<database>",
            identity.name: "<environment>",
        }

    def number(self, text: str) -> str:
        """A release's number: only the one that serves has a name."""
        return "<serving>" if text == str(self._live) else text

    def replaced(self, line: str) -> str:
        """A line with the placeholders."""
        line = re.sub(r"(-r|/releases/)(\d+)\b", lambda m: m[1] + self.number(m[2]), line)
        for word, placeholder in self._words.items():
            line = line.replace(word, placeholder)
        return line


def _container_lines(
    containers: Sequence[Container], identity: Identity, own: Mapping[str, str], names: _Names
) -> Iterator[str]:
    for each in containers:
        of_stack = each.labels.get(_COMPOSE + "project") == identity.stack
        if not of_stack and not own.items() <= each.labels.items():
            continue
        yield f"container {each.name}: {each.state}"
        yield f"container {each.name}: runs {each.image}"
        yield f"container {each.name}: is in {', '.join(sorted(each.addresses))}"
        for label, value in each.labels.items():
            if label == RELEASE:
                yield f"container {each.name}: {label}={names.number(value)}"
            elif label == COMMIT or (
                label.startswith(("dev.junov.", _COMPOSE)) and label not in _NOTED
            ):
                yield f"container {each.name}: {label}={value}"


def _network_lines(
    site: Site, containers: Sequence[Container], identity: Identity
) -> Iterator[str]:
    for network in site.engine.networks():
        if network.name == identity.network:
            yield f"network {network.name}: {sorted(network.labels.items())}"
            inside = [each.name for each in containers if network.name in each.addresses]
            yield f"network {network.name}: has {', '.join(sorted(inside))}"


def _database_lines(site: Site, identity: Identity) -> Iterator[str]:
    like = f"%{identity.database}%"
    for row in _rows(
        site,
        "SELECT datname, pg_get_userbyid(datdba), datconnlimit, datacl::text, "
        "regexp_replace(shobj_description(oid, 'pg_database'), "
        '\'"created_at": *"[^"]*"\', \'\') FROM pg_database WHERE datname LIKE %s',
        like,
    ):
        yield f"database {row}"
    for row in _rows(
        site,
        "SELECT rolname, rolsuper, rolcanlogin, rolcreatedb, rolcreaterole, rolinherit, "
        "rolconnlimit, (SELECT count(*) FROM pg_auth_members WHERE member = pg_roles.oid "
        "OR roleid = pg_roles.oid) FROM pg_roles WHERE rolname LIKE %s",
        like,
    ):
        yield f"role {row}"


def _rows(site: Site, query: str, *values: str) -> list[str]:
    port = site.part("postgres").ports[POSTGRES_PORT]
    address = Address("127.0.0.1", port, "postgres", site.password("postgres"))
    with session(connect, address) as admin:
        return sorted(map(str, admin.execute(query.encode(), values).fetchall()))


def _route_lines(
    route: Route | None, containers: Sequence[Container], names: _Names
) -> Iterator[str]:
    if route is None:
        return
    by_id = {each.id[:12]: each.name for each in containers}
    yield f"route {route.name}: {route.host} of release {names.number(str(route.release))}"
    for server in route.servers:
        container, _, port = server.removeprefix("http://").partition(":")
        yield f"route {route.name}: leads to {by_id.get(container, container)} at {port}"


def _file_lines(site: Site, identity: Identity, live: Release) -> Iterator[str]:
    """Every file of the state folder that is not another environment's or an older release's."""
    releases = _releases_folder(site, identity)
    for path in _files(site.home.path):
        words = (part.split(".")[0] for part in path.relative_to(site.home.path).parts)
        if any("_" in word and word != identity.stack for word in words):
            continue  # another environment's; the names of all of them have a `_`
        if releases in path.parents and releases / str(live.number) not in path.parents:
            continue
        yield f"file {_look(path, site.home.path)}"


def _older(site: Site, identity: Identity, live: Release) -> Iterator[str]:
    """What the folders of other releases hold, the newest first."""
    outcomes = {each.number: each.outcome for each in site.journal.releases(identity, limit=1000)}
    folder = _releases_folder(site, identity)
    for number in sorted((int(each.name) for each in folder.iterdir()), reverse=True):
        if number != live.number:
            held = ", ".join(
                _look(path, folder / str(number)) for path in _files(folder / str(number))
            )
            yield f"release that {outcomes.get(number, 'nobody knows')}: {held}"


def _releases_folder(site: Site, identity: Identity) -> Path:
    return site.home.environments_folder / identity.folder / "releases"


def _files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file())
    # SQLite's own two files beside the journal come and go with whoever has it open, and what a
    # migration said is kept only where there was one: a rollback has none.
    return sorted(
        path
        for path in found
        if not path.name.startswith("journal.db-") and path.name != "migration.log"
    )


def _look(path: Path, folder: Path) -> str:
    return f"{path.relative_to(folder)} {stat.filemode(path.stat().st_mode)}"


def _all(remains: Remains) -> list[str]:
    older = [f"{n} before: {each}" for n, each in enumerate(remains.older, 1)]
    return [*remains.lines, *older]
