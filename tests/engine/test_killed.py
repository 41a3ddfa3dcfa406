"""Runs that are killed, anywhere: nobody who uses the site notices, and the next run needs no help.

`make test` runs the short form of this, `make soak` the whole of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from junov.locks import held
from junov.site import Site
from tests.engine.matrix import (
    BY_HAND,
    FAILING,
    FAILING_AFTER_SWITCH,
    FAILING_IN_BACKGROUND,
    FIRST,
    FROM_TEMPLATE,
    JOURNAL_LOST,
    LATER,
    OBSERVED,
    REPAIR,
    REPAIR_AFTER_SWITCH,
    ROLLBACK,
    Point,
)
from tests.engine.remains import Remains, untouched
from tests.engine.victim import Victim, Whole
from tests.waiting import until

RANDOM_DEPLOYS = 30


def at_each(points: Sequence[Point]) -> pytest.MarkDecorator:
    """A test of each point; of those of the short form only, unless all are asked for."""
    return pytest.mark.parametrize(
        "point",
        [
            pytest.param(point, id=str(point), marks=() if point.short else pytest.mark.soak)
            for point in points
        ],
    )


class Stand:
    """The project, an environment that nobody touches meanwhile, and those that runs are killed in.

    Args:
        whole: the project.
    """

    def __init__(self, whole: Whole) -> None:
        self.whole = whole
        self.commits = (whole.commit("a"), whole.commit("b"))
        self.beside = Victim(whole, "dev", "stage")
        for commit in self.commits:
            self.beside.promote(commit)
            self.beside.deploy()
        self.reference: Remains = self.beside.remains()
        self._serving: dict[str, Victim] = {}

    def serving(self, branch: str) -> Victim:
        """An environment that serves: the one of the test before, where that left it sound."""
        victim = self._serving.get(branch)
        if victim is None or not victim.is_sound:
            if victim:
                victim.remove()
            victim = self._serving[branch] = Victim(self.whole, branch)
            victim.promote(self.commits[0])
            victim.deploy()
        return victim

    def other(self, victim: Victim) -> str:
        """A commit that doesn't serve there now."""
        return next(commit for commit in self.commits if commit != victim.live().commit)

    def promote_next(self, victim: Victim, point: Point, commit: str) -> str:
        """Promote what the next deploy delivers: a newer commit, or the same as the killed one."""
        if point.newer:
            commit = self.whole.commit("c")
            victim.promote(commit)
        return commit

    def assert_sound(self, victim: Victim, commit: str, *, pruned: bool = True) -> None:
        """See `Victim.assert_is_one_healthy_release`."""
        victim.assert_is_one_healthy_release(commit, self.reference, pruned=pruned)

    @contextmanager
    def beside_untouched(self) -> Iterator[None]:
        """The other environment is in each and every thing as it was before the block."""
        before = untouched(self.beside.site, self.beside.identity)
        yield
        assert untouched(self.beside.site, self.beside.identity) == before


@pytest.fixture(scope="module")
def stand(site: Site, environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """The project built, and its stage delivered."""
    return Stand(Whole(site, tmp_path_factory.mktemp("whole"), environ))


@pytest.fixture
def later(stand: Stand) -> Iterator[Victim]:
    """An environment that serves; its neighbour is the same afterwards."""
    victim = stand.serving("feature/later")
    with stand.beside_untouched():
        yield victim


@pytest.fixture
def first(stand: Stand) -> Iterator[Victim]:
    """An environment that there is nothing of; its neighbour is the same afterwards."""
    victim = Victim(stand.whole, "feature/first")
    if victim.is_known():
        victim.remove()
    victim.promote(stand.commits[0])
    with stand.beside_untouched():
        yield victim
    victim.remove()


@pytest.fixture
def no_template(stand: Stand, first: Victim) -> None:
    """What the first deploy wants in its database has to be made."""
    site = stand.whole.site
    site.postgres.prune_templates(site.server.name, first.identity.project, keep=0)


@at_each(FROM_TEMPLATE)
def test_the_first_deploy_of_a_branch(stand: Stand, first: Victim, point: Point) -> None:
    with first.visited(from_first_answer=True):
        first.kill(point.at)
        commit = stand.promote_next(first, point, stand.commits[0])
        first.deploy()
    assert first.outcomes() == point.outcomes_with("succeeded")
    stand.assert_sound(first, commit)


@pytest.mark.usefixtures("no_template")
@at_each(FIRST)
def test_the_first_deploy_of_an_environment(stand: Stand, first: Victim, point: Point) -> None:
    with first.visited(from_first_answer=True):
        first.kill(point.at)
        commit = stand.promote_next(first, point, stand.commits[0])
        first.deploy()
    assert first.outcomes() == point.outcomes_with("succeeded")
    stand.assert_sound(first, commit)


@at_each(LATER)
def test_a_deploy(stand: Stand, later: Victim, point: Point) -> None:
    commit, since = stand.other(later), later.last_number()
    later.promote(commit)
    with later.visited():
        later.kill(point.at)
        commit = stand.promote_next(later, point, commit)
        later.deploy()
    assert later.outcomes(since) == point.outcomes_with("succeeded")
    stand.assert_sound(later, commit)


@at_each(OBSERVED)
def test_a_deploy_that_is_observed(stand: Stand, point: Point) -> None:
    victim = stand.serving("observed/later")
    test_a_deploy(stand, victim, point)


@at_each(ROLLBACK)
def test_a_rollback(stand: Stand, later: Victim, point: Point) -> None:
    back_to, since = later.live().commit, later.last_number()
    commit = stand.other(later)
    later.promote(commit)
    later.deploy()
    with later.visited():
        later.kill(point.at, "rollback", later.name, "--yes")
        if point.outcome == "succeeded":
            later.repair()  # a second rollback would go further back
        else:
            later.rollback()
    again = point.outcome != "succeeded"
    assert later.outcomes(since + 1) == point.outcomes_with("succeeded" if again else "")
    stand.assert_sound(later, back_to, pruned=again)


@at_each(FAILING)
def test_a_deploy_that_is_undone(stand: Stand, later: Victim, point: Point) -> None:
    sick = stand.whole.commit("sick", {"app.py": ('VERSION = "1"', 'raise SystemExit("sick")')})
    assert_undone(stand, later, sick, point)


@at_each(FAILING_AFTER_SWITCH)
def test_a_deploy_that_is_undone_after_it_served(stand: Stand, later: Victim, point: Point) -> None:
    assert_undone(stand, later, hooked(stand), point)


def hooked(stand: Stand) -> str:
    """The commit of a release that comes to serve, and whose hook fails then."""
    hook = 'hooks: {after: ["python -c exit(3)"]}\nsecrets:'
    return stand.whole.commit("hooked", {"junov.yaml": ("secrets:", hook)})


def idle(stand: Stand) -> str:
    """The commit of a release whose web is well, and whose worker ends at once, each time."""
    command = ('["python", "-u", "app.py", "work"]', '["false"]')
    return stand.whole.commit("idle", {"compose.yaml": command})


def assert_undone(stand: Stand, victim: Victim, failing: str, point: Point) -> None:
    """A deploy that fails is killed at a point of its undoing; then what served before serves."""
    before, since = victim.live().commit, victim.last_number()
    victim.promote(failing)
    with victim.visited():
        victim.kill(point.at)
        victim.repair()
        assert victim.outcomes(since) == point.outcomes_with("")
        stand.assert_sound(victim, before, pruned=False)
        commit = stand.other(victim)
        victim.promote(commit)
        victim.deploy()
    stand.assert_sound(victim, commit)


@at_each(FAILING_IN_BACKGROUND)
def test_a_deploy_whose_worker_never_comes_up(stand: Stand, later: Victim, point: Point) -> None:
    since = later.last_number()
    later.promote(idle(stand))
    with later.visited():
        later.kill(point.at)
        commit = stand.promote_next(later, point, "")
        later.deploy()
    assert later.outcomes(since) == point.outcomes_with("succeeded")
    stand.assert_sound(later, commit)


@pytest.mark.soak
@pytest.mark.parametrize("point", ["line:background:4", "before:undo"])
@pytest.mark.parametrize("failing", [hooked, idle])
def test_a_first_deploy_that_fails_while_it_serves(
    stand: Stand, first: Victim, failing: Callable[[Stand], str], point: str
) -> None:
    first.promote(failing(stand))
    with first.visited(from_first_answer=True):
        first.kill(point)
        first.promote(stand.commits[0])
        first.deploy()
    assert first.outcomes() == ["succeeded", "succeeded"], "there was nothing to go back to"
    stand.assert_sound(first, stand.commits[0])


@at_each(REPAIR)
def test_a_repair(stand: Stand, later: Victim, point: Point) -> None:
    assert_repaired_again(stand, later, "after:web", point)


@at_each(REPAIR_AFTER_SWITCH)
def test_a_repair_after_the_switch(stand: Stand, later: Victim, point: Point) -> None:
    assert_repaired_again(stand, later, "before:background", point)


def assert_repaired_again(stand: Stand, victim: Victim, damaged_at: str, point: Point) -> None:
    """A deploy is killed, then its repair as well: the next deploy needs no help."""
    commit, since = stand.other(victim), victim.last_number()
    victim.promote(commit)
    with victim.visited():
        victim.kill(damaged_at)
        victim.kill(point.at, "env", "repair", victim.name)
        victim.deploy()
    assert victim.outcomes(since) == point.outcomes_with("succeeded")
    stand.assert_sound(victim, commit)


@at_each(BY_HAND)
def test_repair_says_what_it_finds_and_mends_it(stand: Stand, later: Victim, point: Point) -> None:
    old, new, since = later.live().commit, stand.other(later), later.last_number()
    later.promote(new)
    with later.visited():
        later.kill(point.at)
        before = settled(later)
        found = lines_found(later.repair("--dry-run"))
        assert untouched(later.site, later.identity) == before
        repaired = later.repair()
    assert found[0].startswith(f"release {since + 1} was cut short in its step ")
    assert lines_found(repaired) == found
    done = "finished" if point.outcome == "succeeded" else "undid"
    assert f"{done} release {since + 1}" in repaired
    assert f"{later.name} is whole: there is nothing to repair" in later.repair()
    assert later.outcomes(since) == point.outcomes_with("")
    stand.assert_sound(later, new if point.outcome == "succeeded" else old, pruned=False)


def settled(victim: Victim) -> tuple[str, ...]:
    """What there is of it, once the engine has done what a killed Compose had asked of it."""
    seen: list[tuple[str, ...]] = []

    def is_the_same_for_long() -> bool:
        seen.append(untouched(victim.site, victim.identity))
        return len(seen) > 10 and len(set(seen[-10:])) == 1

    until(is_the_same_for_long, f"nothing changes any more in {victim.name}")
    return seen[-1]


def lines_found(said: str) -> list[str]:
    """What a repair says that it found."""
    return [line.removeprefix("found: ") for line in said.splitlines() if "found: " in line]


@pytest.mark.soak
def test_repair_of_a_first_deploy_leaves_nothing_that_serves(stand: Stand, first: Victim) -> None:
    first.kill("after:web")
    assert "undid release 1" in first.repair()
    assert "there is nothing to repair" in first.repair()
    assert first.outcomes() == ["superseded"]
    with first.visited(from_first_answer=True):
        first.deploy()
    stand.assert_sound(first, stand.commits[0])


@at_each(JOURNAL_LOST)
def test_without_the_journal(stand: Stand, later: Victim, point: Point) -> None:
    commit = stand.other(later)
    later.promote(commit)
    with later.visited():
        later.kill(point.at)
        with journal_lost(later.site):
            later.repair()
            assert "there is nothing to repair" in later.repair()
            later.deploy()
            stand.assert_sound(later, commit)
    later.is_sound = False  # the journal that comes back knows nothing of this


@contextmanager
def journal_lost(site: Site) -> Iterator[None]:
    """There is no journal when the block begins, and after it the one that there was before."""
    site.journal.close()
    files = list(site.home.path.glob("journal.db*"))
    aside = {file: file.rename(site.home.path.parent / file.name) for file in files}
    try:
        yield
    finally:
        site.journal.close()
        for file in site.home.path.glob("journal.db*"):
            file.unlink()
        for file, kept in aside.items():
            kept.rename(file)


@pytest.mark.soak
def test_a_deploy_that_waits_for_another(stand: Stand, later: Victim) -> None:
    commit, since = stand.other(later), later.last_number()
    later.promote(commit)
    locks = later.site.home.locks_folder
    with held(locks, later.identity.lock, purpose="a run of this test"):
        later.kill("call:junov.delivery.turn._Waiter.give_way:2:after")
        assert list(locks.glob(f"{later.identity.lock}.waiting-*")), "it has left its entry"
    later.deploy()
    assert later.outcomes(since) == ["succeeded"]
    stand.assert_sound(later, commit)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_deploys_at_random(stand: Stand, pytestconfig: pytest.Config) -> None:
    """Killed when so many lines of progress have appeared, and nothing mends between them."""
    seed = pytestconfig.getoption("--soak-seed")
    print(f"--soak-seed={seed}")
    chosen = random.Random(seed)  # noqa: S311
    victim = stand.serving("feature/random")
    commits = [*stand.commits, stand.whole.commit("c")]
    victim.promote(commits[1])
    lines = len(victim.deploy("--json").splitlines()) - 1  # the last is the result
    with stand.beside_untouched(), victim.visited() as visitor:
        for _ in range(RANDOM_DEPLOYS):
            victim.promote(chosen.choice(commits))
            line = chosen.randint(1, lines)
            victim.kill(
                f"call:junov.cli.progress.JsonLines._write:{line}:after",
                *("deploy", victim.branch, "--json"),
            )
        commit = chosen.choice(commits)
        victim.promote(commit)
        victim.deploy()
    print(f"{len(visitor.seen)} answers")
    stand.assert_sound(victim, commit)
