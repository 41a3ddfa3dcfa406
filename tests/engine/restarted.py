"""A deploy in whose middle the engine is restarted. A test runs this beside an engine of its own."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

from bench.clients import Target
from bench.throwaway import environ_for, make_repository, throwaway_server
from junov.site import Site
from junov.steps import Steps
from tests.engine.faulty import ROOT, Served, simplify
from tests.engine.injected import at
from tests.engine.own_engine import OwnEngine
from tests.engine.quiet import Quiet


def main(folder: Path, archive: Path, options: list[str]) -> None:
    """Restart it in the middle of a deploy, and stop it in the middle of another."""
    engine = OwnEngine(folder, options)
    with engine.running():
        engine.load(archive)
        server = folder / "server"
        server.mkdir()
        with throwaway_server(server, "own", Steps(Quiet()), Quiet().report) as site:
            tiny = ROOT / "tests" / "engine" / "tiny"
            shell = make_repository(
                tiny, folder / "faulty", secrets.token_hex(3), environ_for(site)
            )
            simplify(shell.folder)
            shell.commit("A good release")
            served = Served(site, shell)
            restarted(served, outside(site, served), engine)
            for step in ('verify','background','retire'):
              stopped(served, outside(site, served), engine, step)


def outside(site: Site, served: Served) -> Target:
    """The edge as visitors reach it: not over loopback, whose ports end with the engine."""
    (address,) = (each for name, each in site.part("edge").addresses.items() if name == site.server.webproxy)
    return Target(f"http://{address}", served.target.host)


def control(engine: OwnEngine, verb: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tests.engine.own_engine", verb, str(engine.folder), *engine.options)


def restarted(served: Served, target: Target, engine: OwnEngine) -> None:
    with served.visited(target) as visitor:
        said = served.shell(*at("before:web", *control(engine, "restart")), "run", expect=0)
    print(said)
    print(len(visitor.refused), sorted({(s.status, s.error) for s in visitor.refused}), visitor.refused and visitor.refused[-1].at-visitor.refused[0].at, "longest", max(b.at-a.at for a,b in zip(visitor.seen,visitor.seen[1:])), len(visitor.seen), visitor.releases)
    print(served.state())


def stopped(served: Served, target: Target, engine: OwnEngine, step="switch") -> None:
    with served.visited(target) as visitor:
        said = served.fails(*at("before:"+step, *control(engine, "stop")), "deploy")
        print(said)
        engine.start()
        print(served.state())
    print(len(visitor.refused), sorted({(s.status, s.error) for s in visitor.refused}), visitor.refused and visitor.refused[-1].at-visitor.refused[0].at, "longest", max(b.at-a.at for a,b in zip(visitor.seen,visitor.seen[1:])), len(visitor.seen), visitor.releases)
    served.recovers("junov", "deploy")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
