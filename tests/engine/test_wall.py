"""The wall, from inside every container: nothing of another environment can be reached."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from itertools import product

import pytest

from junov.config.project import read_project
from junov.delivery.environments import list_environments
from junov.delivery.lifecycle import remove
from junov.engine.api import Engine
from junov.engine.inspection import Container
from junov.engine.private_network import connect_all
from junov.engine.reaper import remove_labelled
from junov.environments import identify
from junov.environments.environment import environment_named
from junov.environments.labels import ENVIRONMENT, PART, PROJECT, SERVER, TEST_RUN
from junov.environments.subnets import free_subnet
from junov.server.server import up
from junov.site import Site
from junov.steps import Steps
from tests.engine.conftest import Shell, Web
from tests.engine.quiet import Quiet
from tests.waiting import until

CONNECT = (
    "import socket, sys; s = socket.socket(); s.settimeout(1.5); "
    "sys.exit(0 if s.connect_ex((sys.argv[1], int(sys.argv[2]))) == 0 else 7)"
)
RESOLVE = "import socket, sys; print(socket.gethostbyname(sys.argv[1]))"
QUERY = (
    "import os, psycopg, sys; url = os.environ['DATABASE_URL'].replace('+psycopg', ''); "
    "other = url.rpartition('/')[0] + '/' + sys.argv[1]; "
    "print(psycopg.connect(other).execute('select current_database()').fetchone()[0])"
)


def inside(container: Container, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", "exec", container.name, "python", "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.fixture(scope="module")
def two(notes: Shell, site: Site) -> tuple[dict[str, list[Container]], dict[str, str]]:
    """The running containers of prod and stage, and the databases of both."""
    listed = json.loads(notes("junov", "env", "ls", "--json"))
    containers = {
        each["name"]: site.engine.containers(
            {SERVER: site.server.name, PROJECT: each["project"], ENVIRONMENT: each["name"]},
            all_states=False,
        )
        for each in listed
    }
    assert all(len(found) == 2 for found in containers.values()), "web and worker"
    return containers, {each["name"]: each["database"] for each in listed}


def pairs(containers: dict[str, list[Container]]) -> list[tuple[Container, Container]]:
    return [
        *product(containers["prod"], containers["stage"]),
        *product(containers["stage"], containers["prod"]),
    ]


def test_no_container_reaches_one_of_another_environment(
    two: tuple[dict[str, list[Container]], dict[str, str]],
) -> None:
    for mine, other in pairs(two[0]):
        for address in other.addresses.values():
            assert inside(mine, CONNECT, address, "8000").returncode == 7, (mine.name, other.name)


def test_no_name_of_another_environment_resolves(
    two: tuple[dict[str, list[Container]], dict[str, str]],
) -> None:
    for mine, other in pairs(two[0]):
        for name in (other.name, other.id[:12]):
            assert inside(mine, RESOLVE, name).returncode != 0, (mine.name, name)
        web = inside(mine, RESOLVE, "web").stdout.strip()
        assert web not in other.addresses.values(), "`web` is the environment's own"


def test_the_database_of_another_environment_refuses_the_role(
    two: tuple[dict[str, list[Container]], dict[str, str]],
) -> None:
    containers, databases = two
    for mine, other in (("prod", "stage"), ("stage", "prod")):
        for container in containers[mine]:
            own = inside(container, QUERY, databases[mine])
            assert own.stdout.strip() == databases[mine], own.stderr
            for foreign in (databases[other], "postgres", "template1"):
                refused = inside(container, QUERY, foreign)
                assert refused.returncode != 0
                assert "pg_hba.conf rejects" in refused.stderr or "no pg_hba.conf" in refused.stderr


def test_what_is_allowed_works(two: tuple[dict[str, list[Container]], dict[str, str]]) -> None:
    for containers in two[0].values():
        for container in containers:
            assert inside(container, CONNECT, "web", "8000").returncode == 0
            assert inside(container, CONNECT, "db", "5432").returncode == 0


def test_nothing_of_the_server_but_edge_and_postgres_is_in_a_private_network(
    two: tuple[dict[str, list[Container]], dict[str, str]], site: Site
) -> None:
    private = {net for found in two[0].values() for each in found for net in each.addresses}
    assert len(private) == 2
    for part in site.engine.containers({SERVER: site.server.name, PART: ""}):
        joined = private & set(part.addresses)
        assert joined == (set() if part.labels[PART] == "registry" else private)


def test_the_edges_api_is_closed_to_environments(
    two: tuple[dict[str, list[Container]], dict[str, str]], site: Site
) -> None:
    edge = site.part("edge")
    ask = (
        "import sys, urllib.request, urllib.error\n"
        "try: print(urllib.request.urlopen(sys.argv[1], timeout=3).status)\n"
        "except urllib.error.HTTPError as e: print(e.code)"
    )
    container = two[0]["stage"][0]
    (network,) = container.addresses
    said = inside(container, ask, f"http://{edge.addresses[network]}:8081/api/http/routers")
    assert said.stdout.strip() == "403", said.stderr
    site.edge_api.ping()


def test_a_typo_that_names_another_environment_is_refused_before_anything_is_touched(
    tiny: Shell, web: Web
) -> None:
    tiny("junov", "run", "main")
    tiny("git", "checkout", "--quiet", "-b", "dev")
    tiny("junov", "run")
    stage, prod = (
        json.loads(tiny("junov", "env", "show", name, "--json")) for name in ("stage", "prod")
    )
    env_file = tiny.folder / "env" / "stage.env"
    env_file.write_text(f"{env_file.read_text()}UPSTREAM=http://{prod['host']}/api\n")
    tiny.commit("A typo")
    refused = tiny("junov", "run", expect=1)
    assert "env/stage.env:2:" in refused
    assert f"carries `{prod['host']}`" in refused
    assert "foreign-identity" in refused
    assert json.loads(tiny("junov", "env", "show", "stage", "--json")) == stage
    assert web(stage["url"])[1]["JUNOV_RELEASE"] == "1"


def test_an_environment_of_the_same_name_on_another_server_is_left_alone(
    tiny: Shell, site: Site, engine: Engine
) -> None:
    project = (tiny.folder / "junov.yaml").read_text().split("project: ")[1].split()[0]
    name = identify(project, "prod").network
    subnet = str(
        free_subnet("10.230.0.0/16", 27, [s for n in engine.networks() for s in n.subnets])
    )
    engine.create_network(name, subnet, {SERVER: "elsewhere", TEST_RUN: site.server.name})
    try:
        refused = tiny("junov", "run", expect=1)
        assert "belongs to another server of this machine, elsewhere" in refused
        assert json.loads(tiny("junov", "env", "ls", "--json")) == [], "it leaves no trace"
        site.journal.register(environment_named(read_project(tiny.folder).config, "prod"))
        tiny("junov", "env", "rm", "prod", "--dry-run")
        (view,) = list_environments(site, project)
        remove(site, view, Steps(Quiet()))
        assert engine.network(name), "by its name alone, nothing is ours"
    finally:
        remove_labelled(engine, {TEST_RUN: site.server.name})


def test_requests_cannot_be_taken_by_a_name(tiny: Shell, site: Site, web: Web) -> None:
    tiny("junov", "run")
    prod = json.loads(tiny("junov", "env", "show", "prod", "--json"))
    project = prod["project"]
    compose = tiny.folder / "compose.yaml"
    aliases = [f"{project}_prod-web-r1-1", f"{project}_PROD-web-r1-1", "web-r1"]
    taken = f"    networks: {{default: {{aliases: {json.dumps(aliases)}}}}}\n    stop_grace"
    compose.write_text(compose.read_text().replace("    stop_grace", taken, 1))
    tiny("git", "checkout", "--quiet", "-b", "feature/thief")
    waiver = f"allow: [{{rule: foreign-identity, value: {aliases[0]}, reason: to try it}}]\n"
    (tiny.folder / "junov.yaml").write_text((tiny.folder / "junov.yaml").read_text() + waiver)
    tiny.commit("Names of another's")
    tried = subprocess.run(["junov", "run"], cwd=tiny.folder, env=tiny.environ, check=False)
    assert tried.returncode in (0, 1), "refused or let in: it must not matter"
    for _ in range(12):
        assert web(prod["url"])[1]["JUNOV_ENVIRONMENT"] == "prod"
    (route,) = (each for each in site.routes.all() if each.host == prod["host"])
    assert project not in route.servers[0], "no name leads there, only an id"


def answers(web: Web, url: str) -> bool:
    return web(url, "/health")[0] == 200


@pytest.mark.parametrize("part", ["edge", "postgres"])
def test_a_re_created_part_is_connected_to_every_environment_again(
    notes: Shell, site: Site, web: Web, engine: Engine, part: str
) -> None:
    listed = json.loads(notes("junov", "env", "ls", "--json"))
    engine.remove_container(site.part(part).id)
    again = Site(site.home)
    up(again, Steps(Quiet()))
    assert connect_all(engine, site.server.name) == {}, "nothing was left to connect"
    for each in listed:
        until(partial(answers, web, each["url"]), f"{each['url']} answers again")
