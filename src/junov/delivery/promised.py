"""Connections of Postgres that have been promised to environments."""

from __future__ import annotations

from junov.delivery.provision import EnvironmentDatabase
from junov.site import Site
from junov.steps import Step


def tell_promised(site: Site, database: EnvironmentDatabase, step: Step) -> None:
    """Say it where a new environment's limit makes all limits add up to more than there is.

    It is no error: hardly ever do all environments hold all that they may.

    Args:
        site: the server.
        database: the environment's; of one that isn't new, nothing is said.
        step: gets it into its note, which is shown when all goes well.
    """
    if not database.created:
        return
    budget = site.postgres.connection_budget()
    if budget.over > 0:
        step.note += (
            f"; the connection limits of all environments add up to {budget.promised} now, "
            f"{budget.over} more than there are; what to do about it says: junov server doctor"
        )
