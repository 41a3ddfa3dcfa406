"""Where the server's state is kept, and the key that its passwords are derived from."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from junov.errors import UnavailableError
from junov.secret import Secret


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one server's state (`JUNOV_HOME`), readable by its owner only.

    Args:
        path: the folder; it need not exist yet.
    """

    path: Path

    @property
    def server_file(self) -> Path:
        """`server.yaml`."""
        return self.path / "server.yaml"

    @property
    def key_file(self) -> Path:
        """The key that passwords are derived from."""
        return self.path / "key"

    @property
    def journal_file(self) -> Path:
        """The journal's database."""
        return self.path / "journal.db"

    @property
    def stack_file(self) -> Path:
        """The server's own resolved stack."""
        return self.path / "server" / "stack.yaml"

    @property
    def backups_folder(self) -> Path:
        """The backups of databases, by environment."""
        return self.path / "backups"

    @property
    def edge_folder(self) -> Path:
        """The edge's configuration; its routes are in `routes`."""
        return self.path / "edge"

    @property
    def pgbouncer_folder(self) -> Path:
        """PgBouncer's configuration, with the passwords of those that it lets in."""
        return self.path / "pgbouncer"

    @property
    def locks_folder(self) -> Path:
        """One lock file for each environment, and one for the server."""
        return self.path / "locks"

    @property
    def environments_folder(self) -> Path:
        """A folder for each environment, with its releases."""
        return self.path / "environments"

    @property
    def logs_folder(self) -> Path:
        """Reports of junov's own bugs."""
        return self.path / "logs"

    def make(self) -> None:
        """Create the folder, closed to others.

        Raises:
            UnavailableError: it cannot be created or written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.chmod(0o700)
        except OSError as error:
            raise UnavailableError(
                f"the state folder {self.path} cannot be used: {error.strerror}",
                remedy="see that you may write there, and that its disk isn't mounted read-only; "
                "where the server's folder is another one, set JUNOV_HOME to that",
            ) from None

    def key(self) -> Secret:
        """The server's key.

        Raises:
            UnavailableError: it is gone or damaged. It is never made anew behind an existing
                server: every password would change with it.
        """
        try:
            return self._read_key()
        except FileNotFoundError:
            raise self._no_key("is not there") from None

    def make_key(self) -> Secret:
        """The key of a new server: 32 random bytes, in a file with mode 0600; kept if it is there.

        Raises:
            UnavailableError: it is damaged, or the folder cannot be written.
        """
        self.make()
        try:
            return self._read_key()
        except FileNotFoundError:
            pass
        # Two first runs may race: the link is made by one of them, and both read what it made.
        mine = self.path / f".key-{os.getpid()}-{secrets.token_hex(4)}"
        mine.touch(mode=0o600)
        mine.write_text(secrets.token_hex(32) + "\n", encoding="ascii")
        try:
            os.link(mine, self.key_file)
        except FileExistsError:
            pass
        finally:
            mine.unlink()
        return self._read_key()

    def _read_key(self) -> Secret:
        try:
            text = self.key_file.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            raise
        except (OSError, UnicodeDecodeError) as error:
            raise self._no_key(f"cannot be read: {error}") from None
        if not re.fullmatch(r"[0-9a-f]{64}", text):
            raise self._no_key("is not what junov wrote")
        return Secret(text)

    def _no_key(self, why: str) -> UnavailableError:
        return UnavailableError(
            f"the server's key {self.key_file} {why}",
            remedy="put it back from a backup: every password on this server is derived from it",
        )


def find_home(environ: Mapping[str, str] = os.environ) -> Home:
    """The state folder: `$JUNOV_HOME`, else /var/lib/junov for root, else in the user's home."""
    if environ.get("JUNOV_HOME"):
        return Home(Path(environ["JUNOV_HOME"]).expanduser().absolute())
    if os.geteuid() == 0:
        return Home(Path("/var/lib/junov"))
    data = environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Home(Path(data) / "junov")


def write_private(path: Path, text: str, *, owner: int | None = None) -> None:
    """Replace a file at once, readable by its owner only; its folder is made if need be.

    Args:
        path: the file.
        text: what is in it.
        owner: the user and group that it belongs to; without it, those of this process.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    mine = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        mine.touch(mode=0o600)
        mine.write_text(text, encoding="utf-8")
        if owner is not None:
            os.chown(mine, owner, owner)
        mine.replace(path)
    finally:
        mine.unlink(missing_ok=True)
