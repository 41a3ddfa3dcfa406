"""From what a user or a CI job says to a branch or a tag and its commit. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from junov.environments.environment import Ref, RefType
from junov.errors import NotFoundError

HEADS = "refs/heads/"
TAGS = "refs/tags/"
ORIGIN = "refs/remotes/origin/"


@dataclass(frozen=True, slots=True)
class Commitish:
    """A branch or a tag, and the commit it stands for.

    Args:
        ref: the branch or the tag.
        commit: the full hash of the commit.
        committed_at: when it was committed, with its zone.
        subject: the first line of its message.
        author: the name of who wrote it.
        from_fork: whether the branch is a fork's, which has the name of ours and isn't ours.
    """

    ref: Ref
    commit: str
    committed_at: datetime
    subject: str
    author: str
    from_fork: bool = False


@dataclass(frozen=True, slots=True)
class CiRef:
    """What a GitLab job is about.

    Args:
        ref: the branch or tag.
        commit: the full hash of the commit that the pipeline is for.
        from_fork: whether it is a merge request from a fork, whose branch isn't ours.
    """

    ref: Ref
    commit: str
    from_fork: bool = False


def ci_ref(environ: Mapping[str, str]) -> CiRef | None:
    """What this GitLab job is about, by the variables that GitLab predefines.

    Args:
        environ: the job's variables.

    Returns:
        None outside of a job.
    """
    commit = environ.get("CI_COMMIT_SHA")
    if not commit:
        return None
    if environ.get("CI_COMMIT_TAG"):
        return CiRef(Ref("tag", environ["CI_COMMIT_TAG"]), commit)
    source = environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME")
    if source:
        theirs = environ.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID")
        # In a pipeline that runs in the fork, CI_PROJECT_ID is the fork's.
        ours = environ.get("CI_MERGE_REQUEST_PROJECT_ID") or environ.get("CI_PROJECT_ID")
        foreign = bool(theirs and ours and theirs != ours)
        return CiRef(Ref("branch", source), commit, from_fork=foreign)
    branch = environ.get("CI_COMMIT_BRANCH")
    return CiRef(Ref("branch", branch), commit) if branch else None


def forced(text: str) -> Ref | None:
    """The ref that a text names outright: `heads/x`, `tags/x`, or either after `refs/`."""
    short = text.removeprefix("refs/")
    types: tuple[tuple[str, RefType], ...] = (("heads/", "branch"), ("tags/", "tag"))
    for prefix, kind in types:
        if short.startswith(prefix) and short != prefix:
            return Ref(kind, short.removeprefix(prefix))
    return None


def listed_refs(text: str) -> frozenset[Ref]:
    """The branches and tags in what `git ls-remote` prints: a hash, a tab and a full ref a line."""
    names = (line.partition("\t")[2] for line in text.splitlines())
    return frozenset(ref for name in names if (ref := forced(name)))


def choose(text: str, refs: Iterable[str]) -> tuple[Ref, str]:
    """The branch or tag that a user means.

    Args:
        text: its name, alone or after `heads/`, `tags/`, `refs/heads/`, `refs/tags/` or `origin/`.
        refs: every full ref of the repository.

    Returns:
        The ref, and the full name under which git has it. A branch that only `origin` has is one
        as well.

    Raises:
        NotFoundError: there is none of that name, or both a branch and a tag.
    """
    known = set(refs) - {f"{ORIGIN}HEAD"}
    if ref := forced(text):
        return ref, _place(ref, known) or _missing(text, known)
    found = [
        (ref, place)
        for ref in (Ref("branch", text), Ref("tag", text))
        if (place := _place(ref, known))
    ]
    if len(found) > 1:
        raise NotFoundError(
            f"`{text}` is both a branch and a tag",
            remedy=f"say which: heads/{text} or tags/{text}",
        )
    if found:
        return found[0]
    branch = Ref("branch", text.removeprefix("refs/remotes/").removeprefix("origin/"))
    return branch, _place(branch, known) or _missing(text, known)


def _place(ref: Ref, known: set[str]) -> str | None:
    prefixes = (TAGS,) if ref.type == "tag" else (HEADS, ORIGIN)
    return next((p + ref.name for p in prefixes if p + ref.name in known), None)


def _missing(text: str, known: set[str]) -> NoReturn:
    names = sorted({_short(ref) for ref in known})
    wanted = text.removeprefix("refs/").removeprefix("heads/").removeprefix("tags/")
    close = difflib.get_close_matches(wanted, names, n=3)
    if close:
        remedy = f"did you mean {' or '.join(f'`{name}`' for name in close)}?"
    elif names:
        remedy = f"there are: {', '.join(names[:10])}{', …' if len(names) > 10 else ''}"
    else:
        remedy = "make the first commit"
    raise NotFoundError(f"there is no branch or tag `{text}`", remedy=remedy)


def _short(ref: str) -> str:
    for prefix in (HEADS, TAGS, ORIGIN):
        if ref.startswith(prefix):
            return ref.removeprefix(prefix)
    return ref
