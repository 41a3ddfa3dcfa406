"""The example's production and stage, and what is in each of stage's databases."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.clients import Target
from bench.throwaway import Shell, make_repository
from junov.config.postgres import POSTGRES_PORT
from junov.databases import Address
from junov.databases.checksums import TableSum, table_sums
from junov.databases.sessions import connect
from junov.delivery.generations import databases_of, kept_of, live_identity, replaced_at
from junov.environments import identify
from junov.site import Site
from tests.engine.killing import KILLED
from tests.waiting import until

if TYPE_CHECKING:
    from psycopg import Connection

    from tests.engine.conftest import Web

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = 5
"""How many notes the example's fixtures make."""

Sums = dict[str, TableSum]
"""What is in a database: the name of each table, with its rows and their checksum."""


@dataclass(frozen=True)
class Stage:
    """The example's stage, in a repository of these tests' own.

    Args:
        site: the server.
        shell: in the repository.
        web: a visitor.
        project: the project's name.
    """

    site: Site
    shell: Shell
    web: Web
    project: str

    def __call__(self, *argv: str, expect: int = 0) -> str:
        """Run junov; nobody sits at the terminal."""
        return self.shell("sh", "-c", '"$@" < /dev/null', "sh", "junov", *argv, expect=expect)

    def kill(self, point: str, *argv: str) -> None:
        """Have it killed at a point."""
        harness = (sys.executable, "-m", "tests.engine.killing", point, "--")
        self.shell(*harness, *argv, expect=KILLED)

    def url(self, name: str = "stage") -> str:
        """Where an environment is reached."""
        route = self.site.routes.read(identify(self.project, name).route)
        assert route, f"nothing is routed to {name}"
        return self.site.server.url(route.host)

    def notes(self, name: str = "stage") -> list[str]:
        """What an environment's site lists."""
        status, said = self.web(self.url(name), "/notes")
        assert status == 200
        return sorted(each["text"] for each in said)  # type: ignore[index]

    def write(self, text: str, name: str = "stage") -> None:
        """Write a note."""
        status, _ = self.web(self.url(name), "/notes", {"text": text})
        assert status == 201

    def serving_database(self, name: str = "stage") -> str:
        """The database that an environment's site says it works with."""
        status, said = self.web(self.url(name), "/health")
        assert status == 200
        return str(said["database"])

    def databases(self, name: str = "stage") -> dict[str, str]:
        """What `junov db ls` tells of an environment: database → what it is."""
        found: list[dict[str, Any]] = json.loads(self("db", "ls", "--json"))
        return {each["name"]: each["kind"] for each in found if each["environment"] == name}

    def live(self, name: str = "stage") -> str:
        """The database of the release that serves."""
        return live_identity(self.site, identify(self.project, name)).database

    def kept_last(self, name: str = "stage") -> str:
        """The database that was replaced last."""
        return max(kept_of(self.site, identify(self.project, name)), key=replaced_at).name

    def contents(self, name: str = "stage") -> dict[str, Sums]:
        """What is in each of an environment's databases, once its worker has seen every note."""
        unseen = "SELECT count(*) FROM notes WHERE words IS NULL"
        with self.session(self.live(name)) as live:
            until(lambda: live.execute(unseen).fetchone() == (0,), "the worker has seen all notes")
        found = {}
        for each in databases_of(self.site, identify(self.project, name)):
            with self.session(each.name) as session:
                found[each.name] = table_sums(session, lambda _: None)
        return found

    @contextmanager
    def session(self, database: str) -> Iterator[Connection[Any]]:
        """A superuser's session with a database."""
        port = self.site.part("postgres").ports[POSTGRES_PORT]
        address = Address("127.0.0.1", port, "postgres", self.site.password("postgres"))
        with connect(address, database) as session:
            yield session

    @cached_property
    def first(self) -> str:
        """The first database of stage."""
        return identify(self.project, "stage").database

    @property
    def target(self) -> Target:
        """Stage, for somebody who reloads its page."""
        return self.target_of("stage")

    def target_of(self, name: str) -> Target:
        """An environment, for somebody who reloads its page."""
        return Target(self.site.edge_url(), self.url(name).partition("://")[2])

    def assert_is_settled(self, name: str = "stage") -> None:
        """An environment has one live database, which its site works with, and none half-made."""
        kinds = self.databases(name)
        assert [each for each, kind in kinds.items() if kind == "live"] == [self.live(name)]
        assert set(kinds.values()) <= {"live", "kept"}
        assert self.serving_database(name) == self.live(name)


def deliver_example(
    site: Site,
    web: Web,
    folder: Path,
    run: str,
    environ: dict[str, str],
    *,
    edit: Callable[[Path], None] = lambda _: None,
) -> Stage:
    """The example with prod and stage, neither linted nor tested nor observed.

    Args:
        site: the server.
        web: a visitor.
        folder: where its repository is made.
        run: what makes its name its own.
        environ: the variables of a shell that works with the server.
        edit: changes its files before they are committed.
    """
    path = os.pathsep.join([str(ROOT), *filter(None, [environ.get("PYTHONPATH")])])
    variables = environ | {"PYTHONPATH": path}
    shell = make_repository(ROOT / "examples" / "notes", folder, run, variables)
    file = folder / "junov.yaml"
    text = re.sub(r"^(lint|test):.*\n(  .*\n)+", "", file.read_text(), flags=re.MULTILINE)
    file.write_text(text.replace("observe: 5s", "observe: 0s"))
    edit(folder)
    shell.commit("Neither linted nor tested nor observed")
    shell("git", "branch", "dev")
    shell("junov", "run", "main")
    shell("junov", "run", "dev")
    found = re.search(r"^project: (\S+)", text, re.MULTILINE)
    assert found
    return Stage(site, shell, web, found[1])
