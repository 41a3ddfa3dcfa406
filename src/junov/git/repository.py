"""A git repository on this machine."""

from __future__ import annotations

import os
import posixpath
import re
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from junov import process
from junov.environments.environment import Ref
from junov.errors import NotFoundError, StageError, UnavailableError
from junov.git.refs import HEADS, ORIGIN, TAGS, Commitish, choose, ci_ref, forced, listed_refs

GIT_SECONDS = 60.0
ARCHIVE_SECONDS = 600.0

# Locks are for whoever works in the folder; a question must not take one, nor wait for a password.
_ENV = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
    # Set inside a git hook, where they would point to the hook's repository.
    "GIT_DIR": None,
    "GIT_INDEX_FILE": None,
    "GIT_WORK_TREE": None,
}

_FIELDS = "%H%x00%cI%x00%s%x00%an"


def git_argv(folder: Path, *arguments: str) -> list[str]:
    """How git is called in a folder; names are printed as they are, not quoted."""
    return ["git", "-c", "core.quotepath=off", "-C", str(folder), *arguments]


@dataclass(frozen=True, slots=True)
class Repository:
    """A git repository with a work tree.

    Args:
        root: the top folder of the work tree.
    """

    root: Path

    @classmethod
    def open(cls, folder: Path) -> Repository:
        """The repository that a folder is in.

        Raises:
            NotFoundError: it is in none, or in one without a work tree.
            UnavailableError: git isn't installed.
            StageError: git refuses, because the folder belongs to another user.
        """
        result = _git(folder, "rev-parse", "--show-toplevel")
        if result.ok:
            return cls(Path(result.stdout.removesuffix("\n")))
        if result.exit_code == process.NOT_FOUND:
            raise UnavailableError("git is not installed", remedy="install it: apt install git")
        if "dubious ownership" in result.stderr:
            found = re.search(r"repository at '([^']*)'", result.stderr)
            place = found[1] if found else str(folder)
            raise StageError(
                f"git refuses to read {place}: the folder belongs to another user",
                remedy=f"if you trust it: git config --global --add safe.directory '{place}'",
            )
        if "must be run in a work tree" in result.stderr:
            raise NotFoundError(
                f"{folder} is a git repository without a work tree",
                remedy="clone it, and go to the clone",
            )
        raise NotFoundError(
            f"{folder} is in no git repository",
            remedy="go to your project's folder, or make it one: git init",
            detail="" if "not a git repository" in result.stderr else result.tail(),
        )

    @property
    def origin_url(self) -> str:
        """The address of `origin`, without credentials; empty where there is none."""
        return without_credentials(self._try("config", "--get", "remote.origin.url"))

    def refs_of_origin(self) -> frozenset[Ref]:
        """Every branch and tag that `origin` has now; it is asked, whatever the clone has fetched.

        Raises:
            NotFoundError: there is no `origin`.
            UnavailableError: it doesn't answer, refuses, or has no branch and no tag at all.
        """
        url = self.origin_url
        if not url:
            raise NotFoundError(
                f"the git repository {self.root} has no remote `origin`",
                remedy="add it: git remote add origin <address>",
            )
        result = _git(self.root, "ls-remote", "--heads", "--tags", "--refs", "origin")
        refs = listed_refs(result.stdout) if result.ok else frozenset()
        if not refs:
            why = "has no branch and no tag" if result.ok else "doesn't say what branches it has"
            raise UnavailableError(
                f"{url} {why}",
                remedy="try it by hand: git ls-remote origin",
                detail=re.sub(r"(https?://)[^/\s@]*@", r"\1", result.tail()),
            )
        return refs

    def resolve(
        self, text: str | None = None, environ: Mapping[str, str] = os.environ
    ) -> Commitish:
        """The branch or tag that a user or a CI job means, and its commit.

        Args:
            text: the name of a branch or a tag; `heads/…` and `tags/…` say which. Without it, the
                branch or tag of the CI job, else the branch that is checked out.
            environ: where the variables of a GitLab job are looked for. What they say counts more
                than what the clone has, which is shallow and may lag behind.

        Raises:
            NotFoundError: there is no such ref, or no branch is checked out, or there is no
                commit yet, or the CI job's commit was not fetched.
        """
        ci = ci_ref(environ)
        if ci and (text is None or text == ci.ref.name or forced(text) == ci.ref):
            return replace(self._commitish(ci.ref, ci.commit), from_fork=ci.from_fork)
        if text is None:
            branch = self._current_branch()
            return self._commitish(Ref("branch", branch), f"{HEADS}{branch}")
        ref, place = choose(text, self._refs())
        return self._commitish(ref, place)

    def head(self) -> str:
        """The full hash of the commit that is checked out.

        Raises:
            NotFoundError: there is no commit yet.
        """
        commit = self._try("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        if not commit:
            raise self._no_commits()
        return commit

    def is_dirty(self) -> bool:
        """Whether the work tree has something that no commit holds."""
        return bool(self.changes(limit=1))

    def changes(self, limit: int = 10) -> tuple[str, ...]:
        """Paths that were changed, or are new and not ignored, relative to `root`.

        Args:
            limit: how many paths at most. A new folder counts as one.
        """
        out = self._read("read the state of the work tree", "status", "--porcelain=v1", "-z")
        entries, paths = iter(out.split("\0")), list[str]()
        for entry in entries:
            if len(paths) == limit:
                break
            if entry:
                paths.append(entry[3:])
                if {"R", "C"} & set(entry[:2]):  # a rename is followed by the old name
                    next(entries, None)
        return tuple(paths)

    def export(self, commit: str, folder: Path) -> None:
        """Write the files of a commit into a folder, without touching the work tree or the index.

        It is `git archive`, so files with the attribute `export-ignore` are left out. Submodules
        become empty folders, and files of Git LFS are written as the pointers that git holds.

        Args:
            commit: a hash.
            folder: where to write; it is made if need be.

        Raises:
            NotFoundError: there is no such commit.
            StageError: the commit holds a path or a link that leads out of the folder.
        """
        self._check_commit(commit)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="junov-") as temporary:
            file = Path(temporary) / "commit.tar"
            process.check(
                git_argv(self.root, "archive", "--format=tar", f"--output={file}", commit),
                doing=f"export the commit {commit[:12]}",
                env=_ENV,
                timeout=ARCHIVE_SECONDS,
            )
            with tarfile.open(file) as tar:
                members = tar.getmembers()
                for member in members:
                    if _leads_out(member):
                        raise StageError(
                            f"the commit {commit[:12]} cannot be exported: its file "
                            f"{member.name} leads out of the repository",
                            remedy="remove it, or make it a relative link to a file in there",
                        )
                # Python before 3.11.4 has no filters of its own, and later ones ask for one.
                tar.extraction_filter = lambda member, _: member
                # So nothing is written through a link.
                links_last = sorted(members, key=tarfile.TarInfo.issym)
                tar.extractall(folder, links_last)  # noqa: S202  # every member was checked

    def _commitish(self, ref: Ref, place: str) -> Commitish:
        self._check_commit(place)
        out = self._read(
            f"read the {ref}",
            "show",
            "--no-patch",
            f"--format={_FIELDS}",
            f"{place}^{{commit}}",
            "--",
        )
        commit, when, subject, author = out.rstrip("\n").split("\0")
        return Commitish(ref, commit, datetime.fromisoformat(when), subject, author)

    def _check_commit(self, place: str) -> None:
        if self._try("rev-parse", "--verify", "--quiet", f"{place}^{{commit}}"):
            return
        raise NotFoundError(
            f"there is no commit {place} in {self.root}",
            remedy="fetch it: git fetch --tags origin; in a CI job, raise GIT_DEPTH",
        )

    def _current_branch(self) -> str:
        branch = self._try("symbolic-ref", "--quiet", "--short", "HEAD")
        if not branch:
            raise NotFoundError(
                "no branch is checked out here, but a commit by itself",
                remedy="name the branch or tag, or check one out: git switch <branch>",
            )
        if not self._try("rev-parse", "--verify", "--quiet", "HEAD^{commit}"):
            raise self._no_commits()
        return branch

    def _no_commits(self) -> NotFoundError:
        return NotFoundError(
            f"the git repository {self.root} has no commit yet",
            remedy="commit your files: git add --all && git commit",
        )

    def _refs(self) -> Sequence[str]:
        return self._read(
            "read the branches and tags", "for-each-ref", "--format=%(refname)", HEADS, TAGS, ORIGIN
        ).splitlines()

    def _read(self, doing: str, *arguments: str) -> str:
        return process.check(
            git_argv(self.root, *arguments), doing=doing, env=_ENV, timeout=GIT_SECONDS
        )

    def _try(self, *arguments: str) -> str:
        result = _git(self.root, *arguments)
        return result.stdout.strip() if result.ok else ""


def without_credentials(url: str) -> str:
    """An address of a git repository without its user and password.

    The user of `git@host:path` and `ssh://git@host/path` stays: it is no credential.
    """
    if re.match(r"https?://", url, re.IGNORECASE):
        return re.sub(r"//[^/]*@", "//", url, count=1)
    return re.sub(r"(://[^/:@]*):[^/@]*@", r"\1@", url, count=1)


def _leads_out(member: tarfile.TarInfo) -> bool:
    if not (member.isreg() or member.isdir() or member.issym()):
        return True
    places = [member.name]
    if member.issym():
        places.append(posixpath.join(posixpath.dirname(member.name), member.linkname))
    normal = [posixpath.normpath(place) for place in places]
    return any(place == ".." or place.startswith(("../", "/")) for place in normal)


def _git(folder: Path, *arguments: str) -> process.Result:
    return process.run(git_argv(folder, *arguments), env=_ENV, timeout=GIT_SECONDS)
