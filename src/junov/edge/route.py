"""One environment's route: a value, and the file that Traefik reads."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass

from junov.config.fields import check_host
from junov.errors import JunovError

FORMAT = 2
ENTRY_POINT = "web"
_HEADER = "# junov: "
# Traefik runs Go's template language over these files (`{{ … }}`), so what comes from a branch's
# name may hold no brace; and what is not ASCII, such as a line separator, ends no comment.
_BRACES = str.maketrans({"{": "\\u007b", "}": "\\u007d"})

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,126}[a-z0-9])?")
_SERVER = re.compile(r"http://[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?:([0-9]{1,5})")


def check_route_name(name: str) -> str:
    """The name, if a file, a router and a service may have it; else a ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a name for a route: {name!r}")
    return name


class RouteFileError(JunovError):
    """A file in the routes folder isn't what junov wrote."""


@dataclass(frozen=True, slots=True)
class Route:
    """Which containers answer under a host name.

    Args:
        name: the name of the router and of the file: `Identity.route`.
        host: the host name, in lower case.
        servers: the containers, as `http://<container>:<port>`. Names, not addresses: addresses
            change when the engine restarts. None while it is stopped; the edge then answers 503.
        project: the project that the host belongs to.
        environment: the environment's name.
        release: the release whose containers these are.

    Raises:
        ValueError: one of them is not legal there.
    """

    name: str
    host: str
    servers: tuple[str, ...]
    project: str
    environment: str
    release: int

    def __post_init__(self) -> None:
        check_route_name(self.name)
        check_host(self.host)
        if len(set(self.servers)) < len(self.servers):
            raise ValueError(f"the route {self.name} has a server twice")
        for server in self.servers:
            match = _SERVER.fullmatch(server)
            if not match or not 1 <= int(match[1]) <= 65535:
                raise ValueError(f"expected a server such as http://web:8000, found {server!r}")

    @property
    def rule(self) -> str:
        """Traefik's rule for the host."""
        return f"Host(`{self.host}`)"

    @property
    def service(self) -> str:
        """Traefik's service, which is the release's own: what it counts is never mixed."""
        return f"{self.name}-r{self.release}"


def render(route: Route) -> str:
    """The text of the route's file.

    The second line says in JSON whose it is, so a host's owner is known without the journal.
    """
    return _text(route, FORMAT)


def _text(route: Route, version: int) -> str:
    # In files of format 1 the service has the route's name. Servers have them until the next
    # deploy of each environment.
    service = route.service if version == FORMAT else route.name
    about = {"format": version, **asdict(route)}
    facts = [
        f"{json.dumps(key)}: {json.dumps(value).translate(_BRACES)}" for key, value in about.items()
    ]
    servers = "".join(f'\n          - url: "{server}"' for server in route.servers) or " []"
    return f"""\
# Written by junov at each deploy; what is changed here by hand stops the next one.
{_HEADER}{{{", ".join(facts)}}}
http:
  routers:
    {route.name}:
      entryPoints: [{ENTRY_POINT}]
      rule: "{route.rule}"
      service: {service}
  services:
    {service}:
      loadBalancer:
        passHostHeader: true
        servers:{servers}
"""


def parse(text: str) -> Route:
    """The route in a file that `render` made, in this version of junov or an earlier one.

    Raises:
        ValueError: it holds anything else.
    """
    lines = text.splitlines()
    if len(lines) < 2 or not lines[1].startswith(_HEADER):
        raise ValueError("the line that says whose it is has gone")
    try:
        about = json.loads(lines[1].removeprefix(_HEADER))
        version = about.pop("format")
        if version not in range(1, FORMAT + 1):
            raise ValueError("another version of junov wrote it")
        route = Route(**{**about, "servers": tuple(about["servers"])})
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError):
        raise ValueError("the line that says whose it is can't be read") from None
    if _text(route, version) != text:
        raise ValueError("its lines don't say what its second line says")
    return route
