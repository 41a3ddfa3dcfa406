"""`server.yaml`, section `postgres`: the one Postgres, its pooler, its backups."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from junov.config.fields import Duration, ImageName
from junov.config.kinds import Tier
from junov.config.validation import Model

POSTGRES_PORT = 5432  # inside its container, and so for every environment


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
