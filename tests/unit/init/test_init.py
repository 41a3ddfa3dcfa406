"""`junov init`: what is written, what is kept, what is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from junov.errors import ConfigError
from tests.unit.init.folders import (
    DJANGO,
    FASTAPI,
    FASTAPI_COMPOSE,
    NODE,
    config,
    init,
    outcomes,
    refused,
    report,
    resolved,
)

CASES = [
    pytest.param({}, id="an empty folder"),
    pytest.param(
        {"Dockerfile": "FROM debian AS release\nFROM release AS debug\n"}, id="Dockerfile"
    ),
    pytest.param(FASTAPI, id="FastAPI without containers"),
    pytest.param(FASTAPI_COMPOSE, id="FastAPI with compose"),
    pytest.param(DJANGO, id="Django with docker-compose.yml"),
    pytest.param(NODE, id="Node.js with compose"),
]


@pytest.mark.parametrize("files", CASES)
def test_what_is_written_is_read_by_junov_and_by_compose(
    make: Callable[..., Path], files: Mapping[str, str]
) -> None:
    folder = make(files)
    report()
    compose = config(folder).compose
    for layer in (compose.deploy, compose.test, compose.local):
        assert (folder / layer).exists()
        assert resolved(folder, layer)["services"]


@pytest.mark.parametrize("files", CASES)
def test_what_is_there_stays_and_a_second_run_writes_nothing(
    make: Callable[..., Path], files: Mapping[str, str]
) -> None:
    folder = make(files)
    first = outcomes(report())
    for path, text in files.items():
        assert (folder / path).read_text() == text
        assert first.get(path, "kept") == "kept"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert set(outcomes(report()).values()) == {"kept"}
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("files", "left"),
    [
        pytest.param({}, set(), id="an empty folder"),
        pytest.param(FASTAPI, set(), id="FastAPI without containers"),
        # An image of others has to be pinned, and only a person can say to which digest.
        pytest.param(FASTAPI_COMPOSE, {"unpinned-image"}, id="FastAPI with compose"),
        # Neither a Dockerfile's targets nor one for Node.js can be written for somebody.
        pytest.param(DJANGO, {"missing-target"}, id="Django with docker-compose.yml"),
        pytest.param(NODE, {"missing-target", "unpinned-image"}, id="Node.js with compose"),
    ],
)
def test_what_is_written_passes_the_guard(
    make: Callable[..., Path], files: Mapping[str, str], left: set[str]
) -> None:
    make(files)
    report()
    assert {rule for _, rule in refused()} == left


def test_an_empty_folder_gets_every_file(make: Callable[..., Path]) -> None:
    folder = make({})
    written = outcomes(report())
    assert set(written.values()) == {"written"}
    assert set(written) == {
        "junov.yaml", ".junov/junov.schema.json", "compose.yaml", "compose.prod.yaml",
        "compose.test.yaml", "compose.local.yaml", "env/base.env", "env/prod.env",
        "env/stage.env", "env/feature.env", "env/tagged.env", "env/test.env", "Dockerfile",
        ".dockerignore",
    }  # fmt: skip
    assert all((folder / path).is_file() for path in written)
    project = config(folder)
    assert (project.database, project.migrate) == (None, None)
    assert project.web.health == "/"


def test_a_name_that_is_not_legal_is_made_so(make: Callable[..., Path]) -> None:
    folder = make({}, "My_App 2")
    report()
    assert config(folder).project == "my-app-2"


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("notes", "notes"),
        ("2048", "project-2048"),
        ("Ünïcode Café!", "n-code-caf"),
        ("заметки", "project"),
        ("a-very-long-name-for-a-project", "a-very-long-name-for-a-p"),
    ],
)
def test_names_of_folders(make: Callable[..., Path], folder: str, name: str) -> None:
    assert config(_initialised(make, folder)).project == name


def _initialised(make: Callable[..., Path], name: str) -> Path:
    folder = make({}, name)
    report()
    return folder


def test_name_and_domain_can_be_given(make: Callable[..., Path]) -> None:
    folder = make({})
    report("--project", "kiosk", "--domain", "example.com")
    project = config(folder)
    assert project.project == "kiosk"
    assert [kind.host for kind in project.environments.values()] == [
        "kiosk.example.com",
        "stage.kiosk.example.com",
        "{slug}.kiosk.example.com",
        "{slug}.kiosk.example.com",
    ]


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--project", "My_App", "lower-case letters"),
        ("--domain", "http://example.com", "leave the scheme and the path out"),
    ],
)
def test_a_wrong_option_is_wrong_usage(
    make: Callable[..., Path], option: str, value: str, said: str
) -> None:
    folder = make({}, git=False)
    result = init(option, value)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert list(folder.iterdir()) == []


def test_a_folder_without_a_repository_is_said_to_be_none(make: Callable[..., Path]) -> None:
    make({}, git=False)
    result = init()
    assert result.exit_code == 0
    assert "no git repository yet" in result.output
    assert "the frame of a new one" in result.output
    assert "the service web on port 8000 (assumed)" in result.output
    assert "  git init\n" in result.output


def test_what_was_found_is_not_said_to_be_assumed(make: Callable[..., Path]) -> None:
    make(FASTAPI_COMPOSE)
    output = init().output
    assert "the service api on port 8080, " in output
    assert "assumed" not in output
    assert "a new one" not in output


@pytest.mark.parametrize("reason", ["ignored by git", "a virtual environment", "a file"])
def test_env_files_go_elsewhere_where_env_is_taken(make: Callable[..., Path], reason: str) -> None:
    taken = {
        "ignored by git": {".gitignore": "env/\n"},
        "a virtual environment": {"env/pyvenv.cfg": ""},
        "a file": {"env": ""},
    }
    folder = make(taken[reason])
    data = report()
    assert config(folder).compose.env == "envs"
    assert (folder / "envs/base.env").is_file()
    assert any("`envs`" in sentence for sentence in data["left"])
    assert refused() == set()


def test_an_existing_junov_yaml_decides_what_is_missing(make: Callable[..., Path]) -> None:
    folder = make(
        {
            "junov.yaml": "project: till\ncompose: {env: settings}\nweb: {service: front}\n"
            "environments:\n  live: {branch: main, host: till.test}\n"
        }
    )
    data = report()
    assert data["project"] == "till"
    assert outcomes(data)["junov.yaml"] == "kept"
    assert (folder / "settings/live.env").is_file()
    assert not (folder / "env").exists()
    assert "front" in resolved(folder, "compose.prod.yaml")["services"]


def test_a_wrong_junov_yaml_is_an_error_and_nothing_is_written(make: Callable[..., Path]) -> None:
    folder = make({"junov.yaml": "project: 1.20\n"}, git=False)
    with pytest.raises(ConfigError) as caught:
        init()
    assert [str(problem.place) for problem in caught.value.problems] == [
        "junov.yaml:1:1", "junov.yaml:1:10",
    ]  # fmt: skip
    assert [path.name for path in folder.iterdir()] == ["junov.yaml"]


def test_a_wrong_compose_file_is_an_error_with_its_place(make: Callable[..., Path]) -> None:
    folder = make({"compose.yaml": "services:\n\tweb: {}\n"}, git=False)
    with pytest.raises(ConfigError) as caught:
        init()
    assert str(caught.value.place) == "compose.yaml:2:1"
    assert [path.name for path in folder.iterdir()] == ["compose.yaml"]


def test_a_dry_run_shows_everything_and_writes_nothing(make: Callable[..., Path]) -> None:
    folder = make({}, git=False)
    result = init("--dry-run")
    assert result.exit_code == 0
    assert "would write junov.yaml" in result.output
    assert "==> junov.yaml <==" in result.output
    assert "project: shop\n" in result.output
    assert list(folder.iterdir()) == []
    data = report("--dry-run")
    texts = {file["path"]: file.get("text") for file in data["files"]}
    assert list(folder.iterdir()) == []
    report()
    assert {path: (folder / path).read_text() for path in texts} == texts


def test_a_link_is_never_written_through(make: Callable[..., Path], tmp_path: Path) -> None:
    folder = make({})
    (folder / "Dockerfile").symlink_to(tmp_path / "elsewhere")
    assert outcomes(report())["Dockerfile"] == "kept"
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_is_never_overwritten_even_where_nobody_looked(make: Callable[..., Path]) -> None:
    """Folders of other people's files, `vendor` among them, are not read before."""
    folder = make(
        {
            "junov.yaml": "project: till\ncompose: {env: vendor}\n"
            "environments:\n  live: {branch: main, host: till.test}\n",
            "vendor/base.env": "MINE=1\n",
        }
    )
    data = outcomes(report())
    assert (folder / "vendor/base.env").read_text() == "MINE=1\n"
    assert data["vendor/base.env"] == "kept"
    assert data["vendor/live.env"] == "written"


def test_it_ends_with_what_comes_next(make: Callable[..., Path]) -> None:
    make({})
    lines = init().output.splitlines()
    assert lines[lines.index("next") + 1 :] == [
        "  junov check",
        "  git add .dockerignore .junov Dockerfile compose.local.yaml compose.prod.yaml "
        "compose.test.yaml compose.yaml env junov.yaml",
        "  git commit",
        "  junov run",
    ]
