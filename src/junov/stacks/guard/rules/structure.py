"""The services that `junov.yaml` names are in the compose files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from junov.config.validation import did_you_mean
from junov.config.yamlfile import Loc
from junov.stacks.guard.context import Context
from junov.stacks.guard.rule import EVERYWHERE, Hit, Rule


def _missing_service(context: Context) -> Iterator[Hit]:
    there: Mapping[str, Any] = context.model.get("services", {})
    for loc, name in _named(context):
        if name in there:
            continue
        key = ".".join(map(str, loc))
        if name in context.sources.documents.services():
            message = f"`{key}` names the service `{name}`, which its profile switches off"
            remedy = f"remove `profiles` from the service `{name}`"
        else:
            message = f"`{key}` names the service `{name}`, which is in no compose file"
            remedy = did_you_mean(name, there)
        yield Hit(message, name, place=context.folder.file.place(loc), remedy=remedy)


def _missing_build(context: Context) -> Iterator[Hit]:
    database = context.project.database
    for loc, name in _named(context):
        if name in context.services and name not in context.own:
            if database and name == database.service:
                continue
            yield Hit(
                f"service `{name}` has no `build:`, but `{loc[0]}` in junov.yaml needs one that "
                "runs the project's image",
                name,
                ("services", name),
                key=True,
            )


def _named(context: Context) -> Iterator[tuple[Loc, str]]:
    """The services that junov.yaml names, with their places there."""
    project = context.project
    yield ("web", "service"), project.web.service
    for key, section in (("migrate", project.migrate), ("database", project.database)):
        if section:
            yield (key, "service"), section.service
    if project.test and context.profile == "test":
        yield ("test", "service"), project.test.service


RULES = (
    Rule(
        id="missing-service",
        sentence="A service that junov.yaml names and no compose file has.",
        remedy="correct the name",
        waivable=False,
        check=_missing_service,
        applies_to=EVERYWHERE,
        bad="# junov.yaml\nweb: {service: webb}\n",
        good="# junov.yaml\nweb: {service: web}\n",
    ),
    Rule(
        id="missing-build",
        sentence="A web, migration or test service without `build:`. By `build:` junov knows which "
        "services run the project's own image.",
        remedy="add `build:` to the service",
        waivable=False,
        check=_missing_build,
        applies_to=EVERYWHERE,
        bad="services:\n  web:\n    image: notes:latest\n",
        good="services:\n  web:\n    build: .\n",
    ),
)
