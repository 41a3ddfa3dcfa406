"""Builds: whole command lines, BuildKit's output as steps, and errors that name the line."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from junov.engine.build import (
    Build,
    build_argv,
    build_env,
    build_images,
    built_here_argv,
    pull,
    pull_argv,
    push,
    push_argv,
)
from junov.engine.buildkit import Progress, build_error, shortened
from junov.engine.client import Tools
from junov.engine.login import docker_login, with_login
from junov.errors import NotFoundError, Place, StageError, UnavailableError
from junov.process import Result
from junov.secret import Secret

COMMIT = "0123456789" * 4
DIGEST = f"sha256:{'a' * 64}"
BUILD = Build(
    context=Path("/src/notes"),
    dockerfile=Path("/src/notes/Dockerfile"),
    release="release",
    debug="debug",
    repository="registry.example.com/team/notes",
    revision=COMMIT,
    source="https://gitlab.example.com/team/notes",
    created=datetime(2026, 11, 1, 12, 0, tzinfo=timezone(timedelta(hours=2))),
    version="feature/search",
    cache_from=("cache-feature-search", "cache-main"),
)
LABELS = [
    f"--label=org.opencontainers.image.revision={COMMIT}",
    "--label=org.opencontainers.image.source=https://gitlab.example.com/team/notes",
    "--label=org.opencontainers.image.created=2026-11-01T10:00:00Z",
    "--label=org.opencontainers.image.version=feature/search",
]
CACHE = [
    "--build-arg=BUILDKIT_INLINE_CACHE=1",
    "--cache-from=registry.example.com/team/notes:cache-feature-search",
    "--cache-from=registry.example.com/team/notes:cache-main",
]


def test_the_debug_image_with_an_old_client() -> None:
    assert build_argv(["/usr/bin/docker"], BUILD, debug=True, buildx=False) == [
        "/usr/bin/docker",
        "build",
        "--progress=plain",
        "--file=/src/notes/Dockerfile",
        "--target=debug",
        f"--tag=registry.example.com/team/notes:commit-{COMMIT}-debug",
        *LABELS,
        *CACHE,
        "/src/notes",
    ]


def test_the_release_image_with_buildx() -> None:
    build = replace(BUILD, cache_from=(), source="")
    assert build_argv(["docker"], build, debug=False, buildx=True) == [
        "docker",
        "buildx",
        "build",
        "--load",
        "--progress=plain",
        "--file=/src/notes/Dockerfile",
        "--target=release",
        f"--tag=registry.example.com/team/notes:commit-{COMMIT}",
        LABELS[0],
        *LABELS[2:],
        "/src/notes",
    ]


def test_the_same_commit_gives_the_same_image() -> None:
    assert build_env(BUILD) == {
        "SOURCE_DATE_EPOCH": str(int(datetime(2026, 11, 1, 10, tzinfo=UTC).timestamp())),
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
    }


def test_push_and_pull() -> None:
    assert push_argv(["docker"], "r.io/n:x") == ["docker", "push", "r.io/n:x"]
    assert pull_argv(["docker"], f"r.io/n@{DIGEST}") == ["docker", "pull", f"r.io/n@{DIGEST}"]


# What the engine 20.10 printed, shortened.
PRINTED = f"""\
#1 [internal] load build definition from Dockerfile
#1 {DIGEST}
#1 transferring dockerfile: 154B done
#1 DONE 0.0s

#20 importing cache manifest from 127.0.0.1:32775/t/notes:nothere
#20 ERROR: 127.0.0.1:32775/t/notes:nothere: not found

#4 [base 1/2] FROM docker.io/library/python:3.11-slim-bookworm
#4 {DIGEST}
#4 CACHED

#5 [packages 1/2] RUN pip install     --requirement requirements.txt
#5 {DIGEST}
#5 0.136 Collecting alembic
#5 ...

#6 [tools 1/1] COPY tools .
#6 DONE 0.1s

#5 [packages 1/2] RUN pip install     --requirement requirements.txt
#5 5.513 Successfully installed
#5 DONE 5.9s
"""


def steps(printed: str) -> tuple[list[str], Progress]:
    said: list[str] = []
    progress = Progress(said.append)
    for line in printed.splitlines():
        progress.feed(line)
    return said, progress


def test_each_step_is_one_line() -> None:
    said, progress = steps(PRINTED)
    assert said == [
        "[base 1/2] FROM docker.io/library/python:3.11-slim-bookworm (cached)",
        "[packages 1/2] RUN pip install --requirement requirements.txt",
        "[tools 1/1] COPY tools .",
    ]
    assert progress.failed == ""


def test_a_long_step_is_cut() -> None:
    assert shortened("[a 1/1] RUN  x \\\n  y") == "[a 1/1] RUN x \\ y"
    assert len(shortened("x" * 500)) == 100


DOCKERFILE = """\
FROM python:3.11-slim-bookworm AS release
COPY src src
RUN echo hello && sleep 0.2 \\
  # why
  && nosuchcommand
RUN echo hello && sleep 0.2 \\
  && nosuchcommand
FROM release AS debug
"""


@pytest.fixture
def dockerfile(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    return tmp_path / "Dockerfile"


def failure(dockerfile: Path, printed: str) -> StageError:
    _, progress = steps(printed)
    error = build_error("release", dockerfile, progress, Result(1, "", printed))
    assert isinstance(error, StageError)
    return error


FAILED = """\
#5 [release 3/3] RUN echo hello && sleep 0.2   && nosuchcommand
#5 0.136 hello
#5 0.338 /bin/sh: 1: nosuchcommand: not found
#5 ERROR: executor failed running [/bin/sh -c …]: exit code: 127
"""


def test_a_failed_step_names_its_line_and_its_last_output(dockerfile: Path) -> None:
    error = failure(dockerfile, f"{FAILED}------\nexecutor failed running: exit code: 127")
    assert error.message == (
        "the build of `release` failed at "
        "[release 3/3] RUN echo hello && sleep 0.2 && nosuchcommand"
    )
    assert error.place == Place(dockerfile, 6)
    assert error.detail.splitlines() == [
        "hello",
        "/bin/sh: 1: nosuchcommand: not found",
        "executor failed running [/bin/sh -c …]: exit code: 127",
    ]


@pytest.mark.parametrize(
    ("printed", "line", "says"),
    [
        (f"{FAILED}------\nDockerfile:3\n--------------------\n", 3, "failed at"),
        (
            "failed to solve with frontend dockerfile.v0: failed to create LLB definition: "
            "dockerfile parse error line 2: unknown instruction: COPPY",
            2,
            "failed: dockerfile parse error line 2: unknown instruction: COPPY",
        ),
        ("ERROR: failed to solve: dockerfile parse error on line 4: unknown", 4, "failed: docker"),
    ],
)
def test_the_line_that_buildkit_names_counts(
    dockerfile: Path, printed: str, line: int, says: str
) -> None:
    error = failure(dockerfile, printed)
    assert error.place == Place(dockerfile, line)
    assert says in error.message


@pytest.mark.parametrize(
    ("printed", "remedy"),
    [
        ("… LLB definition: target stage release could not be found", "a stage `release`"),
        ("dial tcp: lookup nosuch.invalid on 10.0.0.1:53: no such host", "base image"),
    ],
)  # fmt: skip
def test_what_mends_a_build(dockerfile: Path, printed: str, remedy: str) -> None:
    assert remedy in failure(dockerfile, printed).remedy


def tools(folder: Path, script: str) -> Tools:
    """A double of the docker client."""
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return Tools((str(program),), (), buildx=False, docker_version="", compose_version="")


def test_what_was_built_here_is_asked_for() -> None:
    assert built_here_argv(["docker"], BUILD) == [
        "docker",
        "images",
        "--quiet",
        "--filter",
        "reference=registry.example.com/team/notes:commit-*",
    ]


@pytest.mark.parametrize("built_here", [True, False])
def test_debug_is_built_before_release(
    tmp_path: Path, dockerfile: Path, *, built_here: bool
) -> None:
    calls = tmp_path / "calls"
    client = tools(
        tmp_path,
        f"if [ $1 = images ]; then {'echo 0123456789ab' if built_here else ':'}; exit; fi\n"
        f'case "$*" in *--cache-from*) cache=cache;; *) cache=no;; esac\n'
        f'echo "$DOCKER_BUILDKIT $SOURCE_DATE_EPOCH $X $cache $5" >>{calls}',
    )
    build = replace(BUILD, dockerfile=dockerfile)
    build_images(client, build, env={"X": "y"}, on_line=print)
    cache = "no" if built_here else "cache"
    assert calls.read_text().splitlines() == [
        f"1 1793527200 y {cache} --tag=registry.example.com/team/notes:commit-{COMMIT}-debug",
        f"1 1793527200 y {cache} --tag=registry.example.com/team/notes:commit-{COMMIT}",
    ]


def test_a_missing_dockerfile_is_named_before_anything_is_built(tmp_path: Path) -> None:
    build = replace(BUILD, dockerfile=tmp_path / "Dockerfile.prod")
    with pytest.raises(NotFoundError, match=r"Dockerfile\.prod"):
        build_images(tools(tmp_path, "exit 0"), build, on_line=print)


def test_a_push_gives_the_digest_and_counts_layers(tmp_path: Path) -> None:
    client = tools(
        tmp_path,
        "echo 'The push refers to repository [r.io/n]'; echo '1a: Preparing'; echo '2b: Preparing';"
        "echo '2b: Waiting'; echo '1a: Layer already exists'; echo '2b: Pushed';"
        f"echo 'main: digest: {DIGEST} size: 2612'",
    )
    said: list[str] = []
    assert push(client, "r.io/n:main", on_line=said.append) == DIGEST
    assert said == ["layer 2 of 2 pushed"]


@pytest.mark.parametrize(
    ("says", "error", "remedy"),
    [
        ("denied: requested access to the resource is denied", StageError, "docker login r.io"),
        ("no basic auth credentials", StageError, "docker login r.io"),
        ("dial tcp 1.2.3.4:443: connect: connection refused", UnavailableError, "registry r.io"),
        ("Cannot connect to the Docker daemon at unix:///x", UnavailableError, "doctor"),
        ("tag does not exist: r.io/n:main", StageError, "r.io"),
    ],
)
def test_why_a_push_failed(
    tmp_path: Path, says: str, error: type[StageError | UnavailableError], remedy: str
) -> None:
    client = tools(tmp_path, f"echo '{says}' >&2; exit 1")
    with pytest.raises(error) as caught:
        push(client, "r.io/n:main", on_line=print)
    assert remedy in caught.value.remedy
    assert says in caught.value.detail


def test_a_push_that_names_no_digest_is_no_push(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="did not say which digest"):
        push(tools(tmp_path, "echo pushed"), "r.io/n:main", on_line=print)


def test_a_tag_is_not_pulled(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="by digest only"):
        pull(tools(tmp_path, "exit 0"), "r.io/n:main")
    pull(tools(tmp_path, "exit 0"), f"r.io/n@{DIGEST}")
    with pytest.raises(StageError, match="could not pull"):
        pull(tools(tmp_path, "exit 1"), f"r.io/n@{DIGEST}")


def test_a_login_lasts_as_long_as_its_block(tmp_path: Path) -> None:
    own = tmp_path / ".docker"
    (own / "cli-plugins").mkdir(parents=True)
    (own / "config.json").write_text(
        json.dumps({"auths": {"other.example": {"auth": "x"}}, "a": 1})
    )
    with docker_login("r.io", "ci", Secret("s3cret"), {"HOME": str(tmp_path)}) as env:
        folder = Path(env["DOCKER_CONFIG"])
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "config.json").stat().st_mode) == 0o600
        assert json.loads((folder / "config.json").read_text()) == {
            "a": 1,
            "auths": {"other.example": {"auth": "x"}, "r.io": {"auth": "Y2k6czNjcmV0"}},
            "credHelpers": {},
        }
        assert (folder / "cli-plugins").resolve() == own / "cli-plugins"
    assert not folder.exists()
    assert (own / "cli-plugins").is_dir()
    assert '"r.io"' not in (own / "config.json").read_text()


def test_a_login_without_a_configuration_of_ones_own(tmp_path: Path) -> None:
    environ = {"DOCKER_CONFIG": str(tmp_path / "none")}
    with docker_login("r.io", "ci", Secret("s3cret"), environ) as env:
        assert os.listdir(env["DOCKER_CONFIG"]) == ["config.json"]  # noqa: PTH208


def test_a_store_of_credentials_is_left_to_the_other_registries() -> None:
    before = {"credsStore": "desktop", "auths": {"other.example": {}}, "credHelpers": {"r.io": "x"}}
    after = with_login(before, "r.io", "ci", Secret("s3cret"))
    assert "credsStore" not in after
    assert after["credHelpers"] == {"other.example": "desktop"}
    assert set(after["auths"]) == {"other.example", "r.io"}
