"""`server.yaml`, section `edge`: the reverse proxy, the one way in from outside."""

from __future__ import annotations

import ipaddress

from pydantic import Field, field_validator

from junov.config.fields import ImageName
from junov.config.validation import Model


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
