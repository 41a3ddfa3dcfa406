"""Two images from one Dockerfile, through a real engine and a real registry."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from junov import process
from junov.engine.build import Build, build_images, pull, push
from junov.engine.client import Tools, find_tools
from junov.engine.login import docker_login
from junov.errors import Place, StageError, UnavailableError
from junov.images import Registry, Repository, find_built, retag
from junov.secret import Secret
from tests.engine.registries import (
    PASSWORD,
    USER,
    login,
    start_private_registry,
    start_registry,
)
from tests.engine.sandbox import Sandbox, sandbox

pytestmark = pytest.mark.engine

COMMITTED = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)

# From nothing: quick, and no base image is needed.
DOCKERFILE = """\
FROM scratch AS packages
COPY requirements.txt /opt/

FROM scratch AS release
COPY --from=packages /opt /opt
COPY app /app

FROM release AS debug
COPY tests /tests
"""


@pytest.fixture(scope="module")
def box(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with sandbox(request) as box:
        yield box


@pytest.fixture(scope="module")
def tools() -> Tools:
    return find_tools()


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with Registry({"DOCKER_CONFIG": "/nonexistent"}) as registry:
        yield registry


@pytest.fixture(scope="module")
def host(box: Sandbox) -> str:
    return start_registry(box, "registry")


@pytest.fixture
def build(tmp_path: Path, host: str, tools: Tools) -> Iterator[Build]:
    """A project with something in it that no cache has seen."""
    for name in ("app", "tests", "requirements.txt"):
        (tmp_path / name).write_text(secrets.token_hex(8))
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    build = Build(
        context=tmp_path,
        dockerfile=tmp_path / "Dockerfile",
        release="release",
        debug="debug",
        repository=f"{host}/team/{secrets.token_hex(4)}",
        revision=secrets.token_hex(20),
        source="https://gitlab.example.com/team/notes",
        created=COMMITTED,
        version=secrets.token_hex(8),
        cache_from=("cache-main",),
    )
    yield build
    label = f"label=org.opencontainers.image.version={build.version}"
    argv = [*tools.docker, "images", "--quiet", "--filter", label]
    images = set(process.check(argv, doing="list the images").split())
    if images:
        process.run([*tools.docker, "rmi", "--force", *images])


def repository(build: Build) -> Repository:
    host, _, path = build.repository.partition("/")
    return Repository(host, path)


def test_both_images_are_built_pushed_found_and_pulled(
    build: Build, tools: Tools, registry: Registry
) -> None:
    said: list[str] = []
    build_images(tools, build, on_line=said.append)
    steps = [line for line in said if "cached" not in line]
    # Each step runs once, though two images are built; a missing cache is no failure.
    assert sorted(line.partition("] ")[2] for line in steps) == [
        "COPY --from=packages /opt /opt",
        "COPY app /app",
        "COPY requirements.txt /opt/",
        "COPY tests /tests",
    ]
    release = push(tools, build.reference(), on_line=print)
    debug = push(tools, build.reference(debug=True), on_line=print)

    image = find_built(registry, repository(build), build.revision)
    assert image is not None
    assert (image.digest, image.debug_digest) == (release, debug)
    assert (image.source, image.created) == (build.source, "2026-11-01T12:00:00Z")

    process.check([*tools.docker, "rmi", build.reference(debug=True)], doing="forget the image")
    pull(tools, image.debug_reference)
    argv = [*tools.docker, "image", "inspect", "--format", "{{.RepoDigests}}"]
    shown = process.check([*argv, image.debug_reference], doing="see the image")
    assert image.debug_reference in shown


def test_the_same_commit_built_again_has_the_same_digests(
    build: Build, tools: Tools, registry: Registry
) -> None:
    digests = []
    for _ in range(2):
        build_images(tools, build, on_line=print)
        digests.append(
            [push(tools, build.reference(debug=debug), on_line=print) for debug in (False, True)]
        )
        retag(registry, repository(build), digests[-1][1], "cache-main")
    assert digests[0] == digests[1]


def test_the_cache_for_other_machines_stays_whole(
    build: Build, tools: Tools, registry: Registry
) -> None:
    """With the engine's own cache and the registry's at once it would lose layers."""
    for commit in ("a" * 40, "b" * 40):
        later = replace(build, revision=commit)
        (build.context / "tests").write_text(secrets.token_hex(8))
        build_images(tools, later, on_line=print)
        digest = push(tools, later.reference(debug=True), on_line=print)
        retag(registry, repository(build), digest, "cache-main")
    manifest = registry.manifest(repository(build), digest)
    assert manifest is not None
    config = registry.blob(repository(build), manifest.data["config"]["digest"])
    cache = json.loads(base64.b64decode(json.loads(config)["moby.buildkit.cache.v0"]))
    layers = {layer["layer"] for record in cache for layer in record.get("layers", ())}
    assert layers == {0, 1, 2}


def test_a_debug_image_that_is_not_on_top_of_release_is_found_out(
    build: Build, tools: Tools, registry: Registry
) -> None:
    build.dockerfile.write_text(DOCKERFILE.replace("FROM release AS", "FROM scratch AS"))
    build_images(tools, build, on_line=print)
    for debug in (False, True):
        push(tools, build.reference(debug=debug), on_line=print)
    with pytest.raises(StageError, match="not built on top"):
        find_built(registry, repository(build), build.revision)


@pytest.mark.parametrize(
    ("dockerfile", "line", "message"),
    [
        ("FROM scratch AS debug\nCOPY app /\nCOPY nothing /\n", 3, "COPY nothing /"),
        ("FROM scratch AS debug\nCOPPY app /\n", 2, "COPPY"),
    ],
)
def test_a_failed_build_names_the_line(
    build: Build, tools: Tools, dockerfile: str, line: int, message: str
) -> None:
    build.dockerfile.write_text(dockerfile)
    with pytest.raises(StageError) as caught:
        build_images(tools, build, on_line=print)
    assert caught.value.place == Place(build.dockerfile, line)
    assert message in caught.value.message
    assert caught.value.detail


def test_a_failed_command_shows_what_it_said(build: Build, tools: Tools) -> None:
    build.dockerfile.write_text(
        "FROM python:3.11-slim-bookworm AS debug\n\nRUN echo first \\\n  && echo why >&2; exit 3\n"
    )
    with pytest.raises(StageError) as caught:
        build_images(tools, build, on_line=print)
    assert caught.value.place == Place(build.dockerfile, 3)
    assert {"first", "why"} <= set(caught.value.detail.splitlines())
    assert "exit code: 3" in caught.value.detail


def test_a_missing_target_is_named(build: Build, tools: Tools) -> None:
    with pytest.raises(StageError, match="`tools`") as caught:
        build_images(tools, replace(build, debug="tools"), on_line=print)
    assert "a stage `tools`" in caught.value.remedy


def test_an_engine_that_is_not_there(build: Build, tools: Tools) -> None:
    env = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    with pytest.raises(UnavailableError, match="Docker Engine does not answer"):
        build_images(tools, build, env=env, on_line=print)
    with pytest.raises(UnavailableError, match="Docker Engine does not answer"):
        push(tools, build.reference(), env=env, on_line=print)


def test_a_registry_that_is_not_there(tools: Tools) -> None:
    with pytest.raises(UnavailableError, match="could not pull"):
        pull(tools, f"127.0.0.1:1/notes@sha256:{'0' * 64}")


def test_a_push_with_a_login_of_its_own(box: Sandbox, build: Build, tools: Tools) -> None:
    host = start_private_registry(box)
    private = replace(build, repository=f"{host}/notes", cache_from=())
    build_images(tools, private, on_line=print)
    with pytest.raises(StageError) as caught:
        push(tools, private.reference(), env={"DOCKER_CONFIG": "/nonexistent"}, on_line=print)
    assert f"docker login {host}" in caught.value.remedy
    with docker_login(host, USER, Secret(PASSWORD), {"DOCKER_CONFIG": "/nonexistent"}) as env:
        digest = push(tools, private.reference(), env=env, on_line=print)
    with Registry(login(host)) as job:
        assert job.digest(repository(private), f"commit-{build.revision}") == digest
