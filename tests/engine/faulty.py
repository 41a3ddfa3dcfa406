"""An environment that serves, and what has to be so whatever is delivered into it.

with served.unharmed():
    said = served.fails("junov", "run")
served.recovers()
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.clients import Target
from bench.throwaway import Shell
from junov.config.project import read_project
from junov.delivery.rollout.containers import containers_of, one_offs_of, release_of
from junov.edge import Route
from junov.environments import identify
from junov.journal import Journal, Release, Step
from junov.site import Site
from tests.engine.visitor import Visitor, visited
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
SECRET = "API_KEY"


@dataclass(frozen=True)
class State:
    """What an environment runs, as far as a failed release must not change it.

    Args:
        route: where its requests go.
        containers: service, release and state of each, one-off ones among them.
    """

    route: Route | None
    containers: tuple[tuple[str, int | None, str], ...]


class Served:
    """An environment with one good release, into which broken ones are delivered.

    Args:
        site: the server.
        shell: in the folder of its project, whose commit is the good one.
        name: the environment's name.
    """

    def __init__(self, site: Site, shell: Shell, name: str = "prod") -> None:
        self.site = site
        # `python -m tests.engine.injected` is found from the project's folder as well.
        self.shell = Shell(shell.folder, shell.environ | {"PYTHONPATH": str(ROOT)})
        self.identity = identify(read_project(shell.folder).config.project, name)
        self.good = shell("git", "rev-parse", "HEAD").strip()
        self._is_sound = True
        shell("junov", "run")

    def begin(self) -> Served:
        """It, with its good commit checked out, and serving where the test before left another."""
        self.shell("git", "reset", "--hard", "--quiet", self.good)
        if not self._is_sound:
            self.shell("junov", "run")
        self._is_sound = False
        return self

    @property
    def target(self) -> Target:
        """Where its visitors go."""
        route = self.site.routes.read(self.identity.route)
        assert route
        return Target(self.site.edge_url(), route.host)

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text in one of the project's files, which has to be there, and commit that."""
        file = self.shell.folder / name
        text = file.read_text()
        assert old in text, f"{name} has no {old!r}"
        file.write_text(text.replace(old, new, 1))
        self.shell.commit(f"{name}: {new}".splitlines()[0])

    def state(self) -> State:
        """What it runs now."""
        there = [
            *containers_of(self.site, self.identity),
            *one_offs_of(self.site, self.identity),
        ]
        return State(
            self.site.routes.read(self.identity.route),
            tuple(sorted((each.service, release_of(each), each.state) for each in there)),
        )

    def web_container(self) -> str:
        """The name of the container that serves."""
        (web,) = (
            each.name
            for each in containers_of(self.site, self.identity)
            if each.service.startswith("web-r")
        )
        return web

    def last_release(self) -> tuple[Release, list[Step]]:
        """The newest release in the journal, with its steps."""
        # Not the site's own, which stays open: junov would find the journal's side files there.
        with Journal(self.site.home.journal_file) as journal:
            environment = journal.environment(self.identity.project, self.identity.name)
            release = journal.last_release(environment)
            assert release
            return release, journal.steps(release)

    def release(self, number: int) -> Release:
        """A release in the journal."""
        with Journal(self.site.home.journal_file) as journal:
            environment = journal.environment(self.identity.project, self.identity.name)
            return journal.release(environment, number)

    def visited(self, target: Target | None = None) -> AbstractContextManager[Visitor]:
        """A visitor who comes before a block begins and leaves after its end.

        Args:
            target: where they go, where that isn't the edge.
        """
        return visited(target or self.target)

    @contextmanager
    def unharmed(self, target: Target | None = None) -> Iterator[Visitor]:
        """No visitor notices what happens in the block, and afterwards all is as it was.

        Args:
            target: as for `visited`.
        """
        before = self.state()
        assert before.route
        with self.visited(target) as visitor:
            yield visitor
        assert visitor.refused == []
        assert visitor.releases == [str(before.route.release)]
        assert self.state() == before

    @contextmanager
    def taken_back(self) -> Iterator[Visitor]:
        """A release that has served in the block serves no longer, and all is as it was before."""
        before = self.state()
        assert before.route
        old, new = before.route.release, before.route.release + 1
        with self.visited() as visitor:
            yield visitor
            assert self.state() == before
            last = len(visitor.seen) + 1  # one may have been under way before
            until(lambda: len(visitor.seen) > last + 10, "somebody looks at what serves now")
        assert visitor.releases == [str(old), str(new)]
        assert [(each.status, each.release) for each in visitor.seen[last:]] == [
            (200, str(old)) for _ in visitor.seen[last:]
        ]

    def fails(self, *argv: str) -> str:
        """Run a command that fails in a way that its user can mend; what it said."""
        said = self.shell(*argv, expect=1)
        assert "error: " in said
        assert "\n  → " in said, "what to do"
        assert "Traceback" not in said
        assert not [name for name, value in self._secrets().items() if value in said]
        return said

    def failed_in(self, step: str, said: str) -> None:
        """The journal has it that the last release failed in a step, for the reason that was told.

        Args:
            step: the step's name.
            said: what the user was told.
        """
        release, steps = self.last_release()
        assert release.outcome == "failed"
        assert f"error: {release.error}\n" in said
        failed = [(each.name, each.state, each.detail) for each in steps if each.state != "done"]
        assert failed[:1] == [(step, "failed", release.error)]

    def recovers(self, *argv: str) -> None:
        """With the fault gone, the good commit is delivered by the next command, and nothing else.

        Args:
            argv: the command, where it isn't `junov run`.
        """
        before = self.state().route
        assert before
        self.shell("git", "reset", "--hard", "--quiet", self.good)
        with self.visited() as visitor:
            self.shell(*(argv or ("junov", "run")))
        assert visitor.refused == []
        self.serves_alone()
        now = self.state().route
        assert now
        assert now.release > before.release

    def serves_alone(self) -> None:
        """The last release serves, and there is nothing else."""
        release, _ = self.last_release()
        number = release.number
        now = self.state()
        assert release.outcome == "succeeded"
        assert now.route
        assert now.route.release == number
        assert now.containers == (
            (f"web-r{number}", number, "running"),
            ("worker", number, "running"),
        )
        self._is_sound = True

    def _secrets(self) -> dict[str, str]:
        scope = self.identity.secret_scope
        passwords = {
            "of the application": self.site.password("secret", *scope, SECRET),
            "of the database": self.site.password("database", *scope),
            "of Postgres": self.site.password("postgres"),
            "of the edge": self.site.password("edge", "api"),
            "the key": self.site.key,
        }
        return {name: secret.reveal() for name, secret in passwords.items()}


def simplify(folder: Path) -> None:
    """Take out of the tiny project what comes before its delivery: lint and tests."""
    file = folder / "junov.yaml"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if not line.startswith(("lint:", "test:"))))
    (folder / "compose.test.yaml").unlink()
