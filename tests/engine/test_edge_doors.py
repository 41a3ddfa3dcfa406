"""Who may ask the edge for what, and what it says about visitors, with a real Traefik."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from junov.edge import EdgeApi
from junov.errors import UnavailableError
from junov.process import run
from junov.secret import Secret
from tests.engine.edge_rig import ASK, PASSWORD, USER, Rig, running_edge, without_routes
from tests.waiting import until

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running_edge(request, tmp_path_factory.mktemp("edge")) as rig:
        yield rig


@pytest.fixture(autouse=True)
def _no_routes_left(rig: Rig) -> Iterator[None]:
    yield
    without_routes(rig)


def test_the_api_answers_this_machine_and_no_environment(rig: Rig) -> None:
    rig.api.ping()
    prod = rig.route("prod", "blue")
    rig.routes.write(prod)
    rig.api.wait_until_routed(prod, timeout=10)

    right = "Basic " + base64.b64encode(f"{USER}:{PASSWORD.reveal()}".encode()).decode()
    edge = rig.box.name("edge")
    for path in ("/api/http/routers", "/api/rawdata", "/api/version", "/metrics", "/dashboard/"):
        from_inside = rig.box.execute(
            rig.box.name("blue"), "python3", "-c", ASK, f"http://{edge}:8081{path}", right
        )
        # With the right password and a lie about where it comes from.
        assert from_inside.stdout.strip() == ("404" if path == "/dashboard/" else "403")
    # The same question through the public entry point leads nowhere.
    for path in ("/api/rawdata", "/metrics"):
        assert rig.get("localhost", path, Authorization=right)[0] == 404
        assert rig.get(prod.host, path, Authorization=right) == (200, "blue")


@pytest.mark.parametrize(
    ("user", "password"), [(USER, Secret("wrong")), ("root", PASSWORD), ("", Secret(""))]
)
def test_the_api_asks_this_machine_for_the_password(rig: Rig, user: str, password: Secret) -> None:
    stranger = EdgeApi(f"http://127.0.0.1:{rig.api_port}", user, password)
    with pytest.raises(UnavailableError, match="refuses the password"):
        stranger.ping()
    with pytest.raises(UnavailableError, match="refuses the password"):
        stranger.answers(rig.route("prod", "blue"))


def test_joining_an_environments_network_leaves_the_published_ports_alone(rig: Rig) -> None:
    rig.box.network("another")
    edge = rig.box.name("edge")
    with closing(http.client.HTTPConnection("127.0.0.1", rig.web, timeout=10)) as open_before:
        open_before.request("GET", "/", headers={"Host": "nobody.example.test"})
        open_before.getresponse().read()
        socket = open_before.sock

        rig.box.connect(rig.box.network_name("another"), edge)

        open_before.request("GET", "/", headers={"Host": "nobody.example.test"})
        assert open_before.getresponse().status == 404
        assert open_before.sock is socket
    assert rig.box.published(edge, 8081) == rig.api_port
    rig.api.ping()


def test_what_strangers_say_about_themselves_is_replaced(rig: Rig) -> None:
    prod = rig.route("prod", "blue")
    rig.routes.write(prod)
    rig.api.wait_until_routed(prod, timeout=10)
    for header in ("X-Forwarded-For", "X_Forwarded_For", "X.Forwarded.For"):
        status, body = rig.get(prod.host, "/from", **{header: "203.0.113.7"})
        assert status == 200
        assert "Host: prod.example.test" in body
        assert "203.0.113.7" not in body


def test_a_healthcheck_inside_the_container_works(rig: Rig) -> None:
    answer = rig.box.execute(rig.box.name("edge"), "traefik", "healthcheck", "--ping")
    assert answer.ok


def test_the_access_log_names_the_service_and_no_secret(rig: Rig) -> None:
    prod = rig.route("prod", "blue")
    rig.routes.write(prod)
    rig.api.wait_until_routed(prod, timeout=10)
    rig.get(
        prod.host,
        "/looked-for?token=s3cr3t-query",
        Authorization="Bearer s3cr3t-bearer",
        Cookie="session=s3cr3t-cookie",
    )

    def line() -> dict[str, object]:
        shown = run(["docker", "logs", rig.box.name("edge")])
        assert "s3cr3t" not in shown.stdout + shown.stderr
        lines = [text for text in shown.stdout.splitlines() if "/looked-for" in text]
        return dict(json.loads(lines[-1])) if lines else {}

    until(lambda: bool(line()), "the request is in the log", seconds=10)
    logged = line()
    assert logged["ServiceName"] == "notes_prod-r1@file"
    assert logged["DownstreamStatus"] == 200
    assert isinstance(logged["Duration"], int)
    assert str(logged["RequestPath"]).startswith("/looked-for")
    assert PASSWORD.reveal() not in Path(rig.routes.folder / "junov-api.yaml").read_text()
