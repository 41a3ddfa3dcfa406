"""Refs, commits and files of real git repositories."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from junov.environments.environment import Ref
from junov.errors import JunovError, NotFoundError, StageError, UnavailableError
from junov.git import Repository
from junov.git.repository import git_argv, without_credentials

Git = Callable[..., str]

WHO = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "GIT_AUTHOR_DATE": "2026-11-01T12:00:00+02:00",
    "GIT_COMMITTER_DATE": "2026-11-01T12:00:00+02:00",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "notes"


@pytest.fixture
def git(folder: Path) -> Git:
    """Runs git in a new repository on the branch main."""
    folder.mkdir()

    def git(*arguments: str, cwd: Path = folder) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd,
            env={**os.environ, **WHO},
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    git("init", "--quiet", "--initial-branch=main")
    return git


@pytest.fixture
def commit(folder: Path, git: Git) -> Callable[[str], str]:
    def commit(message: str) -> str:
        (folder / "file.txt").write_text(f"{message}\n")
        git("add", "--all")
        git("commit", "--quiet", "--message", message)
        return git("rev-parse", "HEAD")

    return commit


Commit = Callable[[str], str]


def test_the_branch_that_is_checked_out(folder: Path, commit: Commit) -> None:
    commit("before")
    made = commit("Größe: über allem")
    found = Repository.open(folder).resolve(None, {})
    assert (found.ref, found.commit) == (Ref("branch", "main"), made)
    assert (found.subject, found.author) == ("Größe: über allem", "Ada")
    assert found.committed_at.isoformat() == "2026-11-01T12:00:00+02:00"


def test_a_folder_below_the_root_is_in_the_repository(folder: Path, commit: Commit) -> None:
    commit("first")
    (folder / "a" / "b").mkdir(parents=True)
    assert Repository.open(folder / "a" / "b").root == folder


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("feature/search", Ref("branch", "feature/search")),
        ("heads/feature/search", Ref("branch", "feature/search")),
        ("refs/heads/feature/search", Ref("branch", "feature/search")),
        ("v1", Ref("tag", "v1")),
        ("tags/v1", Ref("tag", "v1")),
        ("refs/tags/v1", Ref("tag", "v1")),
    ],
)
def test_a_branch_or_a_tag_by_name(
    folder: Path, git: Git, commit: Commit, text: str, ref: Ref
) -> None:
    made = commit("first")
    git("branch", "feature/search")
    git("tag", "--annotate", "--message", "one", "v1")
    commit("second")
    found = Repository.open(folder).resolve(text, {})
    assert (found.ref, found.commit, found.subject) == (ref, made, "first")


def test_a_name_of_both_a_branch_and_a_tag_has_to_be_said_in_full(
    folder: Path, git: Git, commit: Commit
) -> None:
    tagged = commit("first")
    git("tag", "both")
    branched = commit("second")
    git("branch", "both")
    repository = Repository.open(folder)
    with pytest.raises(NotFoundError, match="both a branch and a tag") as caught:
        repository.resolve("both", {})
    assert "heads/both or tags/both" in caught.value.remedy
    assert repository.resolve("heads/both", {}).commit == branched
    assert repository.resolve("tags/both", {}).commit == tagged


@pytest.fixture
def clone(tmp_path: Path, folder: Path, git: Git, commit: Commit) -> Path:
    """A clone that has `main` checked out, and `dev` only as the branch of its origin."""
    commit("first")
    git("branch", "dev")
    git("clone", "--quiet", str(folder), str(tmp_path / "clone"))
    return tmp_path / "clone"


@pytest.mark.parametrize("text", ["dev", "origin/dev", "refs/remotes/origin/dev", "heads/dev"])
def test_a_branch_that_only_the_origin_has(clone: Path, git: Git, text: str) -> None:
    found = Repository.open(clone).resolve(text, {})
    assert (found.ref, found.commit) == (Ref("branch", "dev"), git("rev-parse", "dev"))


def test_the_own_branch_comes_before_the_origins(clone: Path, git: Git) -> None:
    git("switch", "--quiet", "--create", "dev", "origin/dev", cwd=clone)
    git("commit", "--quiet", "--allow-empty", "--message", "mine", cwd=clone)
    assert Repository.open(clone).resolve("dev", {}).subject == "mine"


@pytest.mark.parametrize("text", ["HEAD", "origin/HEAD", "nothing", "heads/v1", "--all", ""])
def test_what_is_neither_a_branch_nor_a_tag(clone: Path, git: Git, text: str) -> None:
    git("tag", "v1", cwd=clone)
    with pytest.raises(NotFoundError, match="no branch or tag"):
        Repository.open(clone).resolve(text, {})


def test_a_name_that_is_nearly_right(folder: Path, git: Git, commit: Commit) -> None:
    commit("first")
    git("branch", "feature/search")
    with pytest.raises(NotFoundError) as caught:
        Repository.open(folder).resolve("feature/serach", {})
    assert caught.value.remedy == "did you mean `feature/search`?"
    with pytest.raises(NotFoundError) as caught:
        Repository.open(folder).resolve("xyz", {})
    assert caught.value.remedy == "there are: feature/search, main"


@pytest.mark.parametrize(
    ("variables", "ref"),
    [
        ({"CI_COMMIT_BRANCH": "dev"}, Ref("branch", "dev")),
        ({"CI_COMMIT_TAG": "env-qa"}, Ref("tag", "env-qa")),
        (
            {
                "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feature/search",
                "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "7",
                "CI_PROJECT_ID": "7",
            },
            Ref("branch", "feature/search"),
        ),
    ],
)
def test_a_ci_job_has_no_branch_but_says_which_it_is_for(
    folder: Path, git: Git, commit: Commit, variables: dict[str, str], ref: Ref
) -> None:
    made = commit("first")
    git("switch", "--quiet", "--detach")
    environ = {**variables, "CI_COMMIT_SHA": made}
    repository = Repository.open(folder)
    for text in (None, ref.name, f"{'heads' if ref.type == 'branch' else 'tags'}/{ref.name}"):
        found = repository.resolve(text, environ)
        assert (found.ref, found.commit) == (ref, made)


def test_a_job_may_name_another_ref_than_its_own(clone: Path, git: Git) -> None:
    head = git("rev-parse", "main")
    environ = {"CI_COMMIT_BRANCH": "main", "CI_COMMIT_SHA": head}
    assert Repository.open(clone).resolve("dev", environ).ref == Ref("branch", "dev")


def test_a_branch_of_a_fork_is_not_ours(folder: Path, commit: Commit) -> None:
    environ = {
        "CI_COMMIT_SHA": commit("first"),
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "main",
        "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "8",
        "CI_PROJECT_ID": "7",
    }
    assert Repository.open(folder).resolve(None, environ).from_fork
    # In a pipeline that runs in the fork itself.
    there = {**environ, "CI_PROJECT_ID": "8", "CI_MERGE_REQUEST_PROJECT_ID": "7"}
    assert Repository.open(folder).resolve(None, there).from_fork
    own = {**environ, "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "7"}
    assert not Repository.open(folder).resolve(None, own).from_fork


def test_a_commit_that_the_job_has_not_fetched(folder: Path, commit: Commit) -> None:
    commit("first")
    environ = {"CI_COMMIT_SHA": "f" * 40, "CI_COMMIT_BRANCH": "main"}
    with pytest.raises(NotFoundError, match="f" * 40) as caught:
        Repository.open(folder).resolve(None, environ)
    assert "GIT_DEPTH" in caught.value.remedy


def test_a_commit_checked_out_by_itself_is_no_branch(
    folder: Path, git: Git, commit: Commit
) -> None:
    made = commit("first")
    git("switch", "--quiet", "--detach")
    repository = Repository.open(folder)
    assert repository.head() == made
    with pytest.raises(NotFoundError, match="no branch is checked out") as caught:
        repository.resolve(None, {})
    assert "git switch" in caught.value.remedy


@pytest.mark.usefixtures("git")
def test_a_repository_without_a_commit(folder: Path) -> None:
    repository = Repository.open(folder)
    for ask in (repository.head, lambda: repository.resolve(None, {})):
        with pytest.raises(NotFoundError, match="no commit yet"):
            ask()
    with pytest.raises(NotFoundError, match="no branch or tag `main`"):
        repository.resolve("main", {})


def test_a_folder_outside_of_git(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="in no git repository") as caught:
        Repository.open(tmp_path)
    assert "git init" in caught.value.remedy
    with pytest.raises(NotFoundError) as caught:
        Repository.open(tmp_path / "nowhere")
    assert "No such file" in caught.value.detail


def test_a_repository_without_a_work_tree(tmp_path: Path, git: Git) -> None:
    git("init", "--quiet", "--bare", str(tmp_path / "bare.git"))
    with pytest.raises(NotFoundError, match="without a work tree"):
        Repository.open(tmp_path / "bare.git")


def test_a_folder_of_another_user(
    folder: Path, commit: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit("first")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch for this test
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    with pytest.raises(StageError, match="belongs to another user") as caught:
        Repository.open(folder)
    assert f"safe.directory '{folder}'" in caught.value.remedy


def test_a_machine_without_git(folder: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    assert git("status") is not None
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UnavailableError, match="git is not installed"):
        Repository.open(folder)


def test_what_makes_a_tree_dirty(folder: Path, git: Git, commit: Commit) -> None:
    (folder / ".gitignore").write_text("ignored\n")
    (folder / "moved from.txt").write_text("much the same text\n" * 10)
    commit("first")
    repository = Repository.open(folder)
    (folder / "ignored").write_text("x")
    assert (repository.is_dirty(), repository.changes()) == (False, ())

    (folder / "file.txt").write_text("changed")
    (folder / "Größe und Maß.txt").write_text("new")
    git("mv", "moved from.txt", "moved to.txt")
    assert repository.is_dirty()
    assert sorted(repository.changes()) == ["Größe und Maß.txt", "file.txt", "moved to.txt"]
    for number in range(20):
        (folder / f"{number}.txt").write_text("new")
    assert len(repository.changes()) == 10


def test_an_export_has_the_files_of_the_commit_and_touches_nothing(
    tmp_path: Path, folder: Path, git: Git, commit: Commit
) -> None:
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "binary").write_bytes(bytes(range(256)))
    (folder / "link").symlink_to("run.sh")
    made = commit("first")
    commit("second")
    (folder / "file.txt").write_text("not committed")
    (folder / "new.txt").write_text("not committed")
    before = git("status", "--porcelain")

    out = tmp_path / "out" / "deep"
    Repository.open(folder).export(made, out)
    assert sorted(path.name for path in out.iterdir()) == ["binary", "file.txt", "link", "run.sh"]
    assert (out / "file.txt").read_text() == "first\n"
    assert (out / "binary").read_bytes() == bytes(range(256))
    assert (out / "run.sh").stat().st_mode & 0o111
    assert (out / "link").readlink() == Path("run.sh")
    assert git("status", "--porcelain") == before


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside"])
def test_an_export_does_not_lead_out_of_its_folder(
    tmp_path: Path, folder: Path, commit: Commit, target: str
) -> None:
    (folder / "link").symlink_to(target)
    made = commit("first")
    with pytest.raises(StageError, match="link leads out"):
        Repository.open(folder).export(made, tmp_path / "out")
    assert not any((tmp_path / "out").iterdir())


def test_an_export_of_an_unknown_commit(tmp_path: Path, folder: Path, commit: Commit) -> None:
    commit("first")
    with pytest.raises(JunovError, match="no commit"):
        Repository.open(folder).export("f" * 40, tmp_path / "out")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://gitlab-ci-token:s3cr@t@gitlab.example.com/a/b.git", "https://gitlab.example.com/a/b.git"),
        ("https://glpat-s3cr@gitlab.example.com/a/b.git", "https://gitlab.example.com/a/b.git"),
        ("https://gitlab.example.com/a/b.git", "https://gitlab.example.com/a/b.git"),
        ("git@gitlab.example.com:a/b.git", "git@gitlab.example.com:a/b.git"),
        ("ssh://git@gitlab.example.com:22/a/b", "ssh://git@gitlab.example.com:22/a/b"),
        ("ssh://git:s3cr@gitlab.example.com/a/b", "ssh://git@gitlab.example.com/a/b"),
        ("/srv/git/a@b.git", "/srv/git/a@b.git"),
    ],
)  # fmt: skip
def test_the_origins_address_has_no_credentials(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


def test_the_origin_is_read(folder: Path, git: Git) -> None:
    repository = Repository.open(folder)
    assert repository.origin_url == ""
    git("remote", "add", "origin", "https://me:s3cr@example.com/a.git")
    assert repository.origin_url == "https://example.com/a.git"


def test_how_git_is_called(tmp_path: Path) -> None:
    assert git_argv(tmp_path, "status") == [
        "git", "-c", "core.quotepath=off", "-C", str(tmp_path), "status",
    ]  # fmt: skip


def test_the_origin_is_asked_which_branches_and_tags_it_has(
    clone: Path, git: Git, commit: Commit
) -> None:
    commit("Three")
    git("tag", "--annotate", "--message", "Two", "v2")
    git("branch", "feature/a/b")
    git("branch", "--delete", "--force", "dev")
    repository = Repository.open(clone)
    assert repository.refs_of_origin() == {
        Ref("branch", "main"),
        Ref("branch", "feature/a/b"),
        *(Ref("tag", name) for name in git("tag", "--list").splitlines()),
    }
    # What the clone has fetched is older: a branch in the way of another is among it.
    git("branch", "--delete", "--force", "feature/a/b")
    git("branch", "feature/a")
    assert Ref("branch", "feature/a") in repository.refs_of_origin()
    assert Ref("branch", "feature/a/b") not in repository.refs_of_origin()


def test_without_an_origin_there_is_nobody_to_ask(folder: Path, commit: Commit) -> None:
    commit("One")
    with pytest.raises(NotFoundError, match="has no remote `origin`"):
        Repository.open(folder).refs_of_origin()


def test_an_empty_origin_is_not_taken_for_one_that_has_lost_all(
    tmp_path: Path, folder: Path, git: Git, commit: Commit
) -> None:
    commit("One")
    git("init", "--quiet", "--bare", str(tmp_path / "empty.git"))
    git("remote", "add", "origin", str(tmp_path / "empty.git"))
    with pytest.raises(UnavailableError, match="has no branch and no tag"):
        Repository.open(folder).refs_of_origin()


def test_an_origin_that_does_not_answer_has_said_nothing_and_keeps_its_password(
    folder: Path, git: Git, commit: Commit
) -> None:
    commit("One")
    git("remote", "add", "origin", "https://me:s3cr@127.0.0.1:9/notes.git")
    with pytest.raises(UnavailableError, match="doesn't say what branches it has") as error:
        Repository.open(folder).refs_of_origin()
    assert error.value.remedy == "try it by hand: git ls-remote origin"
    assert "127.0.0.1" in error.value.detail
    assert "s3cr" not in f"{error.value.message}{error.value.detail}"
