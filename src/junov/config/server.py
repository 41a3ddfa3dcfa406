"""`server.yaml`: the server, its domain, and what runs beside the application."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, WithJsonSchema, field_validator, model_validator

from junov.config.fields import Duration, Host, ImageName, Name
from junov.config.home import Home
from junov.config.kinds import Tier
from junov.config.validation import Model, validate
from junov.config.yamlfile import read_yaml
from junov.errors import ConfigError, NotFoundError

# The engine publishes a container's ports through the network whose name sorts first. Were a
# private network to come before these, connecting the edge to it would move the ports there and
# refuse every request meanwhile (half a second, measured on Docker 20.10). Private networks begin
# with a letter.
_FIRST = "0"

POSTGRES_PORT = 5432  # inside its container, and so for every environment


class Edge(Model):
    """The reverse proxy (Traefik)."""

    image: ImageName = Field("traefik:v3.7", description="Its image.")
    bind: str = Field("0.0.0.0", description="The address it listens on.")  # noqa: S104
    port: int = Field(80, ge=1, le=65535, description="The port it listens on for HTTP.")

    @field_validator("bind")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        try:
            ipaddress.ip_address(value)
        except ValueError:
            raise ValueError(f"expected an IP address, found `{value}`") from None
        return value


def _check_recipient(text: str) -> str:
    # Only where there is one: it is the one thing in configuration that takes a library to check.
    import pyrage

    if "SECRET" in text.upper():
        raise ValueError("expected a public key, found a private one: that belongs into a file")
    try:
        pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise ValueError(
            f"expected a public key of age, which begins with age1, found `{text}`"
        ) from None
    return text


AgeRecipient = Annotated[
    str,
    AfterValidator(_check_recipient),
    WithJsonSchema({"type": "string", "pattern": "^age1[02-9ac-hj-np-z]{58}$"}),
]


def _check_endpoint(text: str) -> str:
    if not re.fullmatch(_ENDPOINT, text):
        raise ValueError(f"expected a URL such as https://s3.example.com, found `{text}`")
    return text


_ENDPOINT = r"https?://[A-Za-z0-9.:\[\]-]+(/[!-~]*)?"

Endpoint = Annotated[
    str,
    AfterValidator(_check_endpoint),
    WithJsonSchema({"type": "string", "pattern": f"^{_ENDPOINT}$"}),
]


class S3(Model):
    """A bucket of S3, or of what speaks its protocol, that every backup is copied to."""

    bucket: str | None = Field(
        None, min_length=1, description="Its name; without it there are no copies."
    )
    endpoint: Endpoint | None = Field(
        None,
        description="The URL of what speaks the protocol; Amazon's own without it.",
        examples=["https://s3.example.com"],
    )
    region: str | None = Field(None, description="The region that it is in.")
    prefix: str = Field("", description="What the names of all files in it begin with.")
    credentials_file: str | None = Field(
        None,
        description="A file in the format of `~/.aws/credentials`, readable by its owner only; "
        "without it the variables `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or whatever "
        "else boto3 finds.",
        examples=["/root/backups-s3"],
    )


class Backups(Model):
    """When environments' databases are backed up, and how many of those are kept."""

    count: int = Field(10, ge=1, le=1000, description="How many one environment may have.")
    time: Duration = Field(
        30 * 86400, description="How long each is kept; the newest of an environment always is."
    )
    before_migrations: tuple[Tier, ...] = Field(
        ("production",),
        strict=False,
        description="Tiers whose database is backed up before migrations run on it.",
    )
    every: Duration | None = Field(
        None,
        description="How old an environment's newest backup may get before `junov db backup --due` "
        "takes another; without it there is no schedule.",
        examples=["24h"],
    )
    encrypt_to: tuple[AgeRecipient, ...] = Field(
        (),
        strict=False,
        description="The public keys of age (`age-keygen`) that backups are encrypted to; whoever "
        "has the private key of one can read them. Without any they are not encrypted.",
        examples=[["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]],
    )
    identity: str | None = Field(
        None,
        description="The file with the private key, readable by its owner only, that `junov db "
        "verify` and `junov db restore` read encrypted backups with; seen from the state folder.",
        examples=["/root/backups.key"],
    )
    s3: S3 = Field(S3(), description="Copies of backups on another machine.")


class PgBouncer(Model):
    """A pooler in front of Postgres, for projects that ask for the host `pgbouncer`."""

    enabled: bool = Field(False, description="Whether it runs.")
    image: ImageName = Field("pgbouncer:1.18-bookworm", description="Its image.")
    pool_size: int = Field(
        10,
        ge=1,
        le=1000,
        description="How many connections to Postgres it may hold for one environment's database; "
        "fewer where `database.connections` of the project leaves no room for that.",
    )
    clients: int = Field(1000, ge=10, le=100_000, description="How many clients it takes in all.")


class Postgres(Model):
    """The one Postgres that all environments share."""

    image: ImageName = Field("postgres:15-bookworm", description="Its image.")
    connections: int = Field(
        400, ge=20, le=10000, description="How many connections it takes in all."
    )
    shared_buffers: str = Field(
        "256MB", pattern=r"^\d+(kB|MB|GB)$", description="Memory for its cache."
    )
    pgbouncer: PgBouncer = Field(PgBouncer(), description="A pooler in front of it.")
    backups: Backups = Field(Backups(), description="Backups of databases.")


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
