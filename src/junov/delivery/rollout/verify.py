"""The last question of a deploy: does its URL answer, through the edge?"""

from __future__ import annotations

from shlex import quote

from junov.config.project import Web
from junov.environments import Environment
from junov.errors import StageError
from junov.site import Site
from junov.steps import Step

_SECONDS = 10.0


def fetch_through_edge(site: Site, environment: Environment, web: Web, step: Step) -> None:
    """Fetch the health path under the environment's host name, from the edge itself.

    The name is put into the request rather than looked up: whether DNS points here yet is another
    question, and `junov server doctor` asks it.

    Raises:
        StageError: the edge does not answer with 2xx.
    """
    import httpx2

    url = f"{site.edge_url()}{web.health}"
    host = site.server.url(environment.host).partition("://")[2]
    try:
        answer = httpx2.get(url, headers={"Host": host}, timeout=_SECONDS, trust_env=False)
    except httpx2.HTTPError as error:
        raise StageError(
            f"{environment.host} does not answer through the edge ({type(error).__name__})",
            remedy="look at the edge with: junov server doctor",
        ) from None
    if not answer.is_success:
        raise StageError(
            f"{environment.host}{web.health} answers {answer.status_code} through the edge",
            remedy=f"look at its log with: junov env logs {quote(environment.name)}",
        )
    step.note = f"{site.server.url(environment.host)}{web.health} answered {answer.status_code}"
