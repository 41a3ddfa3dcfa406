"""Templates: what the migrations and fixtures of one commit have made, copied for others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from junov.databases import NotCopyableError, Stamp, Template
from junov.delivery.delivered import Delivered
from junov.delivery.migrations import schema_heads
from junov.delivery.recipe import Recipe
from junov.environments import Identity
from junov.images.image import DIRTY
from junov.site import Site

KEPT_TEMPLATES = 5
"""How many a project has: those that were used last."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """A template that a new database can be copied from.

    Args:
        template: the template.
        complete: whether it has all the migrations; else the rest still has to run.
    """

    template: Template
    complete: bool


def find_template(site: Site, identity: Identity, recipe: Recipe) -> Fitting | None:
    """The template that has most of what a recipe makes, or None where none fits."""
    return fitting(site.postgres.templates(site.server.name, identity.project), recipe)


def fitting(templates: list[Template], recipe: Recipe) -> Fitting | None:
    """Of a project's templates the one that has most of what a recipe makes.

    Args:
        templates: the templates, the last used first.
        recipe: what is wanted.

    Returns:
        One with the same basis, and with no migration that isn't among the recipe's; None where
        there is none.
    """
    order = {digest: number for number, digest in enumerate(recipe.revisions)}
    fits = [
        each
        for each in templates
        if each.fixtures == recipe.basis and order.keys() >= set(each.lineage)
    ]
    if not fits:
        return None
    best = max(fits, key=lambda each: max((order[name] for name in each.lineage), default=-1))
    return Fitting(best, complete=set(best.lineage) == set(recipe.heads))


def keep_template(site: Site, delivered: Delivered, commit: str) -> str:
    """Keep what is in a release's database now as the template of its recipe.

    Nobody may be connected to it: its release is still to be started. Where that isn't so, or the
    commit says less than what was built, there will be no template, and that is all.

    Args:
        site: the server.
        delivered: the release; its migrations and fixtures have just been run.
        commit: its commit.

    Returns:
        What came of it, for people.
    """
    recipe = delivered.recipe
    if commit.endswith(DIRTY) or recipe is None:
        return ""
    names = delivered.environment.identity
    whose = Stamp(site.server.name, names.project, names.name, datetime.now(UTC))
    try:
        site.postgres.make_template(
            names.database,
            names.role,
            whose,
            heads=schema_heads(site, delivered),
            fixtures=recipe.basis,
            lineage=recipe.heads,
            commit=commit,
        )
    except NotCopyableError as error:
        return f"not kept as a template: {error.message}"
    site.postgres.prune_templates(site.server.name, names.project, keep=KEPT_TEMPLATES)
    return "kept as a template"
