"""Image references: `host[:port]/path[:tag][@sha256:…]`.

The grammar is that of https://github.com/distribution/reference, and so is the rule that a
reference without a host means Docker Hub.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from junov.errors import ConfigError, Problem

DOCKER_HUB = "docker.io"

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_NAME}(?:\.{_NAME})*|\[[0-9A-Fa-f:]+\])(?::\d{{1,5}})?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

_REMEDY = "write it as registry.example.com/team/notes"


@dataclass(frozen=True, slots=True, order=True)
class Repository:
    """Where a registry keeps the images of one project.

    Args:
        host: the registry's host, with its port if it has one.
        path: the path below it, in lower case.
    """

    host: str
    path: str

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"

    @property
    def url(self) -> str:
        """What the address of everything in this repository begins with."""
        return f"{registry_url(self.host)}/v2/{self.path}"

    def tagged(self, tag: str) -> str:
        """The reference of a tag."""
        return f"{self}:{tag}"

    def at(self, digest: str) -> str:
        """The reference of a digest."""
        return f"{self}@{digest}"


@dataclass(frozen=True, slots=True)
class Reference:
    """An image as a person or a compose file names it.

    Args:
        repository: where it is.
        tag: its tag, if the reference has one.
        digest: its digest, if the reference has one; it counts more than the tag.
    """

    repository: Repository
    tag: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"


def parse_repository(text: str) -> Repository:
    """A repository such as `registry.example.com:5050/team/notes`.

    Raises:
        ConfigError: it is not one, or has a tag or a digest.
    """
    reference = parse_reference(text)
    if reference.tag or reference.digest:
        raise _error(f"expected a repository without a tag or a digest, found `{text}`")
    return reference.repository


def parse_reference(text: str) -> Reference:
    """An image reference; nothing is added to it, not even `latest`.

    Raises:
        ConfigError: it is not one; the message says what is wrong with it.
    """
    name, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise _error(f"expected a digest of sha256: and 64 hexadecimal digits, found `{text}`")
    name, tag = _cut_tag(name)
    if tag is not None and not is_tag(tag):
        raise _error(f"expected a tag of at most 128 letters, digits, `_`, `.` or `-` in `{text}`")
    return Reference(_repository(name, text), tag, digest or None)


def is_digest(text: str) -> bool:
    """Whether a text is a SHA-256 digest in the form that registries use."""
    return _DIGEST.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Whether a registry accepts a text as a tag."""
    return _TAG.fullmatch(text) is not None


def is_loopback(host: str) -> bool:
    """Whether a registry is on this machine, where Docker speaks plain HTTP to it.

    Args:
        host: a host name or address, with or without a port.
    """
    name = host.removeprefix("[").partition("]")[0] if host[:1] == "[" else host.partition(":")[0]
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def registry_url(host: str) -> str:
    """The address of a registry: http on this machine, https everywhere else."""
    if host == DOCKER_HUB:
        return "https://registry-1.docker.io"
    return f"{'http' if is_loopback(host) else 'https'}://{host}"


def _cut_tag(name: str) -> tuple[str, str | None]:
    head, colon, tail = name.rpartition(":")
    if not colon or "/" in tail:  # the colon of a port
        return name, None
    return head, tail


def _repository(name: str, text: str) -> Repository:
    host, slash, path = name.partition("/")
    # Docker's own rule for telling a host from the first part of a path.
    if not slash or not (re.search(r"[.:]", host) or host == "localhost"):
        host, path = DOCKER_HUB, name if slash else f"library/{name}"
    if path != path.lower():
        raise _error(f"the path of an image is in lower case, found `{text}`")
    if not _HOST.fullmatch(host) or not _PATH.fullmatch(path):
        raise _error(f"expected an image such as registry.example.com/team/notes, found `{text}`")
    if len(host) + len(path) > 254:
        raise _error(f"an image's name has at most 255 characters, found {len(name)}")
    return Repository(host, path)


def _error(message: str) -> ConfigError:
    return ConfigError([Problem(message, remedy=_REMEDY)])
