"""Which project on which GitLab is meant. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from junov.config.gitlab import GitLab
from junov.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Place:
    """A project on a GitLab.

    Args:
        url: GitLab's address, without a slash at its end.
        path: the project's path there.
    """

    url: str
    path: str


def find_place(
    config: GitLab,
    environ: Mapping[str, str],
    origin: str,
    *,
    url: str | None = None,
    path: str | None = None,
) -> Place:
    """Where the project is: what was said, else `junov.yaml`, the CI job, or `origin`.

    Args:
        config: the section `gitlab` of `junov.yaml`.
        environ: where `CI_SERVER_URL` and `CI_PROJECT_PATH` are looked for.
        origin: the address of the git remote `origin`; may be empty.
        url, path: what the user said.

    Raises:
        NotFoundError: neither of them says it.
    """
    from_origin = of_remote(origin)
    found_url = url or config.url or environ.get("CI_SERVER_URL")
    found_path = path or config.path or environ.get("CI_PROJECT_PATH")
    if from_origin:
        found_url, found_path = found_url or from_origin.url, found_path or from_origin.path
    if not found_url or not found_path:
        missing = "GitLab's address" if not found_url else "the project's path on GitLab"
        key = "url: https://gitlab.example.com" if not found_url else "path: team/notes"
        raise NotFoundError(
            f"{missing} is not known: neither junov.yaml nor `origin` says it",
            remedy=f"set it under `gitlab:` in junov.yaml, such as `{key}`",
        )
    return Place(found_url.rstrip("/"), found_path.strip("/"))


def of_remote(address: str) -> Place | None:
    """The project that the address of a git remote points to; None where it points to none.

    A GitLab below a path of its host, and one whose pages have another port than 443, can't be
    told from the address of a remote over SSH.
    """
    web = re.fullmatch(r"(https?://)(?:[^/@]*@)?([^/]+)/(.+?)(?:\.git)?/?", address)
    if web:
        return Place(f"{web[1]}{web[2]}", web[3])
    ssh = re.fullmatch(r"ssh://(?:[^/@]*@)?([^/:]+)(?::\d+)?/(.+?)(?:\.git)?/?", address)
    short = re.fullmatch(r"(?:[^/@:]+@)([^/:]+):(?!/)(.+?)(?:\.git)?/?", address)
    found = ssh or short
    return Place(f"https://{found[1]}", found[2]) if found else None
