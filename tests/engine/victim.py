"""An environment whose runs are killed, and how one tells that it was left as it should be."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.clients import Target
from bench.throwaway import make_repository
from junov.delivery.recording import KEPT_RELEASES
from junov.environments import identify
from junov.journal import Release
from junov.process import check
from junov.site import Site
from tests.engine.killing import KILLED
from tests.engine.remains import Remains, differences, remains_of
from tests.engine.visitor import Visitor

ROOT = Path(__file__).resolve().parents[2]
_SUPPORTING_IMAGE = "python:3.11-slim-bookworm"


class Whole:
    """A small project with all that a project can have, and its images, which are built once.

    Args:
        site: the server.
        folder: where its repository is made.
        environ: the variables of a shell that works with the server.
    """

    def __init__(self, site: Site, folder: Path, environ: dict[str, str]) -> None:
        self.site = site
        source = folder / "source"
        shutil.copytree(ROOT / "tests" / "engine" / "tiny", source)
        shutil.copytree(ROOT / "tests" / "engine" / "whole", source, dirs_exist_ok=True)
        with (source / "env" / "base.env").open("a") as file:
            file.write(f"CACHE_IMAGE={_pushed(site, _SUPPORTING_IMAGE)}\n")
        # `python -m tests.engine.killing` is found from the project's folder as well.
        path = os.pathsep.join([str(ROOT), *filter(None, [environ.get("PYTHONPATH")])])
        self.cache = folder / "cache"
        environ = environ | {"PYTHONPATH": path, "XDG_CACHE_HOME": str(self.cache)}
        run = site.server.name.removeprefix("test-")
        self.shell = make_repository(source, folder / "whole", run, environ)
        self._built: dict[str, str] = {}

    @cached_property
    def project(self) -> str:
        """Its name on the server."""
        found = re.search(r"^project: (\S+)", (self.shell.folder / "junov.yaml").read_text())
        assert found
        return found[1]

    def commit(self, version: str, changes: dict[str, tuple[str, str]] | None = None) -> str:
        """The commit of a version, with its image in the registry.

        Args:
            version: what its web says it is; one commit is made for each.
            changes: file → what is replaced in it and by what, seen from the first commit.
        """
        if version not in self._built:
            self.shell("git", "checkout", "--quiet", "--force", "main")
            replaced = {"app.py": ('VERSION = "1"', f'VERSION = "{version}"'), **(changes or {})}
            for name, (old, new) in replaced.items():
                file = self.shell.folder / name
                text = file.read_text()
                assert old in text, f"{name} has no {old}"
                file.write_text(text.replace(old, new))
            self.shell("git", "checkout", "--quiet", "--detach")
            self._built[version] = self.shell.commit(f"Version {version}")
            self.shell("git", "branch", f"built/{version}")
            self.shell("junov", "build", f"built/{version}")
            self.shell("git", "checkout", "--quiet", "main")
        return self._built[version]


class Victim:
    """One environment of that project.

    Args:
        whole: the project.
        branch: its branch.
        name: its name, where that is another than the branch's.
    """

    def __init__(self, whole: Whole, branch: str, name: str | None = None) -> None:
        self.site = whole.site
        self.shell = whole.shell
        self._exports = whole.cache / "junov" / "runs"
        self.branch = branch
        self.identity = identify(whole.project, name or branch)
        host = f"{self.identity.slug}.{whole.project}.localhost"
        url = whole.site.server.url(host)
        self.target = Target(whole.site.edge_url(), url.partition("://")[2])
        self._promoted = ""
        self.is_sound = False
        """Whether it was last found to be as one healthy release leaves it."""

    @property
    def name(self) -> str:
        """Its name."""
        return self.identity.name

    def promote(self, commit: str) -> None:
        """Let its branch be at a commit, and the commit's image be the one to deploy."""
        if self._promoted != commit:
            self.shell("git", "branch", "--force", self.branch, commit)
            self.shell("junov", "promote", self.branch)
            self._promoted = commit

    def deploy(self, *options: str) -> str:
        """Deploy what was promoted; what that said."""
        return self.shell("junov", "deploy", self.branch, *options)

    def rollback(self) -> None:
        """Let the release before serve again."""
        self.shell("junov", "rollback", self.name, "--yes")

    def kill(self, point: str, *argv: str) -> None:
        """Run junov, by default a deploy, and have it killed at a point that it must come to."""
        self.is_sound = False
        harness = (sys.executable, "-m", "tests.engine.killing", point, "--")
        self.shell(*harness, *(argv or ("deploy", self.branch)), expect=KILLED)

    def repair(self, *options: str) -> str:
        """Repair it by hand; what that said."""
        return self.shell("junov", "env", "repair", self.name, *options)

    def remove(self) -> None:
        """Remove it, with everything of it."""
        self.shell("junov", "env", "rm", self.name, "--yes")

    def releases(self) -> list[dict[str, Any]]:
        """What `junov releases` tells of all of them, the newest first."""
        argv = ("junov", "releases", self.name, "--limit", "1000", "--json")
        return list(json.loads(self.shell(*argv)))

    def last_number(self) -> int:
        """The number of its newest release, however that ended; 0 where there is none."""
        release = self.site.journal.last_release(self.identity)
        return release.number if release else 0

    def is_known(self) -> bool:
        """Whether there is anything of it."""
        known = self.site.journal.environments(self.identity.project)
        return any(each.name == self.name for each in known)

    def outcomes(self, since: int = 0) -> list[str]:
        """How its releases with greater numbers ended, the oldest first."""
        found = [each["outcome"] for each in self.releases() if each["number"] > since]
        return found[::-1]

    def live(self) -> Release:
        """The release that serves, as the journal has it."""
        release = self.site.journal.last_release(self.identity, "succeeded")
        assert release, f"nothing serves {self.name}"
        return release

    def remains(self) -> Remains:
        """What there is of it."""
        route = self.site.routes.read(self.identity.route)
        assert route, f"nothing is routed to {self.name}"
        self.site.edge_api.wait_until_routed(route, timeout=0)
        return remains_of(self.site, self.identity, self.live())

    def assert_is_one_healthy_release(
        self, commit: str, reference: Remains, *, pruned: bool = True
    ) -> None:
        """It serves a commit, and all there is of it is what a run leaves that nobody killed.

        Args:
            commit: the commit.
            reference: what such a run has left, with one older release, here or elsewhere.
            pruned: whether what only a deploy removes has been removed: the folders of releases
                that are too old or were undone, and what killed runs have exported from git.
        """
        releases, live, found = self.releases(), self.live(), self.remains()
        assert [each["number"] for each in releases if each["outcome"] == "running"] == []
        assert [each["number"] for each in releases if each["live"]] == [live.number]
        assert live.commit == commit
        origins = {e["restores"] or e["number"] for e in releases if e["outcome"] == "succeeded"}
        older = min(len(origins - {live.origin}), KEPT_RELEASES)
        if live.restores:
            older += 1  # what it brings back is a release of its own
        expected = reference.with_older(older)
        diff = differences(expected, found if pruned else replace(found, older=expected.older))
        assert not diff, f"{self.name} is not as one healthy release leaves it:\n{diff}"
        exports = [path.name for path in self._exports.glob("*")]
        assert not (pruned and exports), f"killed runs have left {exports}"
        self.is_sound = True

    @contextmanager
    def visited(self, *, from_first_answer: bool = False) -> Iterator[Visitor]:
        """Have somebody reload its page while the block runs, who must get nothing but 200.

        Args:
            from_first_answer: nothing serves yet: until something does, 404 is right as well.
        """
        visitor = Visitor(self.target)
        visitor.start()
        try:
            visitor.underway.wait()
            yield visitor
        finally:
            visitor.finish()
        statuses = [each.status for each in visitor.seen]
        if from_first_answer:
            first = statuses.index(200)
            assert set(statuses[:first]) <= {404}
            statuses = statuses[first:]
        refused = [each for each in visitor.seen[-len(statuses) :] if each.status != 200]
        assert not refused, f"{refused} of {len(statuses)} answers"


def _pushed(site: Site, image: str) -> str:
    """An image of others in the server's own registry, by its digest."""
    name = f"{site.server.repository('cache')}:1"
    check(["docker", "tag", image, name], doing="tag an image")
    check(["docker", "push", "--quiet", name], doing="push an image")
    shown = check(
        ["docker", "image", "inspect", "--format", '{{join .RepoDigests "\\n"}}', name],
        doing="ask for a digest",
    )
    (digest,) = (line for line in shown.split() if line.startswith(name.removesuffix(":1")))
    return digest
