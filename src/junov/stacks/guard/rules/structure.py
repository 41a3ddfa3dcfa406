"""What `junov.yaml` names is there: services in the compose files, targets in the Dockerfile."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from junov.config.validation import did_you_mean
from junov.config.yamlfile import Loc
from junov.stacks.guard.context import Context
from junov.stacks.guard.rule import EVERYWHERE, Hit, Rule

_FROM = re.compile(
    r"^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*(?P<image>\S+)(?:[ \t]+AS[ \t]+(?P<name>\S+))?",
    re.IGNORECASE | re.MULTILINE,
)


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


def _missing_target(context: Context) -> Iterator[Hit]:
    build, place = context.project.build, context.folder.file.place
    path = os.path.relpath(context.dockerfile_path, context.layers.project_dir)
    wanted = {"release": build.release}
    if context.project.test:
        wanted["debug"] = build.debug
    if context.dockerfile is None:
        names = " and ".join(f"`{name}`" for name in dict.fromkeys(wanted.values()))
        yield Hit(
            f"there is no {path} to build the project's image from",
            path,
            place=place(("build", "dockerfile")),
            remedy=f"write it with the {'targets' if ' and ' in names else 'target'} {names}, or "
            "name yours under `build.dockerfile`",
        )
        return
    stages = list(_FROM.finditer(context.dockerfile.replace("\\\n", " ")))
    # A target may be named by its number, and its name in any case.
    known = {str(index) for index in range(len(stages))}
    known |= {stage["name"].lower() for stage in stages if stage["name"]}
    for key, name in wanted.items():
        if name.lower() not in known:
            yield Hit(
                f"`build.{key}` names the target `{name}`, which {path} doesn't have",
                name,
                place=place(("build", key)),
                remedy=_remedy_of_target(key, name, build.release, stages),
            )


def _remedy_of_target(key: str, name: str, release: str, stages: list[re.Match[str]]) -> str:
    names = [stage["name"] for stage in stages if stage["name"]]
    near = did_you_mean(name, names)
    if near.startswith("did"):
        return near
    if key == "debug":
        return f"put a stage with tools and tests on top of the other: FROM {release} AS {name}"
    last = stages[-1] if stages else None
    if last and last["name"]:
        return f"name one that is there: {', '.join(names)}"
    return f"name the last stage: FROM {last['image'] if last else '…'} AS {name}"


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
    Rule(
        id="missing-target",
        sentence="A Dockerfile that isn't there, or lacks a target that junov.yaml names: "
        "`build.release`, and `build.debug` where there are tests. Nothing can be built.",
        remedy="name the targets in the Dockerfile",
        waivable=False,
        check=_missing_target,
        applies_to=EVERYWHERE,
        bad="# Dockerfile\nFROM python:3.11-slim\n",
        good="# Dockerfile\nFROM python:3.11-slim AS release\nFROM release AS debug\n",
    ),
)
