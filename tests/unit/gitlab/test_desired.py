"""What a project needs on GitLab, where it is, and what GitLab may clean up. Pure."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from junov.config.gitlab import GitLab
from junov.config.project import Project, read_project
from junov.environments import Ref, claim
from junov.environments.identity import commit_image_tag
from junov.errors import NotFoundError
from junov.gitlab.desired import Branch, cleanup_of, desired_of
from junov.gitlab.place import Place, find_place, of_remote
from junov.images.tested import record_tag
from tests.unit.gitlab.conftest import PROJECT_FILE

TODAY = date(2026, 11, 24)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def project(tmp_path: Path, text: str = PROJECT_FILE) -> Project:
    (tmp_path / "junov.yaml").write_text(text)
    return read_project(tmp_path).config


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("git@gitlab.example.com:team/notes.git", ("https://gitlab.example.com", "team/notes")),
        ("git@gitlab.example.com:a/b/c", ("https://gitlab.example.com", "a/b/c")),
        ("ssh://git@gitlab.example.com:2222/team/notes.git", ("https://gitlab.example.com", None)),
        ("https://gitlab.example.com/team/notes.git", ("https://gitlab.example.com", None)),
        (
            "https://u:p@gitlab.example.com:8443/team/notes",
            ("https://gitlab.example.com:8443", None),
        ),
        ("http://127.0.0.1:80/team/notes/", ("http://127.0.0.1:80", None)),
    ],
)
def test_a_remote_says_where_the_project_is(address: str, place: tuple[str, str | None]) -> None:
    assert of_remote(address) == Place(place[0], place[1] or "team/notes")


@pytest.mark.parametrize("address", ["", "/srv/git/notes.git", "file:///srv/notes", "../notes"])
def test_a_folder_is_no_gitlab(address: str) -> None:
    assert of_remote(address) is None


def test_what_is_said_counts_most_then_the_file_then_the_job_then_the_remote() -> None:
    origin = "git@origin.example.com:from/origin.git"
    job = {"CI_SERVER_URL": "https://job.example.com", "CI_PROJECT_PATH": "from/job"}
    file = GitLab(url="https://file.example.com", path="from/file")
    said = find_place(file, job, origin, url="https://said.example.com/", path="/from/said/")
    assert said == Place("https://said.example.com", "from/said")
    assert find_place(file, job, origin) == Place("https://file.example.com", "from/file")
    none = GitLab()
    assert find_place(none, job, origin) == Place("https://job.example.com", "from/job")
    assert find_place(none, {}, origin) == Place("https://origin.example.com", "from/origin")
    with pytest.raises(NotFoundError, match="GitLab's address is not known") as caught:
        find_place(none, {}, "")
    assert "url: https://gitlab.example.com" in caught.value.remedy


def test_a_branch_of_the_servers_own_name_that_an_environment_has_is_that_environments(
    tmp_path: Path,
) -> None:
    text = "project: notes\nenvironments:\n  ci: {branch: cicd, host: ci.example.com}\n"
    desired = desired_of(project(tmp_path, text), host="h", default_branch="", today=TODAY)
    assert desired.branches == (Branch("cicd", 30, 30, force_push=True),)


def test_a_project_of_tags_alone_has_no_merge_requests_to_write_to(tmp_path: Path) -> None:
    text = 'project: notes\nenvironments:\n  prod: {tag: "v*", host: "{slug}.example.com"}\n'
    desired = desired_of(project(tmp_path, text), host="h", default_branch="main", today=TODAY)
    assert desired.note_token is None
    assert [(each.name, each.create) for each in desired.tags] == [("v*", 40)]


def test_the_token_for_notes_ends_within_gitlabs_limit(tmp_path: Path) -> None:
    desired = desired_of(project(tmp_path), host="h", default_branch="main", today=TODAY)
    assert desired.note_token
    assert (desired.note_token.expires - TODAY).days == 364
    assert (desired.note_token.renewed_from - TODAY).days == 30


def test_no_image_that_an_environment_can_run_is_ever_cleaned_up(tmp_path: Path) -> None:
    config = project(tmp_path)
    policy = cleanup_of(config)
    refs = [
        *(Ref("branch", name) for name in ("main", "dev", "feature/search", "feature/a/b-c")),
        Ref("tag", "env-demo"),
    ]
    kept = [environment.image_tag for ref in refs if (environment := claim(config, ref))]
    assert len(kept) == 5
    kept += ["latest", "v1.2.3", record_tag(f"sha256:{'1' * 64}")]
    # After a rollback, the image of an older commit runs, whose own tag this is.
    kept += [commit_image_tag(COMMIT), commit_image_tag(f"{COMMIT}-dirty")]
    for tag in kept:
        assert re.fullmatch(policy.keeps, tag), tag
        assert not re.search(policy.removes, tag), tag


def test_debug_images_of_old_commits_are_cleaned_up(tmp_path: Path) -> None:
    policy = cleanup_of(project(tmp_path))
    for revision in (COMMIT, f"{COMMIT}-dirty"):
        tag = commit_image_tag(revision, debug=True)
        assert re.fullmatch(policy.removes, tag)
        assert not re.fullmatch(policy.keeps, tag)


def test_the_expression_is_no_longer_than_gitlab_takes(tmp_path: Path) -> None:
    kinds = "".join(
        f'  kind-number-{n}: {{branch: "{"b" * 20}{n}/*", host: "k{n}-{{slug}}.example.com"}}\n'
        for n in range(40)
    )
    policy = cleanup_of(project(tmp_path, f"project: notes\nenvironments:\n{kinds}"))
    assert len(policy.keeps) <= 255
    assert re.fullmatch(policy.keeps, commit_image_tag(COMMIT))
