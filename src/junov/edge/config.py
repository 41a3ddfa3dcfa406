"""What the edge is started with, and what holds for every route.

Two files: `traefik.yaml`, read once at the start, and `junov-api.yaml` in the routes folder, which
says who may ask its API and read its counters, and how requests are tried again. The options are
Traefik's (https://doc.traefik.io/traefik/v3.7/reference/install-configuration/).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from ipaddress import IPv4Network

from junov.secret import Secret

WEB_PORT = 80
API_PORT = 8081
ROUTES_FOLDER = "/etc/traefik/routes"
API_FILE = "junov-api.yaml"
"""The file of `dynamic_config`. No route has this name: theirs have a `_` (see `identity.py`)."""

GRACE_SECONDS = 20
IDLE_SECONDS = 1
"""How long the edge keeps a connection to a container that carries no request."""
DIAL_SECONDS = 5
"""How long the edge waits for a connection; a container that has just died doesn't refuse it."""

ATTEMPTS = 12
FIRST_PAUSE_MS = 250
"""A request that no container has taken yet is sent again: so often, with pauses that grow to twice
the first one. That is 4 seconds in all, in which a container that has ended is back, or a release
that fails is undone, or a restarted engine tells addresses again."""

LONGEST_PAUSE_SECONDS = FIRST_PAUSE_MS / 1000 * 2 * 1.5
"""Traefik makes each pause shorter or longer by chance, by half of it at most. Meanwhile a request
has no connection, and is still meant for the containers that were routed to when it came."""

_RETRY = "junov-retry"


def static_config(
    *,
    web_port: int = WEB_PORT,
    api_port: int = API_PORT,
    routes_folder: str = ROUTES_FOLDER,
    throttle_ms: int = 100,
    grace_seconds: int = GRACE_SECONDS,
) -> str:
    """The text of `traefik.yaml`, for Traefik 3.7.12 or later.

    Args:
        web_port: the port inside the container that takes requests from outside.
        api_port: the port inside the container for Traefik's API and `/ping`.
        routes_folder: the folder inside the container that is watched for route files.
        throttle_ms: how long changes are gathered before they count, in milliseconds.
        grace_seconds: how long requests may go on once Traefik is told to stop. The container's
            own stop timeout has to be longer.
    """
    return f"""\
# Written by junov (`junov server up`); what is changed here by hand is written over.
global:
  checkNewVersion: false
  sendAnonymousUsage: false

entryPoints:
  web:
    address: ":{web_port}"
    # Whoever comes in here is a stranger: what it says about itself is replaced, also where it
    # writes X_Forwarded_For, which WSGI takes for X-Forwarded-For (CVE-2026-88879).
    forwardedHeaders:
      insecure: false
    http:
      aliasHeadersStrategy: delete
      middlewares: [{_RETRY}@file]
    transport:
      lifeCycle:
        graceTimeOut: {grace_seconds}s
  api:
    address: ":{api_port}"
    http:
      aliasHeadersStrategy: delete
    transport:
      lifeCycle:
        graceTimeOut: 1s

# Without `insecure` nothing leads to the API but the router in {API_FILE}, and with
# `manualRouting` nothing else to the counters. What routers count is what visitors get; services
# would count each attempt to get it.
api:
  dashboard: false
  insecure: false
metrics:
  prometheus:
    entryPoint: api
    manualRouting: true
    addEntryPointsLabels: false
    addRoutersLabels: true
    addServicesLabels: false
ping:
  entryPoint: api

# A connection to a container that carries no request is ended before the application does so
# (uvicorn and Node after 5 s, gunicorn after 2 s): a POST sent into that moment would be a 502.
# And what is still open to a container that gets no new requests has one under way.
serversTransport:
  forwardingTimeouts:
    dialTimeout: {DIAL_SECONDS}s
    idleConnTimeout: {IDLE_SECONDS}s

providers:
  providersThrottleDuration: {throttle_ms}ms
  file:
    directory: {routes_folder}
    watch: true

log:
  level: INFO
  format: json

# No header is written (cookies, tokens), and no query string (links to reset a password).
accessLog:
  format: json
  fields:
    defaultMode: drop
    names:
      ClientHost: keep
      DownstreamContentSize: keep
      DownstreamStatus: keep
      Duration: keep
      OriginDuration: keep
      OriginStatus: keep
      RequestHost: keep
      RequestMethod: keep
      RequestPath: keep
      RequestProtocol: keep
      RetryAttempts: keep
      RouterName: keep
      ServiceAddr: keep
      ServiceName: keep
      StartUTC: keep
    headers:
      defaultMode: drop
    queryParameters:
      defaultMode: drop
"""


def htpasswd(user: str, password: Secret) -> str:
    """A line of an htpasswd file, for Traefik's `basicAuth`.

    Traefik takes bcrypt, MD5 and SHA-1. SHA-1 is in the standard library, and the password is 192
    random bits, so no slower hash makes it harder to guess. A slower one would cost the edge time
    at each question, of which there are twenty a second while a route is waited for.

    Args:
        user: the user's name, without a colon.
        password: the password; only its hash is in the result.
    """
    if ":" in user or not user.isprintable():
        raise ValueError(f"not a name for htpasswd: {user!r}")
    digest = hashlib.sha1(password.reveal().encode()).digest()  # noqa: S324  # see above
    return f"{user}:{{SHA}}{base64.b64encode(digest).decode()}"


def dynamic_config(*, allowed: Sequence[str], user: str, password: Secret) -> str:
    """The text of `junov-api.yaml`: the only way to Traefik's API, and what holds for all routes.

    Environments share a private network with the edge and can reach its port; what they may not do
    is read the routes of others, or how much others are visited. So only the listed addresses are
    answered, and only with the password.

    A request is tried again only while nothing of it was sent to a container, so none is carried
    out twice because of this.

    Args:
        allowed: addresses or networks that are answered beside the container's own loopback: the
            gateway of `webproxy`, as which the host itself appears.
        user: the name to log in with.
        password: the password; only its hash is written.

    Raises:
        ValueError: one of `allowed` is no IPv4 network, or is the whole internet.
    """
    networks = [IPv4Network(text) for text in ("127.0.0.1/32", *allowed)]
    if any(network.prefixlen == 0 for network in networks):
        raise ValueError("the edge's API must not be open to everybody")
    ranges = "".join(f'\n          - "{network}"' for network in networks)
    return f"""\
# Written by junov (`junov server up`); what is changed here by hand is written over.
http:
  routers:
    junov-api:
      entryPoints: [api]
      rule: "PathPrefix(`/api`)"
      middlewares: [junov-api-from, junov-api-login]
      service: api@internal
    junov-metrics:
      entryPoints: [api]
      rule: "Path(`/metrics`)"
      middlewares: [junov-api-from, junov-api-login]
      service: prometheus@internal
  middlewares:
    {_RETRY}:
      retry:
        attempts: {ATTEMPTS}
        initialInterval: {FIRST_PAUSE_MS}ms
    junov-api-from:
      ipAllowList:
        sourceRange:{ranges}
    junov-api-login:
      basicAuth:
        realm: junov
        removeHeader: true
        users:
          - "{htpasswd(user, password)}"
"""
