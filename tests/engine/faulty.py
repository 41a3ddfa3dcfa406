"""An environment that serves, and what has to be so whatever is delivered into it.

    with served.unharmed():
        said = served.fails("junov", "run")
    served.recovers()
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.clients import Target
from bench.throwaway import Shell
from junov.config.project import read_project
from junov.delivery.rollout.containers import containers_of, one_offs_of, release_of
from junov.edge import Route
from junov.environments import identify
from junov.site import Site
from tests.engine.visitor import Visitor

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
        self.shell = shell
        self.identity = identify(read_project(shell.folder).config.project, name)
        self.good = shell("git", "rev-parse", "HEAD").strip()
        shell("junov", "run")

    @property
    def target(self) -> Target:
        """Where its visitors go."""
        host = self.site.journal.environment(self.identity.project, self.identity.name).host
        return Target(self.site.edge_url(), host)

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

    def release(self, number: int | None = None) -> dict[str, Any]:
        """What junov says of a release and its steps; of the last one without a number."""
        listed = json.loads(self.shell("junov", "releases", self.identity.name, "--json"))
        last = str(number or listed[0]["number"])
        shown = self.shell("junov", "releases", self.identity.name, last, "--json")
        found: dict[str, Any] = json.loads(shown)
        return found

    @contextmanager
    def visited(self, target: Target | None = None) -> Iterator[Visitor]:
        """A visitor who comes before the block begins and leaves after its end."""
        visitor = Visitor(target or self.target)
        visitor.start()
        try:
            visitor.underway.wait()
            yield visitor
        finally:
            visitor.finish()

    @contextmanager
    def unharmed(self, target: Target | None = None) -> Iterator[Visitor]:
        """No visitor notices what happens in the block, and afterwards all is as it was."""
        before = self.state()
        assert before.route
        with self.visited(target) as visitor:
            yield visitor
        assert visitor.refused == []
        assert visitor.releases == [str(before.route.release)]
        assert self.state() == before

    def fails(self, *argv: str) -> str:
        """Run a command that fails in a way that its user can mend; what it said."""
        said = self.shell(*argv, expect=1)
        assert "error: " in said
        assert "\n  → " in said, "what to do"
        assert "Traceback" not in said
        assert "bug" not in said
        assert not [name for name, value in self._secrets().items() if value in said]
        return said

    def failed_in(self, step: str, said: str) -> None:
        """The journal has it that the last release failed in a step, for the reason that was told.

        Args:
            step: the step's name.
            said: what the user was told.
        """
        release = self.release()
        assert release["outcome"] == "failed"
        assert f"error: {release['error']}\n" in said
        failed = [each for each in release["steps"] if each["state"] != "done"]
        assert [(each["name"], each["state"]) for each in failed] == [(step, "failed")]
        assert failed[0]["detail"] == release["error"]

    def recovers(self, *argv: str) -> None:
        """With the fault gone, the good commit is delivered by the next command, and nothing else.

        Args:
            argv: the command, where it isn't `junov run`.
        """
        before = self.state()
        self.shell("git", "reset", "--hard", "--quiet", self.good)
        with self.visited() as visitor:
            self.shell(*(argv or ("junov", "run")))
        assert visitor.refused == []
        number = self.release()["number"]
        now = self.state()
        assert before.route
        assert now.route
        assert before.route.release < number == now.route.release
        assert now.containers == (
            (f"web-r{number}", number, "running"),
            ("worker", number, "running"),
        )

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
