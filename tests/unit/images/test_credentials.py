"""Which credentials a registry is asked with."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from junov.errors import ConfigError, JunovError, UnavailableError
from junov.images.credentials import find_credentials

HOST = "registry.example.com"
CI = {
    "CI_REGISTRY": HOST,
    "CI_REGISTRY_USER": "gitlab-ci-token",
    "CI_REGISTRY_PASSWORD": "job-secret",
}


def encoded(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def docker_config(tmp_path: Path) -> Any:
    def write(**config: Any) -> dict[str, str]:
        (tmp_path / "config.json").write_text(json.dumps(config))
        return {"DOCKER_CONFIG": str(tmp_path)}

    return write


def helper(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "docker-credential-double"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def found(environ: dict[str, str], host: str = HOST) -> tuple[str, str] | None:
    credentials = find_credentials(host, environ)
    return (credentials.user, credentials.password.reveal()) if credentials else None


def test_a_jobs_own_credentials_come_first(docker_config: Any) -> None:
    environ = docker_config(auths={HOST: encoded("me", "mine")})
    assert found({**environ, **CI}) == ("gitlab-ci-token", "job-secret")


def test_a_jobs_credentials_go_to_its_own_registry_only(docker_config: Any) -> None:
    environ = docker_config(auths={"other.example.com": encoded("me", "mine")})
    assert found({**environ, **CI}, "other.example.com") == ("me", "mine")
    assert found({**environ, **CI}, "third.example.com") is None


@pytest.mark.parametrize("key", [HOST, f"https://{HOST}", f"https://{HOST}/v1/"])
def test_what_docker_login_left_is_used(docker_config: Any, key: str) -> None:
    environ = docker_config(auths={key: encoded("me", "pass:word")})
    assert found(environ) == ("me", "pass:word")


def test_docker_hub_is_found_under_its_old_name(docker_config: Any) -> None:
    environ = docker_config(auths={"https://index.docker.io/v1/": encoded("me", "mine")})
    assert found(environ, "docker.io") == ("me", "mine")


def test_nobody_logged_in(tmp_path: Path) -> None:
    assert found({"DOCKER_CONFIG": str(tmp_path / "none")}) is None


def test_the_file_in_the_home_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(
        json.dumps({"auths": {HOST: encoded("me", "mine")}})
    )
    assert found({"HOME": str(tmp_path)}) == ("me", "mine")


@pytest.mark.parametrize("config", [{"credsStore": "double"}, {"credHelpers": {HOST: "double"}}])
def test_a_credential_helper_is_asked_for_the_host(
    docker_config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]
) -> None:
    helper(
        tmp_path,
        monkeypatch,
        f'[ "$1" = get ] && [ "$(cat)" = {HOST} ] && echo \'{{"Username":"h","Secret":"s"}}\'',
    )
    assert found(docker_config(**config)) == ("h", "s")


def test_a_helper_that_knows_nothing_is_no_error(
    docker_config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper(tmp_path, monkeypatch, "echo credentials not found in native keychain; exit 1")
    assert found(docker_config(credsStore="double", auths={HOST: {}})) is None


def test_a_helper_that_is_not_installed_is_named(docker_config: Any) -> None:
    with pytest.raises(UnavailableError, match=r"docker-credential-nosuch.*not installed"):
        found(docker_config(credsStore="nosuch"))


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"auths": {HOST: {"auth": "%%%"}}}, "no base64"),
        ({"auths": {HOST: {"identitytoken": "tt-secret"}}}, "identity token"),
    ],
)
def test_broken_credentials_are_named_without_their_value(
    docker_config: Any, config: dict[str, Any], says: str
) -> None:
    with pytest.raises(JunovError, match=says) as caught:
        found(docker_config(**config))
    assert HOST in caught.value.remedy
    assert "tt-secret" not in str(caught.value)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError) as caught:
        found({"DOCKER_CONFIG": str(tmp_path)})
    assert str(caught.value.place) == str(tmp_path / "config.json")


def test_the_password_is_not_shown() -> None:
    credentials = find_credentials(HOST, CI)
    assert "job-secret" not in repr(credentials)
    assert str(credentials) == (
        "the credentials of `gitlab-ci-token` from CI_REGISTRY_USER and CI_REGISTRY_PASSWORD"
    )
