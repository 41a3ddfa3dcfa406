"""Traefik's own word on what it routes."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from junov.edge.answers import Answers, count_answers
from junov.edge.route import ENTRY_POINT, Route
from junov.errors import UnavailableError
from junov.secret import Secret

if TYPE_CHECKING:
    from httpx2 import Client, Response

    Difference = Callable[[Client], str]

POLL_SECONDS = 0.02
_LISTED = 1000  # on one page; no environment has as many services
_REMEDY = "see what the edge says with: junov server doctor; start it with: junov server up"


class EdgeApi:
    """Traefik's API, asked from this machine.

    Args:
        url: its address, such as `http://127.0.0.1:8081`.
        user: the name to log in with.
        password: the password that `dynamic_config` was given.
    """

    def __init__(self, url: str, user: str, password: Secret) -> None:
        self._url = url.rstrip("/")
        self._user = user
        self._password = password

    def ping(self) -> None:
        """Ask whether Traefik is up and lets this machine in.

        Raises:
            UnavailableError: it does not answer, or refuses.
        """
        with self._client() as client:
            if client.get("/ping").status_code != 200:
                raise UnavailableError(
                    f"the edge at {self._url} is stopping or not ready", remedy=_REMEDY
                )
            self._ask(client, "/api/version", dict)

    def wait_until_routed(self, route: Route, timeout: float) -> float:
        """Wait until Traefik routes the host to the release's service, with exactly its servers.

        Traefik changes its doors one after the other: when its API shows the new servers, a
        request may still go to the old ones for some microseconds. They must not be stopped
        before what is under way there has ended.

        Args:
            route: the route, as it was written.
            timeout: seconds to wait at most.

        Returns:
            How long it took, in seconds.

        Raises:
            UnavailableError: it did not happen in time, with what Traefik shows instead; or
                Traefik does not answer, or refuses.
        """
        return self._wait(
            lambda client: self._difference(client, route),
            timeout,
            f"the edge doesn't route {route.host} to release {route.release}",
        )

    def wait_until_gone(self, name: str, timeout: float = 10) -> float:
        """Wait until Traefik knows neither the router of that name nor a release's service of it.

        Args:
            name: the route's name.
            timeout: seconds to wait at most.

        Returns:
            How long it took, in seconds.

        Raises:
            UnavailableError: it did not happen in time, or Traefik does not answer, or refuses.
        """

        def left(client: Client) -> str:
            services = self._services(client, name)
            routers = [f"router {name}"] if self._find(client, "routers", name) else []
            found = routers + [f"service {service}" for service in services]
            return f"it has the {' and the '.join(found)}" if found else ""

        return self._wait(left, timeout, f"the edge still has the route {name}")

    def answers(self, route: Route) -> Answers:
        """How many requests the edge has answered for the route's release.

        Counted are the answers that are done, at once, as visitors get them: the edge's own 502 and
        504 for a container that doesn't answer are among them, what it has tried again is not.

        Args:
            route: the route, as it was written.

        Returns:
            The number since the edge started or first had this release's service, whichever is
            later; 0 before the first answer. Traefik forgets a service's counters once the service
            has gone, so they may begin again at 0 where requests go back to an earlier release.

        Raises:
            UnavailableError: the edge counts nothing, since an earlier junov started it; or it
                does not answer, or refuses.
        """
        with self._client() as client:
            response = client.get("/metrics")
            if response.status_code == 404:
                raise UnavailableError(
                    f"the edge at {self._url} doesn't count its answers; an earlier junov has "
                    "started it",
                    remedy="start it anew with: junov server up",
                )
            if response.status_code != 200 or "# TYPE traefik_" not in response.text:
                raise self._unexpected(response)
            return count_answers(response.text, f"{route.service}@file")

    def _difference(self, client: Client, route: Route) -> str:
        """What differs between the route and what Traefik has; empty where nothing does."""
        router = self._find(client, "routers", route.name)
        if router is None:
            return "it has not read the route; a broken file among the routes stops it from that"
        service = self._find(client, "services", route.service)
        for what, found in (("router", router), ("service", service or {})):
            if found.get("error"):
                return f"its {what} says: {_sentence(found['error'])}"
        if router.get("rule") != route.rule or router.get("entryPoints") != [ENTRY_POINT]:
            return f"its rule is {router.get('rule')} on {router.get('entryPoints')}"
        if router.get("service") != route.service:
            return f"its router still leads to {router.get('service')}"
        if service is None:
            return f"it has the router and no service {route.service}"
        listed = (service.get("loadBalancer") or {}).get("servers") or []
        servers = [server.get("url") for server in listed]
        if sorted(map(str, servers)) != sorted(route.servers):
            return f"it still has the servers {', '.join(map(str, servers)) or '(none)'}"
        for what, found in (("router", router), ("service", service)):
            if found.get("status") != "enabled":
                return f"its {what} is {found.get('status')}"
        return ""

    def _find(self, client: Client, kind: str, name: str) -> dict[str, Any] | None:
        found = self._ask(client, f"/api/http/{kind}/{quote(name, safe='')}@file", dict)
        return found if found is None else dict(found)

    def _services(self, client: Client, name: str) -> list[str]:
        """The services of the route's releases."""
        path = f"/api/http/services?per_page={_LISTED}&search={quote(name, safe='')}-r"
        own = re.compile(rf"({re.escape(name)}-r[0-9]+)@file")
        matches = (own.fullmatch(each["name"]) for each in self._ask(client, path, list) or [])
        return [match[1] for match in matches if match]

    def _ask(self, client: Client, path: str, kind: type) -> Any:
        response = client.get(path)
        # What its API doesn't have is told in JSON (under text/plain); where the API's own router
        # has not been loaded, Traefik's answer to all it doesn't know is "404 page not found".
        if response.status_code == 404 and response.text.lstrip().startswith("{"):
            return None
        if response.status_code == 200:
            with contextlib.suppress(ValueError):
                data = response.json()
                if isinstance(data, kind):
                    return data
        raise self._unexpected(response)

    def _unexpected(self, response: Response) -> UnavailableError:
        why = {
            200: "isn't Traefik's API",
            401: "refuses the password",
            403: "doesn't answer this machine's address",
            404: "has no API; its rules have not been loaded",
        }
        return UnavailableError(
            f"the edge at {self._url} {why.get(response.status_code, f'answers {response}')}",
            remedy=_REMEDY,
        )

    def _wait(self, difference: Difference, timeout: float, failed: str) -> float:
        begun = time.monotonic()
        with self._client() as client:
            while why := difference(client):
                if time.monotonic() - begun > timeout:
                    raise UnavailableError(f"{failed} after {timeout:g} s: {why}", remedy=_REMEDY)
                time.sleep(POLL_SECONDS)
        return time.monotonic() - begun

    @contextmanager
    def _client(self) -> Iterator[Client]:
        import httpx2

        # No environment: a proxy of the shell's has no business with a loopback port. And no
        # certificates, which take 20 ms to read: this is plain HTTP.
        with httpx2.Client(
            base_url=self._url,
            auth=(self._user, self._password.reveal()),
            timeout=5,
            trust_env=False,
            verify=False,
        ) as client:
            try:
                yield client
            except httpx2.HTTPError as error:
                raise UnavailableError(
                    f"the edge at {self._url} does not answer: {error}", remedy=_REMEDY
                ) from None


def _sentence(error: object) -> str:
    return "; ".join(map(str, error)) if isinstance(error, list) else str(error)
