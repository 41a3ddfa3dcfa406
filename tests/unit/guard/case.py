"""Case files: a project's files, and what the guard says about them.

    tests/unit/guard/cases/<rule>/refused-<what>.yaml     the rule speaks, exactly at the marks
    tests/unit/guard/cases/<rule>/allowed-<what>.yaml     no rule speaks

A case file holds, besides a `#` comment that says what it shows:

    files         the project's files by name. Where the guard is to point, a `▸` stands right
                  before the place; the mark is taken out before the file is read. `junov.yaml`,
                  `compose.yaml` and `Dockerfile` have the contents below unless a case gives its
                  own; null for a file that isn't there.
    junov         lines to add to that junov.yaml
    environment   whose stack it is: prod, stage (the default), feature/search; or `test`, for the
                  stack of a test run
    says          for each mark in order, a part of the message
    also          ids of other rules that may speak as well
    given         variables that junov gives to interpolation and to the project's own services
    image         facts about the image: digest, promoted, commit, revision, tested
    hidden        texts that no finding may show
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from junov.config.project import ProjectFolder, read_project
from junov.engine.resolve import resolve
from junov.environments.environment import environment_named, environments_of
from junov.stacks.guard import Context, Finding, Foreign, ImageFacts, guard
from junov.stacks.layers import Layers, layers_for_deploy, layers_for_test

CASES = Path(__file__).with_name("cases")
MARK = "▸"
POOL = "10.213.0.0/16"

JUNOV = """\
project: notes
web: {service: web}
environments:
  prod: {branch: main, host: notes.example.com, tier: production}
  stage: {branch: dev, host: stage.notes.example.com, tier: staging}
  feature: {branch: "feature/*", host: "{slug}.notes.example.com"}
"""
COMPOSE = """\
services:
  web:
    build: .
"""
DOCKERFILE = "FROM debian AS release\nFROM release AS debug\n"


@dataclass(frozen=True)
class Case:
    """One case file."""

    path: Path
    data: Mapping[str, Any]

    @property
    def rule(self) -> str:
        return self.path.parent.name

    @property
    def refused(self) -> bool:
        return self.path.name.startswith("refused")

    @property
    def name(self) -> str:
        return f"{self.rule}/{self.path.stem}"

    def files(self) -> dict[str, str]:
        files = {"junov.yaml": JUNOV, "compose.yaml": COMPOSE, "Dockerfile": DOCKERFILE}
        given: Mapping[str, str | None] = self.data.get("files", {})
        files |= {name: text for name, text in given.items() if text is not None}
        files["junov.yaml"] += self.data.get("junov", "")
        return {name: text for name, text in files.items() if given.get(name, text) is not None}

    def marks(self) -> list[tuple[str, int, int]]:
        """File, line and column of each mark, in the order of the files."""
        found = []
        for name, text in sorted(self.files().items()):
            for number, line in enumerate(text.splitlines(), 1):
                parts = line.split(MARK)
                found += [
                    (name, number, len("".join(parts[:index])) + 1)
                    for index in range(1, len(parts))
                ]
        return found


def all_cases() -> list[Case]:
    loader = YAML(typ="safe", pure=True)
    return [Case(path, loader.load(path)) for path in sorted(CASES.glob("*/*.yaml"))]


def write(case: Case, folder: Path) -> ProjectFolder:
    for name, text in case.files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(MARK, ""), encoding="utf-8")
    return read_project(folder)


def run(case: Case, folder: Path) -> list[Finding]:
    """What the guard finds in a case, with the real Compose's reading of its files."""
    project = write(case, folder)
    layers, context = _layers(case, project)
    stack = context["target"].identity.stack if "target" in context else "notes_test_1"
    model = resolve(compose_argv(), layers, stack_name=stack)
    return guard(Context(model, layers, project, **context))


def compose_argv() -> list[str]:
    """Compose as it is installed here: nothing in these tests needs an engine."""
    binary = Path(__file__).parents[3] / ".venv" / "bin" / "docker-compose"
    found = shutil.which("docker-compose") or (str(binary) if binary.is_file() else None)
    return [found] if found else ["docker", "compose"]


def _layers(case: Case, project: ProjectFolder) -> tuple[Layers, dict[str, Any]]:
    given = case.data.get("given", {})
    name = case.data.get("environment", "stage")
    if name == "test":
        return layers_for_test(project, given), {}
    target = environment_named(project.config, name)
    every = [*environments_of(project.config), environment_named(project.config, "feature/search")]
    others = [
        Foreign.of(other, "172.30.5.0/24" if other.name == "prod" else None)
        for other in every
        if other.name != name
    ]
    facts = case.data.get("image")
    return layers_for_deploy(project, target, given), {
        "target": target,
        "others": others,
        "pool": POOL,
        "image": ImageFacts(**facts) if facts else None,
    }
