"""The folder of routes: one file for each environment, and one owner for each host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

from junov.edge.config import API_FILE
from junov.edge.route import Route, RouteFileError, check_route_name, parse, render
from junov.errors import JunovError, LockedError, UnavailableError

__all__ = ["HostTakenError", "RouteFileError", "Routes"]

LOCK_TIMEOUT = 10  # seconds; what is done under the lock takes milliseconds


class HostTakenError(JunovError):
    """Another environment has the host already.

    Args:
        host: the host name.
        owner: the route that has it.
    """

    def __init__(self, host: str, owner: Route) -> None:
        super().__init__(
            f"the host {host} belongs to environment {owner.environment} of project "
            f"{owner.project}; it still serves, and nothing was changed",
            remedy="give this environment another `host` in junov.yaml, or remove the other one "
            f"with: junov env rm {quote(owner.environment)} (in the project {owner.project})",
        )
        self.host = host
        self.owner = owner


class Routes:
    """The route files that Traefik watches.

    Args:
        folder: the folder; it is made at the first write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, route: Route) -> None:
        """Make or replace a route, all at once.

        Traefik sees the old file or the new one, never a part. A host belongs to the first
        environment that took it.

        Raises:
            HostTakenError: another route has the host; nothing was changed.
            RouteFileError: a file in the folder is broken. Traefik then takes no change at all, so
                a new route would never be seen.
            LockedError: another run has held the folder for 10 s.
            UnavailableError: the folder can't be written.
        """
        with self._locked():
            for other in self.all():
                if other.host == route.host and other.name != route.name:
                    raise HostTakenError(route.host, other)
            self._replace(self._path(route.name), render(route))

    def remove(self, name: str) -> bool:
        """Remove a route; whether there was one.

        Raises:
            LockedError: another run has held the folder for 10 s.
            UnavailableError: the folder can't be written.
        """
        path = self._path(name)
        if not path.exists():
            return False
        with self._locked():
            try:
                path.unlink()
            except FileNotFoundError:
                return False
        return True

    def read(self, name: str) -> Route | None:
        """A route, or None where there is none.

        Raises:
            RouteFileError: its file isn't what junov wrote.
        """
        return self._read(self._path(name))

    def all(self) -> list[Route]:
        """Every route, by name.

        Raises:
            RouteFileError: one of the files isn't what junov wrote.
        """
        paths = sorted(self.folder.glob("*.y*ml")) if self.folder.is_dir() else []
        found = (self._read(path) for path in paths if path.name != API_FILE)
        return [route for route in found if route]

    def write_dynamic_config(self, text: str) -> None:
        """Put what holds for every route beside them; the text is of `dynamic_config`."""
        with self._locked():
            self._replace(self.folder / API_FILE, text)

    def _path(self, name: str) -> Path:
        return self.folder / f"{check_route_name(name)}.yaml"

    def _read(self, path: Path) -> Route | None:
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise _broken(path, str(error)) from None
        try:
            route = parse(text)
        except ValueError as error:
            raise _broken(path, str(error)) from None
        if path != self._path(route.name):
            raise _broken(path, f"it is the file of the route {route.name}")
        return route

    def _replace(self, path: Path, text: str) -> None:
        # Traefik reads what ends in .yaml, .yml or .toml; this must not. Whoever is here holds the
        # folder, so one name does for all, and what a killed run has left is written over.
        mine = self.folder / ".new"
        try:
            with mine.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            mine.chmod(0o644)
            mine.replace(path)
        except OSError as error:
            raise self._unusable(error) from None
        finally:
            mine.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        from filelock import FileLock, Timeout

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Beside the folder: each change inside makes Traefik read all of it again.
            path = self.folder.with_name(f"{self.folder.name}.lock")
            lock = FileLock(path, timeout=LOCK_TIMEOUT, poll_interval=0.01)
            lock.acquire()
        except Timeout:
            raise LockedError(
                f"another run has held the routes in {self.folder} for {LOCK_TIMEOUT} s",
                remedy="wait for it to end and try again",
            ) from None
        except OSError as error:
            raise self._unusable(error) from None
        try:
            yield
        finally:
            lock.release()

    def _unusable(self, error: OSError) -> UnavailableError:
        return UnavailableError(
            f"the routes folder {self.folder} can't be written: {error.strerror or error}",
            remedy="free some disk or mend its owner, then try again; routes that are there go on "
            "serving",
        )


def _broken(path: Path, why: str) -> RouteFileError:
    return RouteFileError(
        f"the route file {path} isn't as junov wrote it: {why}",
        remedy="remove the file and deploy its environment again; while it is broken Traefik "
        "keeps the routes that it knows and takes no new ones",
    )
