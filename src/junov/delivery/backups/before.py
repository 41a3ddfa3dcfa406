"""The backup that a deploy or a rollback takes before migrations run on a database in use."""

from __future__ import annotations

from junov.config.project import ProjectFolder
from junov.delivery.backups.backup import back_up
from junov.delivery.backups.copies import NotCopiedError
from junov.delivery.backups.streams import megabytes
from junov.delivery.delivered import Delivered
from junov.delivery.environments import find_environment
from junov.delivery.migrations import schema_heads
from junov.delivery.provision import EnvironmentDatabase
from junov.delivery.revisions import heads, revisions_of
from junov.environments import Environment
from junov.errors import JunovError, StageError
from junov.site import Site
from junov.steps import Step, Steps


def back_up_before_migrations(
    site: Site,
    delivered: Delivered,
    database: EnvironmentDatabase,
    folder: ProjectFolder,
    steps: Steps,
) -> None:
    """Back an environment's database up, if its tier asks for it and migrations are to run.

    Args:
        site: the server.
        delivered: the release whose migrations these are.
        database: its database; one that was made just now has nothing to lose.
        folder: the project at the release's commit.
        steps: shows and records the step `backup`, where the tier asks for it.

    Raises:
        StageError: there could be no backup; nothing was migrated.
    """
    if database.name and not database.created and delivered.stack.migrate:
        pending = may_migrate(delivered, folder, schema_heads(site, delivered))
        back_up_first(site, delivered.environment, steps, pending=pending)


def back_up_first(
    site: Site, environment: Environment, steps: Steps, *, pending: bool = True
) -> None:
    """Back an environment's database up before its schema is changed, if its tier asks for it.

    Args:
        site: the server.
        environment: whose database is to be changed.
        steps: shows and records the step `backup`, where the tier asks for it.
        pending: whether anything is to be changed at all.

    Raises:
        StageError: there could be no backup.
    """
    if not asks_for_backup(site, environment):
        return
    with steps.step("backup", "Back the database up") as step:
        if not pending:
            step.note = "no migrations are to run"
            return
        view = find_environment(site, environment.name, environment.project)
        try:
            made = back_up(site, view, Steps(_Within(step)))
        except NotCopiedError as error:
            # It is there, and that is what the migrations wait for.
            step.note = f"on this server only: {error.message}"
            return
        except JunovError as error:
            raise StageError(
                f"{environment.name} is not migrated without a backup, and there could be none: "
                f"{error.message}",
                remedy=f"{error.remedy or 'mend that'}; then do this again. What ran before goes "
                f"on serving. Without these backups: take {environment.tier} out of "
                "`postgres.backups.before_migrations` in server.yaml",
                detail=error.detail,
            ) from None
        step.note = f"{made['name']}, {megabytes(made['size_bytes'])}"


def asks_for_backup(site: Site, environment: Environment) -> bool:
    """Whether the environment's tier is one that is backed up before migrations."""
    return environment.tier in site.server.postgres.backups.before_migrations


def may_migrate(delivered: Delivered, folder: ProjectFolder, at: tuple[str, ...]) -> bool:
    """Whether a release's migrations change anything, or it can't be told.

    Args:
        delivered: the release.
        folder: the project at its commit.
        at: where the database stands; empty where that isn't known.
    """
    service = delivered.stack.migrate
    found = revisions_of(folder, delivered.stack.model, service) if service else None
    return not at or found is None or {each.id for each in heads(found)} != set(at)


class _Within:
    """Shows the steps of a backup as lines of the one step that it is."""

    def __init__(self, step: Step) -> None:
        self._step = step

    def stage(self, name: str) -> None:
        """See `Progress.stage`."""
        self._step.say(name)

    def started(self, step: str, title: str) -> None:
        """See `Progress.started`."""
        del step
        self._step.say(title)

    def line(self, step: str, text: str) -> None:
        """See `Progress.line`."""
        del step
        self._step.say(text)

    def done(self, step: str, seconds: float, note: str) -> None:
        """See `Progress.done`."""
        del step, seconds
        if note:
            self._step.say(note)

    def failed(self, step: str, seconds: float, why: str) -> None:
        """See `Progress.failed`."""
        del step, seconds
        self._step.say(why)
