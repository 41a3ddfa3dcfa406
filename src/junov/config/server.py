"""`server.yaml`: the server, its domain, and what runs beside the application."""

from __future__ import annotations

import ipaddress
from typing import Self

from pydantic import Field, field_validator, model_validator

from junov.config.edge import Edge
from junov.config.fields import Host, ImageName, Name
from junov.config.home import Home
from junov.config.postgres import Postgres
from junov.config.validation import Model, validate
from junov.config.yamlfile import read_yaml
from junov.errors import ConfigError, NotFoundError

# The engine publishes a container's ports through the network whose name sorts first. Were a
# private network to come before these, connecting the edge to it would move the ports there and
# refuse every request meanwhile (half a second, measured on Docker 20.10). Private networks begin
# with a letter.
_FIRST = "0"


class Registry(Model):
    """The server's own image registry, on loopback, where GitLab's is not used."""

    enabled: bool = Field(True, description="Whether it runs.")
    image: ImageName = Field("registry:2.8.2", description="Its image.")
    port: int = Field(5010, ge=1, le=65535, description="Its port on 127.0.0.1.")


class Networks(Model):
    """Where private networks get their addresses from."""

    pool: str = Field("10.213.0.0/16", description="A range of addresses that is free here.")
    size: int = Field(27, ge=20, le=29, description="The prefix length of each network.")

    @field_validator("pool")
    @classmethod
    def _is_a_network(cls, value: str) -> str:
        try:
            pool = ipaddress.IPv4Network(value)
        except ValueError as error:
            raise ValueError(f"expected an IPv4 network such as 10.213.0.0/16: {error}") from None
        if not pool.is_private:
            raise ValueError(f"expected a private network, found `{value}`")
        return value

    @model_validator(mode="after")
    def _pool_holds_networks(self) -> Self:
        if ipaddress.IPv4Network(self.pool).prefixlen > self.size - 2:
            raise ValueError(f"`pool` {self.pool} has no room for four networks of /{self.size}")
        return self


class Server(Model):
    """A server: what it is called, and what runs on it beside the application."""

    name: Name = Field(
        "junov",
        description="Begins the names of the server's own containers, networks and volumes.",
    )
    domain: Host = Field("localhost", description="The domain whose names point to this server.")
    edge: Edge = Field(Edge(), description="The reverse proxy.")
    postgres: Postgres = Field(Postgres(), description="The shared Postgres.")
    registry: Registry = Field(Registry(), description="The server's own registry.")
    networks: Networks = Field(Networks(), description="Addresses of private networks.")

    @property
    def webproxy(self) -> str:
        """The network of the edge and the server's web tools."""
        return f"{_FIRST}_{self.name}_webproxy"

    @property
    def db_network(self) -> str:
        """The network of Postgres instances and pgAdmin."""
        return f"{_FIRST}_{self.name}_db_network"

    def url(self, host: str) -> str:
        """The address under which `host` is reached from outside."""
        return f"http://{host}" if self.edge.port == 80 else f"http://{host}:{self.edge.port}"

    def repository(self, project: str) -> str | None:
        """The project's repository in the server's own registry, or None where it has none."""
        return f"127.0.0.1:{self.registry.port}/{project}" if self.registry.enabled else None


def read_server(home: Home) -> Server:
    """Read and validate `server.yaml`.

    Raises:
        NotFoundError: this machine has no server yet.
        ConfigError: everything that is wrong with the file.
    """
    try:
        file = read_yaml(home.server_file)
    except NotFoundError:
        raise NotFoundError(
            f"this machine has no server yet: there is no {home.server_file}",
            remedy="start one with: junov server up",
        ) from None
    server, problems = validate(Server, file)
    if problems or server is None:
        raise ConfigError(problems)
    return server
