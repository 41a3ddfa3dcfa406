"""A release in the journal: begun before anything is done, every step, and how it ended."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from junov.config.home import write_private
from junov.delivery.admission import refuse_over_limit
from junov.delivery.source import Source
from junov.environments import Environment
from junov.environments.labels import RELEASE, environment_labels
from junov.errors import JunovError, StageError
from junov.images import Image
from junov.journal import Journal, Release
from junov.journal import Step as JournalStep
from junov.locks import held, who
from junov.site import Site
from junov.steps import Step, Steps

KEPT_RELEASES = 10
_LIMITS_LOCK = "limits"


class ReleaseUnderWay:
    """A release while it is delivered, with its folder.

    Args:
        journal: where it is kept.
        release: its record.
        folder: the environment's folder of releases.
    """

    def __init__(self, journal: Journal, release: Release, folder: Path) -> None:
        self._journal = journal
        self.release = release
        self._folder = folder
        self._step: JournalStep | None = None

    @property
    def number(self) -> int:
        """Its number in the environment."""
        return self.release.number

    @property
    def stack_file(self) -> Path:
        """Where its stack is, or will be, written."""
        return self._folder / str(self.number) / "stack.yaml"

    def write_stack(self, text: str) -> None:
        """Write the stack that the engine will be handed; it holds secrets, so mode 0600."""
        write_private(self.stack_file, text)
        self.release = self._journal.set_stack_file(self.release, self.stack_file)

    def prune(self, step: Step) -> None:
        """Remove the folders of this environment's releases that are too old to go back to."""
        numbers = sorted(int(path.name) for path in self._folder.iterdir() if path.name.isdecimal())
        for number in numbers[:-KEPT_RELEASES]:
            shutil.rmtree(self._folder / str(number), ignore_errors=True)
        step.note = f"releases kept: {min(len(numbers), KEPT_RELEASES)}"

    def step_started(self, step: str) -> None:
        """See `steps.Recorder`."""
        self._step = self._journal.step_started(self.release, step)

    def step_done(self, step: str, detail: str) -> None:
        """See `steps.Recorder`."""
        del step
        if self._step:
            self._journal.step_done(self._step, detail)

    def step_failed(self, step: str, detail: str) -> None:
        """See `steps.Recorder`."""
        del step
        if self._step:
            self._journal.step_failed(self._step, detail)


def next_number(site: Site, environment: Environment) -> int:
    """The number of the environment's next release; whoever asks holds the environment's lock."""
    last = site.journal.last_release(environment)
    # Containers count as well: without the journal, a number that is taken would be given again,
    # and what serves under it be replaced in place.
    labels = environment_labels(site.server.name, environment.identity)
    running = (each.labels.get(RELEASE, "0") for each in site.engine.containers(labels))
    return 1 + max(last.number if last else 0, *(int(number) for number in running), 0)


@contextmanager
def recorded(
    site: Site, source: Source, environment: Environment, image: Image, number: int, steps: Steps
) -> Iterator[tuple[ReleaseUnderWay, Steps]]:
    """Begin a release and keep how it goes; whatever the block raises is its end.

    Args:
        site: has the journal.
        source: what is delivered.
        environment: where to.
        image: what its services run.
        number: the release's, from `next_number`.
        steps: shows what is done.

    Yields:
        The release, and the steps that are kept with it.

    Raises:
        TakenError: the environment's host is another environment's; nothing was done.
        StageError: there is one environment of its kind too many; nothing was done.
    """
    journal = site.journal
    with held(site.home.locks_folder, _LIMITS_LOCK, purpose=f"registration of {environment.name}"):
        refuse_over_limit(site, source.folder.config, environment)
        journal.register(environment)
    for cut_short in journal.releases(environment):
        # Whoever holds the environment's lock is the only run in it: these were killed.
        if cut_short.outcome == "running":
            journal.end_release(cut_short, "superseded", error="its run was killed")
    release = journal.begin_release(
        environment,
        commit=image.revision,
        subject=source.commit.subject,
        author=source.commit.author,
        image=image.reference,
        debug_image=image.repository.at(image.debug_digest) if image.debug_digest else "",
        who=who(),
        at_least=number,
    )
    if release.number != number:
        raise StageError(
            f"release {number} of {environment.name} was begun by another run",
            remedy="look at what it does with: junov env show, and deploy again",
        )
    folder = site.home.environments_folder / environment.identity.folder / "releases"
    under_way = ReleaseUnderWay(journal, release, folder)
    try:
        yield under_way, steps.recorded_by(under_way)
    except JunovError as error:
        journal.end_release(release, "failed", error=error.message)
        raise
    except BaseException as error:
        cancelled = isinstance(error, KeyboardInterrupt)
        journal.end_release(
            release, "cancelled" if cancelled else "failed", error=type(error).__name__
        )
        raise
    journal.end_release(release, "succeeded")
