"""What a stage works on: the files of one commit, and which environment they are for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from junov.config.project import (
    ProjectFolder,
    find_project,
    nearby,
    read_project,
    repository,
)
from junov.delivery import exports
from junov.environments import Environment, Ref, claim
from junov.errors import NotFoundError, StageError
from junov.git import Commitish, Repository
from junov.site import Site


@dataclass(frozen=True)
class Source:
    """The files of one commit.

    Args:
        folder: the project, read from those files.
        commit: the commit, with its subject, author and time.
        revision: the commit's full hash; with `-dirty` where the files are the work tree's.
        origin: where the repository comes from; empty where it says nothing.
        environment: the environment that the ref is for, or None.
        dirty: files that differ from the commit.
    """

    folder: ProjectFolder
    commit: Commitish
    revision: str
    origin: str
    environment: Environment | None
    dirty: tuple[str, ...] = ()

    @property
    def root(self) -> Path:
        """The folder with the files."""
        return self.folder.root

    @property
    def ref(self) -> Ref:
        """The branch or tag that was asked for."""
        return self.commit.ref

    @property
    def short(self) -> str:
        """The commit as people say it."""
        return self.commit.commit[:8] + ("-dirty" if self.revision.endswith("-dirty") else "")

    def require_environment(self) -> Environment:
        """The environment, for stages that make no sense without one.

        Raises:
            NotFoundError: no kind of environment claims the ref.
            StageError: it is a branch of a fork.
        """
        if self.environment:
            return self.environment
        if self.commit.from_fork:
            raise StageError(
                f"this merge request comes from a fork, whose branch `{self.ref.name}` is not the "
                f"branch `{self.ref.name}` of this project",
                remedy="push the branch to this project to give it an environment",
            )
        kinds = self.folder.config.environments.items()
        shapes = ", ".join(
            f"{'branch' if kind.branch else 'tag'} {kind.pattern} → {name}" for name, kind in kinds
        )
        raise NotFoundError(
            f"no environment is for the {self.ref}",
            remedy=f"in junov.yaml there are: {shapes}",
            place=self.folder.file.place(("environments",), key=True),
        )


@contextmanager
def open_source(
    start: Path, ref: str | None, *, allow_dirty: bool = False, work_tree: bool = False
) -> Iterator[Source]:
    """The files of a branch, a tag or what is checked out.

    The files are exported from git to a folder of their own, so what is built is what the commit
    says, whatever stands in the work tree meanwhile.

    Args:
        start: a folder of the project.
        ref: a branch or tag; what is checked out without one.
        allow_dirty: take changes that are not committed along, under a revision that says so.
        work_tree: work in the work tree itself where the ref is what is checked out.

    Raises:
        NotFoundError: no project, no repository or no such ref.
        ConfigError: the commit's `junov.yaml` is wrong.
        StageError: there are changes that are not committed, and nobody said to take them along.
    """
    root = find_project(start)
    repo = Repository.open(root)
    commit = repo.resolve(ref, os.environ)
    checked_out = commit.commit == repo.head()
    dirty = repo.changes() if checked_out else ()
    inside, named = root.resolve().relative_to(repo.root.resolve()), nearby(root)
    if work_tree and checked_out:
        yield _source(read_project(root), repo, commit, dirty)
        return
    if dirty and not allow_dirty:
        raise StageError(
            "the work tree has changes that are not committed: " + ", ".join(dirty[:5]),
            remedy="commit them, or take them along with --allow-dirty",
        )
    if dirty:
        yield _source(read_project(root), repo, commit, dirty)
        return
    with exports.folder() as export:
        repo.export(commit.commit, export)
        yield _source(read_project(export / inside, named=named), repo, commit, ())


def _source(
    folder: ProjectFolder, repo: Repository, commit: Commitish, dirty: tuple[str, ...]
) -> Source:
    return Source(
        folder=folder,
        commit=commit,
        revision=f"{commit.commit}-dirty" if dirty else commit.commit,
        origin=repo.origin_url,
        environment=None if commit.from_fork else claim(folder.config, commit.ref),
        dirty=dirty,
    )


def image_repository(source: Source, site: Site) -> str:
    """Where the project's images are: what it names, GitLab's, else the server's own registry.

    Raises:
        StageError: there is none of the three.
    """
    project = source.folder.config
    named = repository(project)
    if named:
        return named
    try:
        own = site.server.repository(project.project)
    except NotFoundError:
        own = None
    if own:
        return own
    raise StageError(
        "it is not known where this project's images are kept",
        remedy="set `registry:` in junov.yaml, or start a server with its own registry: "
        "junov server up",
    )
