"""One environment's data copied into the database of another one."""

from __future__ import annotations

from junov.databases.transfer import transfer
from junov.delivery.values import database_password
from junov.environments import Environment
from junov.errors import StageError
from junov.secret import redact
from junov.site import Site
from junov.steps import Step

COPY_SECONDS = 6 * 3600.0


def copy_data(site: Site, source: Environment, target: Environment, step: Step) -> None:
    """Copy everything that is in an environment's database, as it is at one moment.

    Args:
        site: the server.
        source: whose data; it goes on being used.
        target: whose database is filled; it has to be empty.
        step: told what came of it.

    Raises:
        StageError: it failed; what was copied by then isn't there.
    """
    passwords = [database_password(site, each.identity) for each in (source, target)]
    argv, variables = transfer(
        source.identity.database, passwords[0], target.identity.database, passwords[1]
    )
    code, output = site.engine.execute(
        site.part("postgres").id, argv, timeout=COPY_SECONDS, variables=variables
    )
    if code:
        raise StageError(
            f"the data of {source.name} could not be copied: it ended with exit code {code}",
            detail=redact(output, passwords),
            remedy="what Postgres said stands below; the database that was there is untouched",
        )
    step.note = f"into {target.identity.database}"
