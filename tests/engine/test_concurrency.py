"""Many runs at once: one at a time in each environment, and environments side by side."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from bench.throwaway import make_repository
from junov.config.project import read_project
from junov.environments import Identity, identify
from junov.environments.labels import environment_labels
from junov.journal import Release
from junov.locks import WaitingList, held, who
from junov.site import Site
from tests.engine.conftest import ROOT, Shell, Web, environment, run_of, set_version
from tests.engine.faulty import simplify
from tests.engine.remains import Remains, differences, remains_of
from tests.waiting import until

RUNS = 20
COMMITS = 7
SUPERSEDED = 4
SECONDS = 240.0


@dataclass(frozen=True)
class Rivals:
    """Clones of one repository, each at another commit, and production, which serves an older one.

    Args:
        site: the server.
        clones: from the oldest commit to the newest, which is promoted.
        identity: production's.
        reference: what there is of production where nobody got in anybody's way.
    """

    site: Site
    clones: tuple[Shell, ...]
    identity: Identity
    reference: Remains

    def live(self) -> Release:
        """The release that serves production."""
        release = self.site.journal.last_release(self.identity, "succeeded")
        assert release
        return release

    def assert_is_as_if_there_had_been_one_run_after_the_other(self) -> None:
        """Production serves the newest commit, and nothing is there that shouldn't be."""
        releases = self.site.journal.releases(self.identity)
        assert {each.outcome for each in releases} == {"succeeded"}
        assert self.live().commit == commit_of(self.clones[-1])
        found = remains_of(self.site, self.identity, self.live())
        assert differences(self.reference.with_older(len(releases) - 1), found) == ""


def commit_of(clone: Shell) -> str:
    """The commit that is checked out."""
    return clone("git", "rev-parse", "HEAD").strip()


@pytest.fixture(scope="module")
def rivals(
    site: Site, environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rivals]:
    """Seven clones; the last commit but one is delivered, and the newest promoted after that."""
    folder = tmp_path_factory.mktemp("rivals")
    origin = make_repository(
        ROOT / "tests" / "engine" / "tiny", folder / "tiny", run_of(site), environ
    )
    simplify(origin.folder)
    clones = []
    for number in range(COMMITS):
        # git keeps whole seconds, and which of two commits is the newer one has to be known.
        date = {"GIT_COMMITTER_DATE": f"2030-01-01T12:00:0{number}Z"}
        set_version(Shell(origin.folder, environ | date), str(number))
        origin("git", "clone", "--quiet", ".", str(folder / f"clone-{number}"))
        clones.append(Shell(folder / f"clone-{number}", environ))
    *_, before, newest = clones
    before("junov", "run")
    before("junov", "deploy")
    identity = identify(read_project(origin.folder).config.project, "prod")
    live = site.journal.last_release(identity)
    assert live
    reference = remains_of(site, identity, live)
    newest("junov", "build")
    newest("junov", "promote")
    yield Rivals(site, tuple(clones), identity, reference)
    newest("junov", "env", "stop", "prod")


@contextmanager
def begun(shell: Shell, *argv: str) -> Iterator[subprocess.Popen[str]]:
    """A command that runs while the block does, unless it ends before."""
    process = subprocess.Popen(
        argv,
        cwd=shell.folder,
        env=shell.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str], code: int) -> str:
    """What a command has said, which ends by itself with this exit code."""
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == code, said
    return said


def test_of_many_deploys_the_newest_commit_stays(rivals: Rivals) -> None:
    *older, newest = rivals.clones
    with ExitStack() as stack:
        runs = [
            (clone, stack.enter_context(begun(clone, "junov", "deploy")))
            for clone in (rivals.clones[number % COMMITS] for number in range(RUNS))
        ]
        for clone, process in runs:
            if clone is newest:
                ended(process, 0)
                continue
            # By the newest, or by one in between that was there before and waited.
            newer = rivals.clones[older.index(clone) + 1 :]
            superseded = re.search("is superseded by ([0-9a-f]{8}),", ended(process, SUPERSEDED))
            assert superseded
            assert superseded[1] in [commit_of(each)[:8] for each in newer]
    rivals.assert_is_as_if_there_had_been_one_run_after_the_other()


def test_an_older_commit_that_waits_gives_way_to_a_newer_one(rivals: Rivals, site: Site) -> None:
    *_, older, newer = rivals.clones
    lock = rivals.identity.lock
    waiting = WaitingList(site.home.locks_folder, lock)

    def waits(clone: Shell) -> bool:
        return [each["commit"] for each in waiting.living()] == [commit_of(clone)]

    with ExitStack() as stack:
        with held(site.home.locks_folder, lock, purpose="a test"):
            holder = f"{who()} (process {os.getpid()}, a test, since 20"
            refused = older("junov", "deploy", "--no-wait", expect=1)
            assert f"{lock} is held by {holder}" in refused
            assert "leave out --no-wait" in refused

            first = stack.enter_context(begun(older, "junov", "deploy"))
            until(lambda: waits(older), "the older commit waits")
            last = stack.enter_context(begun(newer, "junov", "deploy"))
            said = ended(first, SUPERSEDED)
            assert f"waiting for {holder}" in said
            assert (
                f"is superseded by {commit_of(newer)[:8]}, for which {who()} (process {last.pid})"
                in said
            )
            until(lambda: waits(newer), "the newer commit waits")
            assert f"is superseded by {commit_of(newer)[:8]}" in older(
                "junov", "deploy", expect=SUPERSEDED
            )
        ended(last, 0)
    rivals.assert_is_as_if_there_had_been_one_run_after_the_other()


@pytest.mark.parametrize(
    "count", [3, pytest.param(10, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
)
def test_environments_are_made_side_by_side_and_share_nothing(
    tiny: Shell, site: Site, web: Web, count: int
) -> None:
    simplify(tiny.folder)
    file, compose = tiny.folder / "junov.yaml", tiny.folder / "compose.yaml"
    text = file.read_text().replace("limit: 2", f"limit: {count}")
    file.write_text(f"{text}database: {{service: db}}\n")
    compose.write_text(f"{compose.read_text()}  db: {{image: 'postgres:15-bookworm'}}\n")
    tiny.commit("With a database")
    names = [f"feature/{number}" for number in range(count)]
    for name in names:
        tiny("git", "branch", name)
    tiny("junov", "build", names[0])

    with ExitStack() as stack:
        runs = [stack.enter_context(begun(tiny, "junov", "run", name)) for name in names]
        for run in runs:
            ended(run, 0)

    shown = [environment(tiny, name) for name in names]
    assert [each["status"] for each in shown] == ["healthy"] * count
    answers = [web(str(each["url"])) for each in shown]
    assert [(status, said["JUNOV_ENVIRONMENT"]) for status, said in answers] == [
        (200, name) for name in names
    ]
    assert_all_differ([each["host"] for each in shown])
    assert_all_differ([each["database"] for each in shown])
    assert {each["database"] for each in shown} <= {each.name for each in site.postgres.databases()}
    identities = [identify(str(each["project"]), str(each["name"])) for each in shown]
    networks = [
        site.engine.networks(environment_labels(site.server.name, each)) for each in identities
    ]
    assert [len(of_one) for of_one in networks] == [1] * count
    assert_all_differ([of_one[0].subnets for of_one in networks])


def assert_all_differ(values: Sequence[object]) -> None:
    """No two of them are the same."""
    assert len(set(values)) == len(values), values
