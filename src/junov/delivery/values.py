"""What junov tells an environment's containers: who they are, their database, their secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping

from junov.config.project import Project
from junov.environments import Environment, Identity
from junov.errors import StageError
from junov.secret import Secret
from junov.site import Site


def database_password(site: Site, identity: Identity) -> Secret:
    """The password of an environment's role: never kept, made again whenever it is needed."""
    return site.password("database", *identity.secret_scope)


def secrets(
    project: Project,
    environment: Environment,
    site: Site,
    environ: Mapping[str, str] = os.environ,
) -> dict[str, Secret]:
    """The values of the variables that `junov.yaml` calls secrets.

    Args:
        project: names them, and says which are generated.
        environment: whose they are; no two environments share a generated one.
        site: has the key that they are derived from.
        environ: has those that are required from outside.

    Raises:
        StageError: required ones are not set; it names all of them.
    """
    missing = [
        name
        for name, source in project.secrets.items()
        if source == "required" and not environ.get(name)
    ]
    if missing:
        raise StageError(
            f"secrets of {environment.name} are not set: {', '.join(missing)}",
            remedy="set them in the environment of the job or shell that deploys "
            "(in GitLab: variables scoped to this environment)",
        )
    return {
        name: Secret(environ[name])
        if source == "required"
        else site.password("secret", *environment.identity.secret_scope, name)
        for name, source in project.secrets.items()
    }
