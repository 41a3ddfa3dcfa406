"""A turn in an environment: one run at a time, and newer commits before older ones.

Deploys that wait for the environment's lock stand in a list beside it. The newest commit of those
goes on waiting, and the older ones end: what they would deliver would be replaced at once. So does
a deploy that a newer commit has overtaken while it waited. Whatever gets the lock without waiting
runs, whichever commit it is about: to deploy an older one on purpose stays possible.

Nothing here is told by this machine's clock: the times are those of the commits, and what was
delivered meanwhile is what the journal had not yet known to have succeeded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from junov.environments import Environment
from junov.errors import SupersededError
from junov.git import Commitish
from junov.images.image import DIRTY
from junov.journal import Release
from junov.locks import WaitingList, held
from junov.site import Site
from junov.steps import Steps

if TYPE_CHECKING:
    from junov.delivery.environments import EnvironmentView

WAIT_SECONDS = 3600.0


@contextmanager
def turn(
    site: Site,
    environment: Environment | EnvironmentView,
    *,
    purpose: str,
    steps: Steps,
    wait: float | None = None,
    commit: Commitish | None = None,
) -> Iterator[None]:
    """Be the only run in an environment while the block runs.

    Args:
        site: the server.
        environment: where to.
        purpose: what for, such as `deploy of a1b2c3d4`; told to whoever waits.
        steps: shows who is waited for.
        wait: seconds to wait for other runs; an hour without, 0 for not at all.
        commit: what is deployed. Without it, as for a rollback, the run is superseded by nobody
            and supersedes nobody.

    Raises:
        LockedError: other runs are at it for longer than `wait`.
        SupersededError: while it waited, a newer commit began to wait as well, or was delivered.
    """
    folder, lock = site.home.locks_folder, environment.identity.lock
    waiting_list = WaitingList(folder, lock)
    with ExitStack() as place:
        waiter = (
            _Waiter(site, environment, purpose, commit, waiting_list, place) if commit else None
        )
        with held(
            folder,
            lock,
            purpose=purpose,
            wait=WAIT_SECONDS if wait is None else wait,
            waiting=steps.saying("lock"),
            give_way=waiter.give_way if waiter else None,
        ):
            # Whoever waits now sees how this run ends before they give way to it.
            place.close()
            waiting_list.living()  # removes what killed runs have left there
            yield


@dataclass(frozen=True, slots=True, order=True)
class _Age:
    """How new a commit is; the newer one is the greater.

    Of two commits of the same second the one whose hash is greater counts as newer. It says
    nothing about them, but all runs agree on it, so exactly one of the two gives way.
    """

    committed_at: datetime
    commit: str

    @property
    def short(self) -> str:
        """The commit as people say it."""
        return self.commit[:8]


class _Waiter:
    """A deploy that waits for its turn.

    Args:
        site, environment, purpose, commit: as for `turn`.
        waiting_list: where it stands, from the first time that it is asked to give way.
        place: leaves that list again.
    """

    def __init__(
        self,
        site: Site,
        environment: Environment | EnvironmentView,
        purpose: str,
        commit: Commitish,
        waiting_list: WaitingList,
        place: ExitStack,
    ) -> None:
        self._journal = site.journal
        self._environment = environment
        self._purpose = purpose
        self._age = _Age(commit.committed_at, commit.commit)
        self._waiting_list = waiting_list
        self._place = place
        self._listed = False
        # Not the last release of all: that one may be under way, and is the one to look out for.
        # The environment's lock lets releases succeed in their order only.
        last = self._journal.last_release(environment, "succeeded")
        self._before = last.id if last else 0

    def give_way(self) -> None:
        """Stand in the list, and end where a newer commit is there.

        Raises:
            SupersededError: as for `turn`.
        """
        if not self._listed:
            self._listed = True
            self._place.enter_context(
                self._waiting_list.joined(
                    self._purpose,
                    commit=self._age.commit,
                    committed_at=self._age.committed_at.isoformat(),
                )
            )
        self._give_way_to_waiting()
        self._give_way_to_delivered()

    def _give_way_to_waiting(self) -> None:
        waiting = [(age, entry) for entry in self._waiting_list.living() if (age := _age(entry))]
        if not waiting:
            return
        newest, entry = max(waiting, key=lambda each: each[0])
        if newest > self._age:
            raise SupersededError(
                f"{self._purpose} is superseded by {newest.short}, for which "
                f"{entry.get('who')} (process {entry.get('pid')}) has waited since "
                f"{entry.get('since')}",
                remedy="there is nothing to do: the newer commit is delivered next",
            )

    def _give_way_to_delivered(self) -> None:
        for release in self._journal.releases(self._environment):
            if release.id > self._before and (age := _delivered(release)) and age > self._age:
                raise SupersededError(
                    f"{self._purpose} is superseded by {age.short}, which {release.who} delivered "
                    f"meanwhile as release {release.number}",
                    remedy="there is nothing to do; to go back to the older commit all the same, "
                    "deploy it again",
                )


def _age(entry: Mapping[str, Any]) -> _Age | None:
    """What a run in the list waits to deliver; None where that can't be made out."""
    try:
        moment = datetime.fromisoformat(entry["committed_at"])
        return _Age(moment, str(entry["commit"])) if moment.tzinfo else None
    except (KeyError, TypeError, ValueError):
        return None


def _delivered(release: Release) -> _Age | None:
    """What a release delivered; None for a rollback, which supersedes nobody, or a failure."""
    if release.outcome != "succeeded" or release.restores is not None or not release.committed_at:
        return None
    return _Age(release.committed_at, release.commit.removesuffix(DIRTY))
