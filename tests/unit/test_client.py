"""Which docker client and which Compose: given what a machine has, this one is taken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from junov.engine.client import (
    Client,
    Compose,
    choose_client,
    choose_compose,
    client_versions,
    compose_commands,
    docker_paths,
    first_version,
)
from junov.errors import UnavailableError

NEW_BARE = Client("/usr/local/bin/docker", "28.2.2", buildx=False, server="20.10.24")
DEBIAN = Client("/usr/bin/docker", "20.10.24+dfsg1", buildx=False, server="20.10.24")
WITH_BUILDX = Client("/opt/docker", "28.2.2", buildx=True, server="28.2.2")
TOO_NEW_FOR_ENGINE = Client("/opt/docker", "29.1.0", buildx=True)
MISSING = Client("/usr/bin/docker", "", buildx=False)


@pytest.mark.parametrize(
    ("clients", "taken"),
    [
        pytest.param([WITH_BUILDX, DEBIAN], WITH_BUILDX, id="the first with buildx"),
        pytest.param([DEBIAN, WITH_BUILDX], WITH_BUILDX, id="buildx before an old client"),
        pytest.param([NEW_BARE, DEBIAN], DEBIAN, id="an old one has BuildKit within"),
        pytest.param([TOO_NEW_FOR_ENGINE, DEBIAN], DEBIAN, id="only those the engine answers"),
        pytest.param([TOO_NEW_FOR_ENGINE], TOO_NEW_FOR_ENGINE, id="unless it answers none"),
        pytest.param([MISSING, DEBIAN], DEBIAN, id="one that cannot even say its version"),
    ],
)
def test_the_client_that_can_build_is_taken(clients: list[Client], taken: Client) -> None:
    assert choose_client(clients) is taken


def test_a_new_client_without_buildx_is_refused_and_the_package_named() -> None:
    with pytest.raises(UnavailableError, match=r"/usr/local/bin/docker \(28\.2\.2\)") as caught:
        choose_client([NEW_BARE])
    assert "docker-buildx" in caught.value.remedy


@pytest.mark.parametrize("clients", [[], [MISSING]])
def test_without_any_client_the_remedy_is_to_install_docker(clients: list[Client]) -> None:
    with pytest.raises(UnavailableError, match="there is no docker client") as caught:
        choose_client(clients)
    assert "junov server engine --install" in caught.value.remedy


@pytest.mark.parametrize(
    ("versions", "taken"),
    [
        (["2.24.0", "5.6.1"], 0),
        (["", "5.6.1"], 1),
        (["1.29.2", "2.23.3", "2.30.0-desktop.1"], 2),
    ],
)
def test_the_first_compose_that_is_new_enough_is_taken(versions: list[str], taken: int) -> None:
    found = [Compose((f"compose-{n}",), version) for n, version in enumerate(versions)]
    assert choose_compose(found) is found[taken]


def test_after_the_first_good_compose_no_other_is_asked() -> None:
    def found() -> Iterator[Compose]:
        yield Compose(("docker", "compose"), "2.40.0")
        raise AssertionError("asked on")

    assert choose_compose(found()).version == "2.40.0"


def test_a_compose_that_is_too_old_is_named() -> None:
    with pytest.raises(UnavailableError, match=r"docker-compose is 1\.29\.2") as caught:
        choose_compose([Compose(("docker-compose",), "1.29.2")])
    assert "junov[compose]" in caught.value.remedy


@pytest.mark.parametrize(
    ("answer", "versions"),
    [
        ('{"Client":{"Version":"28.2.2"},"Server":{"Version":"20.10.24"}}', ("28.2.2", "20.10.24")),
        ('{"Client":{"Version":"28.2.2"},"Server":null}', ("28.2.2", "")),
        ('{"Client":{"Version":"28.2.2"}}', ("28.2.2", "")),
        ('{"Client":null}', ("", "")),
        ("[]", ("", "")),
        ("podman version 4.3.1", ("", "")),
        ("", ("", "")),
    ],
)
def test_versions_are_read_from_dockers_json(answer: str, versions: tuple[str, str]) -> None:
    assert client_versions(answer) == versions


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Docker version 20.10.24+dfsg1, build 297e128", "20.10.24"),
        ("v2.24.0-desktop.1", "2.24.0"),
        ("5.6.1\n", "5.6.1"),
        ("not found", ""),
    ],
)
def test_a_version_is_found_in_a_text(text: str, version: str) -> None:
    assert first_version(text) == version


def program(folder: Path, name: str, mode: int = 0o755) -> str:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return str(path)


def test_clients_are_listed_in_the_order_of_path_and_each_once(tmp_path: Path) -> None:
    first = program(tmp_path / "a", "docker")
    second = program(tmp_path / "b", "docker")
    program(tmp_path / "c", "docker", mode=0o644)
    (tmp_path / "d").symlink_to(tmp_path / "b")
    search = ":".join(str(tmp_path / name) for name in "abcd")
    assert docker_paths(f"{search}::/nowhere")[:2] == [first, second]


def test_compose_is_tried_as_a_plugin_before_the_binary(tmp_path: Path) -> None:
    binary = program(tmp_path, "docker-compose")
    assert compose_commands(["/usr/bin/docker"], str(tmp_path)) == [
        ("/usr/bin/docker", "compose"),
        (binary,),
    ]


def test_compose_is_found_without_any_docker_client(tmp_path: Path) -> None:
    binary = program(tmp_path, "docker-compose")
    assert compose_commands([], str(tmp_path)) == [(binary,)]
