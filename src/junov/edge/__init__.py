"""The edge: Traefik, which reads one small file for each environment.

Traefik never sees the engine's socket. What it routes is what stands in the routes folder; what it
has understood of that is asked of its own API.
"""

from junov.edge.answers import Answers
from junov.edge.api import EdgeApi
from junov.edge.config import dynamic_config, htpasswd, static_config
from junov.edge.route import Route, render
from junov.edge.routes import HostTakenError, RouteFileError, Routes

__all__ = [
    "Answers",
    "EdgeApi",
    "HostTakenError",
    "Route",
    "RouteFileError",
    "Routes",
    "dynamic_config",
    "htpasswd",
    "render",
    "static_config",
]
