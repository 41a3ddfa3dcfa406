"""Check a project: its configuration, and the wall around every environment. Needs no engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from junov.config.project import ProjectFolder, find_project, read_project
from junov.delivery.checked import others_of_project, pool_of
from junov.delivery.recipe import recipe_problems
from junov.delivery.revisions import revision_problems
from junov.engine.client import find_compose
from junov.engine.resolve import resolve
from junov.environments import Environment
from junov.environments.environment import environment_named, sample_of
from junov.errors import ConfigError, Place, Problem
from junov.site import Site
from junov.stacks.guard import Context, Finding, Foreign, guard, stale_waivers
from junov.stacks.layers import Layers, layers_for_deploy, layers_for_test, stand_ins

TESTS = "tests"
COMPOSE = "compose"
REVISIONS = "revisions"
FIXTURES = "fixtures"


@dataclass(frozen=True)
class Checked:
    """What was found about one environment, or about the tests' stack.

    Args:
        environment: its name; `tests` for the stack that tests run in.
        findings: what the guard found, accepted ones among it.
    """

    environment: str
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> list[Finding]:
        """What keeps it from being deployed."""
        return [finding for finding in self.findings if finding.waived_by is None]


def check_project(start: Path, only: str | None = None) -> list[Checked]:
    """Check the work tree of a project.

    Args:
        start: a folder of the project.
        only: one environment, such as `stage` or `feature/search`; all kinds without, a pattern's
            by an example.

    Returns:
        One result for each environment, and one for the tests' stack.

    Raises:
        NotFoundError: no project, or no such environment.
        ConfigError: `junov.yaml` is wrong, or Compose is missing.
    """
    folder = read_project(find_project(start))
    compose = find_compose().command
    if only:
        return [_checked(folder, compose, environment_named(folder.config, only))]
    results = [
        _checked(folder, compose, sample_of(folder.config, kind))
        for kind in folder.config.environments
    ]
    if folder.config.test:
        results.append(_of_tests(folder, compose))
    stale = stale_waivers(folder, [finding for each in results for finding in each.findings])
    own = [*stale, *_as_findings(FIXTURES, recipe_problems(folder))]
    if own:
        results.append(Checked("junov.yaml", tuple(own)))
    return results


def _checked(folder: ProjectFolder, compose: tuple[str, ...], environment: Environment) -> Checked:
    try:
        layers = layers_for_deploy(folder, environment, stand_ins(folder.config))
        others = tuple(_others(folder, environment).values())
        findings = _guarded(folder, compose, layers, environment, others)
    except ConfigError as error:
        findings = _as_findings(COMPOSE, error.problems)
    return Checked(environment.name, tuple(findings))


def _of_tests(folder: ProjectFolder, compose: tuple[str, ...]) -> Checked:
    try:
        layers = layers_for_test(folder, stand_ins(folder.config))
        findings = _guarded(folder, compose, layers, None, ())
    except ConfigError as error:
        findings = _as_findings(COMPOSE, error.problems)
    return Checked(TESTS, tuple(findings))


def _guarded(
    folder: ProjectFolder,
    compose: tuple[str, ...],
    layers: Layers,
    environment: Environment | None,
    others: tuple[Foreign, ...],
) -> list[Finding]:
    name = environment.identity.stack if environment else folder.config.project
    model = resolve(compose, layers, stack_name=name)
    found = guard(
        Context(
            model=model,
            layers=layers,
            folder=folder,
            target=environment,
            others=others,
            pool=pool_of(Site()),
        )
    )
    # Tests migrate a database of their own as they like.
    migrate = folder.config.migrate.service if folder.config.migrate and environment else None
    return found + _as_findings(REVISIONS, revision_problems(folder, model, migrate))


def _others(folder: ProjectFolder, environment: Environment) -> dict[str, Foreign]:
    """The project's other environments, and those that this machine's server has on record."""
    others = others_of_project(folder, environment)
    site = Site()
    if site.home.journal_file.exists():
        for record in site.journal.environments():
            foreign = Foreign.of(record.environment)
            others[foreign.label] = foreign
    others.pop(f"{environment.project}/{environment.name}", None)
    return others


def _as_findings(rule: str, problems: Sequence[Problem]) -> list[Finding]:
    """What others than the guard refuse, told like what it refuses itself."""
    return [
        Finding(rule, problem.message, problem.place or Place(Path()), problem.remedy)
        for problem in problems
    ]
