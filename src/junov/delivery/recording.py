"""A release in the journal: begun before anything is done, every step, and how it ended."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shlex import quote

from junov.delivery.delivered import STACK_FILE, releases_folder
from junov.delivery.rollout.containers import containers_of, release_of
from junov.environments import Environment
from junov.errors import JunovError, StageError
from junov.journal import Journal, Outcome, Release
from junov.journal import Step as JournalStep
from junov.locks import who
from junov.site import Site
from junov.steps import Step, Steps

KEPT_RELEASES = 10
"""How many releases can be gone back to, beside the one that serves."""

_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class Content:
    """What a release delivers.

    Args:
        commit: the full commit of its image, with `-dirty` where the tree had changes.
        subject, author, committed_at: of that commit.
        image: the release image by digest.
        debug_image: the debug image by digest; empty where there is none.
        restores: the release that it brings back; None for a deploy.
    """

    commit: str
    subject: str
    author: str
    committed_at: datetime | None
    image: str
    debug_image: str
    restores: int | None = None


def brought_back(release: Release) -> Content:
    """What a release delivers that brings an earlier one back."""
    return Content(
        commit=release.commit,
        subject=release.subject,
        author=release.author,
        committed_at=release.committed_at,
        image=release.image,
        debug_image=release.debug_image,
        restores=release.origin,
    )


class ReleaseUnderWay:
    """A release while it is delivered.

    Args:
        journal: where it is kept.
        release: its record.
    """

    def __init__(self, journal: Journal, release: Release) -> None:
        self._journal = journal
        self.release = release
        self._step: JournalStep | None = None
        self.it_serves = False
        self.is_left_to_a_repair = False

    def is_written_to(self, stack_file: Path) -> None:
        """Its stack is written."""
        self.release = self._journal.set_stack_file(self.release, stack_file)

    def has_schema(self, heads: Sequence[str]) -> None:
        """The database's migrations have been brought to what its code wants."""
        self.release = self._journal.set_schema_heads(self.release, heads)

    def serves(self) -> None:
        """There is no way back any more: from now on it is what the environment runs."""
        self.it_serves = True

    def needs_repair(self) -> None:
        """It has failed, and could not be taken back: the next run has to, as if it were killed."""
        self.is_left_to_a_repair = True

    def step_started(self, step: str) -> None:
        """See `steps.Recorder`."""
        self._step = self._journal.step_started(self.release, step)

    def step_done(self, step: str, detail: str, seconds: float) -> None:
        """See `steps.Recorder`."""
        del step
        if self._step:
            self._journal.step_done(self._step, detail, seconds=seconds)

    def step_failed(self, step: str, detail: str, seconds: float) -> None:
        """See `steps.Recorder`."""
        del step
        # A journal that can't be written must not hide what failed.
        with suppress(JunovError):
            if self._step:
                self._journal.step_failed(self._step, detail, seconds=seconds)


def next_number(site: Site, environment: Environment) -> int:
    """The number of the environment's next release; whoever asks holds the environment's lock."""
    last = site.journal.last_release(environment)
    # Containers count as well: without the journal, a number that is taken would be given again,
    # and what serves under it be replaced in place.
    running = (release_of(each) or 0 for each in containers_of(site, environment.identity))
    return 1 + max(last.number if last else 0, *running, 0)


@contextmanager
def recorded(
    site: Site, environment: Environment, number: int, content: Content, steps: Steps
) -> Iterator[tuple[ReleaseUnderWay, Steps]]:
    """Begin a release and keep how it goes; whatever the block raises is its end.

    Args:
        site: has the journal.
        environment: where it goes; the journal knows it.
        number: the release's, from `next_number`.
        content: what is delivered.
        steps: shows what is done.

    Yields:
        The release, and the steps that are kept with it.
    """
    journal, began = site.journal, time.monotonic()
    release = journal.begin_release(
        environment,
        commit=content.commit,
        subject=content.subject,
        author=content.author,
        committed_at=content.committed_at,
        image=content.image,
        debug_image=content.debug_image,
        restores=content.restores,
        who=who(),
        at_least=number,
    )
    if release.number != number:
        raise StageError(
            f"release {number} of {environment.name} was begun by another run",
            remedy=f"look at what it does with: junov releases {quote(environment.name)}",
        )
    under_way = ReleaseUnderWay(journal, release)
    try:
        yield under_way, steps.recorded_by(under_way)
    except BaseException as failure:
        outcome, error = _end(failure)
        if under_way.is_left_to_a_repair:
            raise
        with suppress(JunovError):
            journal.end_release(
                release,
                "succeeded" if under_way.it_serves else outcome,
                error=error,
                seconds=time.monotonic() - began,
            )
        raise
    journal.end_release(release, "succeeded", seconds=time.monotonic() - began)


def _end(failure: BaseException) -> tuple[Outcome, str]:
    """How a release ends by a failure, and why."""
    if isinstance(failure, JunovError):
        return "failed", failure.message
    if isinstance(failure, Exception):
        return "failed", type(failure).__name__
    # Ctrl-C, or a signal that the job was cancelled with.
    return "cancelled", "it was cancelled"


def prune(site: Site, environment: Environment, serving: int, step: Step) -> None:
    """Forget what is too old to go back to: folders of releases, and images that only they had.

    Args:
        site: the server.
        environment: whose releases are pruned; nothing of another one is touched.
        serving: the release that serves.
        step: told what came of it.
    """
    folder = releases_folder(site, environment.identity)
    releases = site.journal.releases(environment, limit=_LOOKED_AT)
    # The last that served are the newest, though one that a rollback brought back may be old.
    served = dict.fromkeys(
        r.origin for r in releases if r.outcome == "succeeded" or r.number == serving
    )
    kept = {serving, *list(served)[: KEPT_RELEASES + 1]}
    old = {int(path.name) for path in folder.iterdir() if path.name.isdecimal()} - kept
    # Without its stack a release can't be gone back to. Its folder goes last: while it is there,
    # the next run knows what a killed one hasn't removed.
    for number in old:
        (folder / str(number) / STACK_FILE).unlink(missing_ok=True)
    images = {release.image for release in releases if release.number in old}
    removed = [
        image for image in images if is_of_no_use(site, image) and site.engine.remove_image(image)
    ]
    for number in old:
        shutil.rmtree(folder / str(number), ignore_errors=True)
    step.note = f"releases kept: {len(kept)}"
    if removed:
        step.note += f", images removed: {len(removed)}"


def is_of_no_use(site: Site, image: str) -> bool:
    """Whether no release of any environment that could be gone back to has this image."""
    return not any(file.exists() for file in site.journal.stack_files_with(image))
