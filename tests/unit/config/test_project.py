"""`junov.yaml`: found, read, with the defaults that the documentation promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from junov.config.project import (
    Project,
    find_project,
    nearby,
    read_project,
    repository,
)
from junov.errors import ConfigError, NotFoundError

SMALLEST = """\
project: notes
environments:
  prod: {branch: main, host: notes.example.com}
"""


def project_in(folder: Path, text: str = SMALLEST) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "junov.yaml").write_text(text)
    return folder


def test_two_keys_are_enough(tmp_path: Path) -> None:
    config = read_project(project_in(tmp_path)).config
    assert (config.web.service, config.web.port, config.web.health) == ("web", 8000, "/health")
    assert (config.build.release, config.build.debug) == ("release", "debug")
    assert (config.test, config.migrate, config.database) == (None, None, None)
    assert config.environments["prod"].tier == "development"
    assert config.lint == ()
    assert config.secrets == {}


def test_durations_become_seconds(tmp_path: Path) -> None:
    text = SMALLEST.replace("}", ", expires: 2w}") + "web: {timeout: 90s}\ntest: {service: t}\n"
    config = read_project(project_in(tmp_path, text)).config
    assert config.environments["prod"].expires == 14 * 86400
    assert config.web.timeout == 90
    assert config.test
    assert config.test.timeout == 900


@pytest.mark.parametrize(
    ("ref", "pattern", "is_pattern"),
    [("branch: main", "main", False), ('branch: "f/*"', "f/*", True), ("tag: v*", "v*", True)],
)
def test_a_kind_knows_its_pattern(tmp_path: Path, ref: str, pattern: str, is_pattern: bool) -> None:
    text = f'project: notes\nenvironments:\n  kind: {{{ref}, host: "{{slug}}.example.com"}}\n'
    kind = read_project(project_in(tmp_path, text)).config.environments["kind"]
    assert (kind.pattern, kind.is_pattern) == (pattern, is_pattern)


def test_what_was_read_cannot_be_changed(tmp_path: Path) -> None:
    config = read_project(project_in(tmp_path)).config
    with pytest.raises(ValueError, match="frozen"):
        config.project = "other"  # type: ignore[misc]


def test_the_project_is_found_from_a_folder_within(tmp_path: Path) -> None:
    inner = tmp_path / "src" / "notes"
    inner.mkdir(parents=True)
    project_in(tmp_path)
    assert find_project(inner) == tmp_path
    project_in(tmp_path / "src")
    assert find_project(inner) == tmp_path / "src"


def test_no_project_anywhere_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no junov\.yaml in .* or above") as caught:
        find_project(tmp_path)
    assert "junov init" in caught.value.remedy


def test_a_folder_without_one_is_said_to_have_none(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"there is no .*junov\.yaml"):
        read_project(tmp_path)


def test_messages_name_files_as_a_person_here_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project_in(tmp_path / "app", "project: Notes\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        read_project(tmp_path / "app")
    assert str(caught.value.problems[1].place) == "app/junov.yaml:1:10"
    with pytest.raises(ConfigError) as caught:
        read_project(tmp_path / "app", named=Path("the-commit"))
    assert str(caught.value.problems[1].place) == "the-commit/junov.yaml:1:10"


def test_paths_are_shown_as_messages_name_the_folder(tmp_path: Path) -> None:
    folder = read_project(project_in(tmp_path / "export"), named=Path("here"))
    assert folder.shown(tmp_path / "export" / "env" / "base.env") == Path("here/env/base.env")
    assert folder.shown(Path("/etc/hosts")) == Path("/etc/hosts")


def test_nearby(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert nearby(tmp_path / "a") == Path("a")
    assert nearby(Path("/etc")) == Path("/etc")


@pytest.mark.parametrize(
    ("own", "environ", "expected"),
    [
        ("registry.test/own", {"CI_REGISTRY_IMAGE": "registry.test/ci"}, "registry.test/own"),
        (None, {"CI_REGISTRY_IMAGE": "registry.test/ci"}, "registry.test/ci"),
        (None, {"CI_REGISTRY_IMAGE": ""}, None),
        (None, {}, None),
    ],
)
def test_where_images_are_kept(
    own: str | None, environ: dict[str, str], expected: str | None
) -> None:
    data = {"project": "a", "environments": {"p": {"branch": "m", "host": "h"}}, "registry": own}
    assert repository(Project.model_validate(data), environ) == expected
