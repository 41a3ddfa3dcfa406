"""Deploys in whose middle the engine is restarted or stopped, beside an engine of their own.

    python -m tests.engine.restarted /tmp/own images.tar --live-restore

`test_faults_engine.py` runs this in namespaces of its own; what is not as it should be ends it.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

from bench.clients import Target
from bench.throwaway import environ_for, make_repository, throwaway_server
from junov.environments.labels import PART, SERVER
from junov.steps import Steps
from tests.engine.faulty import ROOT, Served, simplify
from tests.engine.injected import at
from tests.engine.own_engine import OwnEngine
from tests.engine.quiet import Quiet
from tests.engine.visitor import Visitor
from tests.waiting import until


def main(folder: Path, archive: Path, options: list[str]) -> None:
    """One deploy after the other, on a server of their own."""
    engine = OwnEngine(folder, options)
    server, project = folder / "server", folder / "project"
    server.mkdir()
    with engine.running():
        engine.load(archive)
        with throwaway_server(server, "own", Steps(Quiet()), Quiet().report) as site:
            tiny = ROOT / "tests" / "engine" / "tiny"
            shell = make_repository(tiny, project, secrets.token_hex(3), environ_for(site))
            simplify(project)
            shell.commit("A good release")
            served = Served(site, shell)
            a_restart_in_the_middle(served, engine)
            a_stop_in_the_middle(served, engine)


def a_restart_in_the_middle(served: Served, engine: OwnEngine) -> None:
    """The deploy goes on, and nothing that ran before has been started anew."""
    server = started(served)
    with served.visited(past_loopback(served)) as visitor:
        served.shell(*at("before:web", *engine.command("restart")), "deploy")
    assert visitor.refused == []
    served.serves_alone()
    assert started(served) == server


def a_stop_in_the_middle(served: Served, engine: OwnEngine) -> None:
    """The deploy fails, the old web goes on, and the next one is as any other."""
    before, server = served.state(), started(served)
    container = served.site.engine.container(served.web_container())
    assert container
    (address,) = container.addresses.values()
    with (
        served.visited(past_loopback(served)) as visitor,
        served.visited(Target(f"http://{address}:8000", "localhost")) as beside,
    ):
        said = served.fails(*at("before:web", *engine.command("stop")), "deploy")
        engine.start()
        assert_answers_again(visitor)
    assert "the Docker Engine does not answer" in said
    assert "junov server doctor" in said
    assert "and the next deploy or `junov env repair` sees to the rest" in said
    assert beside.refused == []
    assert started(served) == server
    assert served.state() == before
    cut_short, _ = served.last_release()
    assert cut_short.outcome == "running", "the way back failed: the next run goes it"
    served.shell("junov", "deploy")
    served.serves_alone()
    undone = served.site.journal.release(served.identity, cut_short.number)
    assert undone.outcome == "superseded"


def past_loopback(served: Served) -> Target:
    """The edge as visitors from elsewhere reach it: ports of loopback end with the engine."""
    site = served.site
    address = site.part("edge").addresses[site.server.webproxy]
    return Target(f"http://{address}", served.target.host)


def started(served: Served) -> list[str]:
    """When each container of the server's own was started."""
    site = served.site
    names = [each.name for each in site.engine.containers({SERVER: site.server.name, PART: ""})]
    form = "{{.Name}} {{.State.StartedAt}}"
    return served.shell("docker", "inspect", "--format", form, *names).splitlines()


def assert_answers_again(visitor: Visitor) -> None:
    """Visitors are served, if by the new release alone.

    What the edge has open to the old one goes on. But the engine is its name server, and one that
    has just been restarted may not know the old containers' names for a while: who needs a new
    connection then waits in vain.
    """
    until(lambda: {each.status for each in visitor.seen[-20:]} == {200}, "served", seconds=60)
    assert {each.status for each in visitor.refused} <= {0, 502, 504}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
