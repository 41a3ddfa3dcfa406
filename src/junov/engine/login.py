"""Logging the docker client in to a registry for as long as one command takes."""

from __future__ import annotations

import base64
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from junov.secret import Secret


@contextmanager
def docker_login(
    host: str, user: str, password: Secret, environ: Mapping[str, str] = os.environ
) -> Iterator[dict[str, str]]:
    """A configuration of the docker client that is logged in to a registry, removed afterwards.

    `docker login` would leave the password in the home folder of the user, who on a shell runner
    is the same for every job. Here it is on no command line, and in no file that outlives this.

    Args:
        host: the registry's host, with its port if it has one.
        user: the name.
        password: the password or access token.
        environ: where docker's own configuration is looked for; all else in it stays in force.

    Yields:
        The variables to run docker with.
    """
    own = docker_config_file(environ).parent
    with tempfile.TemporaryDirectory(prefix="junov-docker-") as name:
        folder = Path(name)  # made with mode 0700
        for entry in own.iterdir() if own.is_dir() else ():
            if entry.name != "config.json":  # plugins, contexts, builders
                (folder / entry.name).symlink_to(entry)
        file = folder / "config.json"
        file.touch(mode=0o600)
        config = with_login(_read(own / "config.json"), host, user, password)
        file.write_text(json.dumps(config), encoding="utf-8")
        yield {"DOCKER_CONFIG": str(folder)}


def docker_config_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the docker client has its own configuration; it need not be there."""
    folder = environ.get("DOCKER_CONFIG") or Path(environ.get("HOME") or Path.home()) / ".docker"
    return Path(folder) / "config.json"


def with_login(config: Mapping[str, Any], host: str, user: str, password: Secret) -> dict[str, Any]:
    """Docker's configuration with these credentials for one registry, and the others as before."""
    auth = base64.b64encode(f"{user}:{password.reveal()}".encode()).decode()
    auths = dict(config.get("auths") or {})
    helpers = dict(config.get("credHelpers") or {})
    # The client asks a store instead of `auths`, so the store is left to the other registries.
    if store := config.get("credsStore"):
        helpers = {**dict.fromkeys(auths, store), **helpers}
    helpers.pop(host, None)
    rest = {key: value for key, value in config.items() if key != "credsStore"}
    return {**rest, "auths": {**auths, host: {"auth": auth}}, "credHelpers": helpers}


def _read(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}
