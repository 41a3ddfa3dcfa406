"""Which credentials a registry is asked with: the CI job's, else those of `docker login`."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from junov import process
from junov.errors import ConfigError, Place, Problem, UnavailableError
from junov.images.reference import DOCKER_HUB
from junov.secret import Secret

HELPER_SECONDS = 10.0

# What `docker login` calls Docker Hub in its file.
_DOCKER_HUB_KEY = "index.docker.io"

# What a credential helper gives as the name where it keeps a token of its own kind
# (https://github.com/docker/docker-credential-helpers).
_TOKEN_USER = "<token>"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password for one registry.

    Args:
        user: the name.
        password: the password or access token.
        origin: where they came from, for messages.
    """

    user: str
    password: Secret
    origin: str

    def __str__(self) -> str:
        return f"the credentials of `{self.user}` from {self.origin}"


def find_credentials(host: str, environ: Mapping[str, str]) -> Credentials | None:
    """The credentials for a registry.

    Args:
        host: the registry's host, with its port if it has one.
        environ: `CI_REGISTRY`, `CI_REGISTRY_USER` and `CI_REGISTRY_PASSWORD` are taken first, if
            they are for this host; then docker's own `config.json`, in `DOCKER_CONFIG` or
            `~/.docker`, with its credential helpers.

    Returns:
        None where nobody has logged in to this registry.

    Raises:
        ConfigError: docker's file is broken.
        UnavailableError: the credential helper that it names isn't installed.
    """
    return ci_credentials(host, environ) or _docker_credentials(host, environ)


def ci_credentials(host: str, environ: Mapping[str, str]) -> Credentials | None:
    """The credentials that a GitLab job has for its project's registry, if that is `host`."""
    user, password = environ.get("CI_REGISTRY_USER"), environ.get("CI_REGISTRY_PASSWORD")
    if not user or not password or bare_host(environ.get("CI_REGISTRY", "")) != host:
        return None
    return Credentials(user, Secret(password), "CI_REGISTRY_USER and CI_REGISTRY_PASSWORD")


def bare_host(text: str) -> str:
    """The host in what a file calls a registry: without scheme and path."""
    return text.partition("://")[2].partition("/")[0] or text.partition("/")[0]


def _docker_credentials(host: str, environ: Mapping[str, str]) -> Credentials | None:
    home = environ.get("DOCKER_CONFIG") or Path(environ.get("HOME") or Path.home()) / ".docker"
    file = Path(home) / "config.json"
    config = _read(file)
    wanted = _DOCKER_HUB_KEY if host == DOCKER_HUB else host
    helper = _section(config, "credHelpers").get(wanted) or config.get("credsStore")
    if helper:
        found = _ask_helper(str(helper), wanted, file)
        if found:
            return found
    for key, entry in _section(config, "auths").items():
        if bare_host(key) == wanted and isinstance(entry, dict):
            return _from_entry(entry, host, file)
    return None


def _read(file: Path) -> Mapping[str, Any]:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (ValueError, OSError) as error:
        raise ConfigError(
            [Problem(f"docker's configuration is broken: {error}", Place(file))]
        ) from None
    return config if isinstance(config, dict) else {}


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = config.get(name)
    return section if isinstance(section, dict) else {}


def _from_entry(entry: Mapping[str, Any], host: str, file: Path) -> Credentials | None:
    if entry.get("identitytoken"):
        raise _token_error(host, str(file))
    user, password = entry.get("username"), entry.get("password")
    if entry.get("auth"):
        try:
            text = base64.b64decode(entry["auth"], validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, TypeError):
            raise ConfigError(
                [
                    Problem(
                        f"the credentials for {host} are no base64",
                        Place(file),
                        f"log in again with: docker login {host}",
                    )
                ]
            ) from None
        user, _, password = text.partition(":")
    if not user or not password:
        return None
    return Credentials(user, Secret(password), str(file))


def helper_argv(helper: str) -> list[str]:
    """How a credential helper is asked; the host goes to its standard input."""
    return [f"docker-credential-{helper}", "get"]


def _ask_helper(helper: str, host: str, file: Path) -> Credentials | None:
    argv = helper_argv(helper)
    key = f"https://{host}/v1/" if host == _DOCKER_HUB_KEY else host
    result = process.run(argv, stdin=key, timeout=HELPER_SECONDS)
    if result.exit_code == process.NOT_FOUND:
        raise UnavailableError(
            f"{file} leaves the credentials to {argv[0]}, which is not installed",
            remedy=f"install it, or set CI_REGISTRY={host} with CI_REGISTRY_USER and "
            "CI_REGISTRY_PASSWORD",
        )
    if result.exit_code == process.TIMED_OUT:
        raise UnavailableError(
            f"{argv[0]} gave no credentials for {host} in {HELPER_SECONDS:g} s",
            remedy="unlock the keyring that it reads",
        )
    try:
        answer = json.loads(result.stdout) if result.ok else {}
        user, password = answer.get("Username"), answer.get("Secret")
    except (ValueError, AttributeError):
        user = password = None
    if user == _TOKEN_USER:
        raise _token_error(host, argv[0])
    if not user or not password:
        return None
    return Credentials(user, Secret(password), argv[0])


def _token_error(host: str, origin: str) -> ConfigError:
    return ConfigError(
        [
            Problem(
                f"{origin} has an identity token for {host}; only a user with a password or an "
                "access token can be used",
                remedy=f"log in with one: docker login --username <user> {host}",
            )
        ]
    )
