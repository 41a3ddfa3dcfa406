"""One server as junov reaches it: its state folder, its settings, and its outside things.

Everything is opened when it is first asked for, so a command pays only for what it uses.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from junov.config.home import Home, find_home
from junov.config.postgres import POSTGRES_PORT
from junov.config.server import Server, read_server
from junov.environments.labels import PART, SERVER
from junov.errors import UnavailableError
from junov.secret import Secret, derive

if TYPE_CHECKING:
    from junov.databases import Postgres
    from junov.edge import EdgeApi, Routes
    from junov.engine.api import Engine
    from junov.engine.client import Tools
    from junov.engine.compose import Compose
    from junov.engine.inspection import Container
    from junov.journal import Journal

API_USER = "junov"


class Site:
    """A server and its outside things.

    Args:
        home: its state folder.
    """

    def __init__(self, home: Home | None = None) -> None:
        self.home = home or find_home()

    @cached_property
    def server(self) -> Server:
        """Its `server.yaml`. Raises as `read_server`."""
        return read_server(self.home)

    @cached_property
    def key(self) -> Secret:
        """What its passwords are derived from."""
        return self.home.key()

    def password(self, *scope: str) -> Secret:
        """The password that belongs to a scope."""
        return derive(self.key, self.server.name, *scope)

    @cached_property
    def tools(self) -> Tools:
        """The docker client and Compose of this machine."""
        from junov.engine.client import find_tools

        return find_tools()

    @cached_property
    def engine(self) -> Engine:
        """The engine's API."""
        from junov.engine.api import Engine

        return Engine()

    @cached_property
    def runtime(self) -> Compose:
        """What runs stacks."""
        from junov.engine.compose import Compose

        return Compose(self.tools.compose, self.tools.env, self.tools.docker)

    @cached_property
    def journal(self) -> Journal:
        """What happened."""
        from junov.journal import Journal

        self.home.make()
        return Journal(self.home.journal_file)

    @cached_property
    def postgres(self) -> Postgres:
        """The shared Postgres, as its superuser, through its port on loopback."""
        from junov.databases import Address, Postgres

        port = self.part("postgres").ports.get(POSTGRES_PORT, 0)
        return Postgres(Address("127.0.0.1", port, "postgres", self.password("postgres")))

    @cached_property
    def routes(self) -> Routes:
        """What the edge routes where."""
        from junov.edge import Routes

        return Routes(self.home.edge_folder / "routes")

    @cached_property
    def edge_api(self) -> EdgeApi:
        """The edge's own API, through its port on loopback."""
        from junov.edge import EdgeApi
        from junov.edge.config import API_PORT

        port = self.part("edge").ports.get(API_PORT, 0)
        return EdgeApi(f"http://127.0.0.1:{port}", API_USER, self.password("edge", "api"))

    def part(self, name: str) -> Container:
        """The running container of one of the server's parts: edge, postgres, registry.

        Raises:
            UnavailableError: it does not run.
        """
        found = self.engine.containers({SERVER: self.server.name, PART: name}, all_states=False)
        if not found:
            raise UnavailableError(
                f"the server's {name} does not run", remedy="start it with: junov server up"
            )
        return found[0]

    def edge_url(self) -> str:
        """How this machine itself reaches the edge."""
        edge = self.server.edge
        host = "127.0.0.1" if edge.bind in ("0.0.0.0", "::") else edge.bind  # noqa: S104
        return f"http://[{host}]:{edge.port}" if ":" in host else f"http://{host}:{edge.port}"
