"""A team of the tests' own: a project on a server of its own, whose settings a test may change."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from junov.config.home import Home
from junov.delivery.backups.record import backups_folder
from junov.environments import identify
from junov.site import Site
from tests.engine.conftest import Shell
from tests.engine.killing import KILLED

MIGRATION = """\
import sqlalchemy as sa
from alembic import op

revision = "{new}"
down_revision = "{old}"


def upgrade() -> None:
    op.add_column("notes", sa.Column("stars_{new}", sa.Integer))


def downgrade() -> None:
    op.drop_column("notes", "stars_{new}")
"""


@dataclass(frozen=True)
class Team:
    """The example on a server of its own, with a production that may be reset.

    Args:
        shell: in the repository.
        home: the server's state folder.
        project: the project's name.
        first: what production's first deploy has said.
    """

    shell: Shell
    home: Path
    project: str
    first: str

    def __call__(self, *argv: str, expect: int = 0, typed: str = "") -> str:
        """Run junov; nobody sits at the terminal but for what is typed."""
        script = 'printf "%s" "$0" | "$@"'
        typed = f"{typed}\n" if typed else ""
        return self.shell("sh", "-c", script, typed, "junov", *argv, expect=expect)

    def kill(self, point: str, *argv: str) -> None:
        """Have junov killed at a point."""
        harness = (sys.executable, "-m", "tests.engine.killing", point, "--")
        self.shell(*harness, *argv, expect=KILLED)

    @property
    def site(self) -> Site:
        """The server, as its settings are now."""
        return Site(Home(self.home))

    def folder(self, name: str = "prod") -> Path:
        """The folder with an environment's backups."""
        return backups_folder(self.site, identify(self.project, name))

    def backups(self, name: str = "prod") -> list[dict[str, Any]]:
        """Those of an environment, the newest first."""
        found: list[dict[str, Any]] = json.loads(self("db", "backups", name, "--json"))
        return found

    def sql(self, text: str, name: str = "prod") -> str:
        """What psql says."""
        return self("db", "psql", name, "--", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text).strip()

    def head(self, name: str = "prod") -> str:
        """Where its database stands."""
        return self.sql("SELECT version_num FROM alembic_version", name)

    def add_migration(self) -> str:
        """Commit another migration; its revision."""
        versions = self.shell.folder / "migrations" / "versions"
        old = max(path.name for path in versions.glob("*.py"))[:4]
        new = f"{int(old) + 1:04}"
        (versions / f"{new}_stars.py").write_text(MIGRATION.format(new=new, old=old))
        self.shell.commit(f"Migration {new}")
        return new

    def age(self, by: timedelta, name: str = "prod") -> None:
        """Let every backup of an environment be that much older."""
        for path in self.folder(name).glob("*.json"):
            facts = json.loads(path.read_text())
            taken = datetime.fromisoformat(facts["taken_at"]) - by
            path.write_text(json.dumps({**facts, "taken_at": taken.isoformat()}))

    @contextmanager
    def without_backups(self, name: str = "prod") -> Iterator[None]:
        """Let there be no place for the backups of an environment while the block runs."""
        folder = self.folder(name)
        aside = folder.with_name(f"{folder.name}.aside")
        folder.rename(aside)
        folder.touch()
        try:
            yield
        finally:
            folder.unlink()
            aside.rename(folder)
