"""Templates: what one commit's migrations and fixtures have made, copied instead of made again."""

from __future__ import annotations

from datetime import UTC, datetime

from junov.databases import NotCopyableError, Stamp, Template
from junov.delivery.delivered import Delivered
from junov.delivery.migrations import schema_heads
from junov.environments import Identity
from junov.images.image import DIRTY
from junov.site import Site

KEPT_TEMPLATES = 5
"""How many a project has: those that were used last."""


def find_template(site: Site, identity: Identity, commit: str) -> Template | None:
    """The template of a commit, or None where there is none."""
    found = site.postgres.templates(site.server.name, identity.project)
    return next((each for each in found if each.commit == commit), None)


def keep_template(site: Site, delivered: Delivered, commit: str) -> str:
    """Keep what is in a release's database now as the template of its commit.

    Nobody may be connected to it: its release is still to be started. Where that isn't so, or the
    commit says less than what was built, there will be no template, and that is all.

    Args:
        site: the server.
        delivered: the release; its migrations and fixtures have just been run.
        commit: its commit.

    Returns:
        What came of it, for people.
    """
    if commit.endswith(DIRTY):
        return ""
    names = delivered.environment.identity
    whose = Stamp(site.server.name, names.project, names.name, datetime.now(UTC))
    try:
        site.postgres.make_template(
            names.database,
            names.role,
            whose,
            heads=schema_heads(site, delivered),
            fixtures=commit,
            commit=commit,
        )
    except NotCopyableError as error:
        return f"not kept as a template: {error.message}"
    site.postgres.prune_templates(site.server.name, names.project, keep=KEPT_TEMPLATES)
    return "kept as the template of this commit"
