"""Building, pushing and pulling images with BuildKit.

Two targets come from one Dockerfile. The debug image is built first: it contains the release image,
and its stages are built side by side, so the release image is then wholly in the cache.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from junov import process
from junov.engine.buildkit import NO_ANSWER, Progress, build_error, no_engine
from junov.engine.client import Tools
from junov.environments.identity import commit_image_tag
from junov.errors import JunovError, NotFoundError, StageError, UnavailableError
from junov.process import Line

BUILD_SECONDS = 3600.0
TRANSFER_SECONDS = 1800.0

_PUSHED = re.compile(r"digest: (sha256:[0-9a-f]{64})")
_NO_LOGIN = re.compile(r"denied|unauthorized|no basic auth credentials|authentication required")


@dataclass(frozen=True, slots=True)
class Build:
    """What is built from one commit.

    Args:
        context: the folder that is sent to the build.
        dockerfile: the Dockerfile, absolute or relative to this process's own folder.
        release: the target that is delivered.
        debug: the target on top of it.
        repository: where the images are pushed, such as `registry.example.com/team/notes`.
        revision: the full commit, with `-dirty` where the tree had changes.
        source: the address of the repository of the code; may be empty.
        created: when the commit was made.
        version: what a person calls it, such as the branch or tag.
        cache_from: tags of debug images that a machine which has built nothing here yet takes its
            cache from. One that isn't there does no harm.
    """

    context: Path
    dockerfile: Path
    release: str
    debug: str
    repository: str
    revision: str
    source: str
    created: datetime
    version: str
    cache_from: tuple[str, ...] = ()

    def reference(self, *, debug: bool = False) -> str:
        """The reference that one of the two images is pushed to."""
        return f"{self.repository}:{commit_image_tag(self.revision, debug=debug)}"

    @property
    def labels(self) -> dict[str, str]:
        """The labels that both images carry; the names are OCI's."""
        said = {
            "revision": self.revision,
            "source": self.source,
            "created": self.created.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "version": self.version,
        }
        return {f"org.opencontainers.image.{key}": value for key, value in said.items() if value}


def build_argv(docker: Sequence[str], build: Build, *, debug: bool, buildx: bool) -> list[str]:
    """The command that builds one of the two images and leaves it in the engine.

    Args:
        docker: how the docker client is called.
        build: what is built.
        debug: which of the two.
        buildx: whether the client builds with its buildx plugin.
    """
    argv = [*docker, *(("buildx", "build", "--load") if buildx else ("build",))]
    argv += ["--progress=plain", f"--file={build.dockerfile}"]
    argv += [f"--target={build.debug if debug else build.release}"]
    argv += [f"--tag={build.reference(debug=debug)}"]
    argv += [f"--label={key}={value}" for key, value in build.labels.items()]
    if debug:  # it has every layer of both, so the release image need not carry the cache as well
        argv += ["--build-arg=BUILDKIT_INLINE_CACHE=1"]
    argv += [f"--cache-from={build.repository}:{tag}" for tag in build.cache_from]
    return [*argv, str(build.context)]


def built_here_argv(docker: Sequence[str], build: Build) -> list[str]:
    """The command that lists what this engine has built for the repository.

    What it has pulled is not among it: that was by digest, and has no tag.
    """
    tags = f"{build.repository}:{commit_image_tag('*')}"
    return [*docker, "images", "--quiet", "--filter", f"reference={tags}"]


def build_env(build: Build) -> dict[str, str]:
    """Variables for the build, on top of the tools' own: the same commit gives the same image."""
    return {
        "SOURCE_DATE_EPOCH": str(int(build.created.timestamp())),
        # An attestation would make an index of each image, with the time of the build in it.
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
    }


def push_argv(docker: Sequence[str], reference: str) -> list[str]:
    """The command that pushes an image."""
    return [*docker, "push", reference]


def pull_argv(docker: Sequence[str], reference: str) -> list[str]:
    """The command that pulls an image."""
    return [*docker, "pull", reference]


def build_images(
    tools: Tools, build: Build, *, env: Mapping[str, str] | None = None, on_line: Line
) -> None:
    """Build both images.

    Args:
        tools: the docker client.
        build: what is built.
        env: further variables, such as `docker_login` gives.
        on_line: called with one line for each step, and whether it was cached.

    Raises:
        NotFoundError: there is no Dockerfile.
        StageError: the build failed; its place is the line of the Dockerfile where one is known.
        UnavailableError: the engine does not answer.
    """
    if not build.dockerfile.is_file():
        raise NotFoundError(
            f"there is no {build.dockerfile}",
            remedy="write one, or name yours in `build:` of junov.yaml",
        )
    variables = {**tools.env, **build_env(build), **(env or {})}
    # With a cache of its own the engine needs no other, and where it has both, BuildKit 0.8 leaves
    # layers out of the cache that it writes into the image.
    if process.run(built_here_argv(tools.docker, build), env=variables).stdout.strip():
        build = replace(build, cache_from=())
    for debug in (True, False):
        argv = build_argv(tools.docker, build, debug=debug, buildx=tools.buildx)
        progress = Progress(on_line)
        result = process.run(argv, env=variables, timeout=BUILD_SECONDS, on_line=progress.feed)
        if not result.ok:
            target = build.debug if debug else build.release
            raise build_error(target, build.dockerfile, progress, result)


def push(
    tools: Tools, reference: str, *, env: Mapping[str, str] | None = None, on_line: Line
) -> str:
    """Push an image, and return the digest that the registry gave it.

    Raises:
        StageError: the registry refused it.
        UnavailableError: the engine or the registry does not answer.
    """
    total, done, digest = set[str](), set[str](), ""

    def watch(line: str) -> None:
        nonlocal digest
        layer, _, state = line.partition(": ")
        if state in ("Preparing", "Waiting"):
            total.add(layer)
        elif state == "Pushed" or state.startswith(("Mounted", "Layer already exists")):
            done.add(layer)
            if state == "Pushed":
                on_line(f"layer {len(done)} of {len(total)} pushed")
        elif found := _PUSHED.search(line):
            digest = found[1]

    argv = push_argv(tools.docker, reference)
    variables = {**tools.env, **(env or {})}
    result = process.run(argv, env=variables, timeout=TRANSFER_SECONDS, on_line=watch)
    if not result.ok:
        raise _transfer_error("push", reference, result)
    if not digest:
        raise StageError(
            f"docker did not say which digest {reference} has in the registry",
            detail=result.tail(),
            remedy="push it again with: junov build",
        )
    return digest


def pull(tools: Tools, reference: str, *, env: Mapping[str, str] | None = None) -> None:
    """Pull an image by its digest; one that the engine has already takes no time.

    Args:
        reference: `repository@sha256:…`; the engine checks that it gets these bytes.

    Raises:
        StageError: the registry refused, or the reference has no digest.
        UnavailableError: the engine or the registry does not answer.
    """
    if "@sha256:" not in reference:
        raise StageError(
            f"{reference} is a tag, and images are pulled by digest only",
            remedy="resolve the tag in the registry first",
        )
    argv = pull_argv(tools.docker, reference)
    variables = {**tools.env, **(env or {})}
    result = process.run(argv, env=variables, timeout=TRANSFER_SECONDS)
    if not result.ok:
        raise _transfer_error("pull", reference, result)


def _transfer_error(verb: str, reference: str, result: process.Result) -> JunovError:
    tail = result.tail()
    host = reference.partition("/")[0]
    if error := no_engine(tail):
        return error
    message = f"could not {verb} {reference}"
    if result.exit_code == process.TIMED_OUT:
        message += f" in {TRANSFER_SECONDS / 60:g} minutes"
    if _NO_LOGIN.search(tail):
        return StageError(message, detail=tail, remedy=f"log in with: docker login {host}")
    if NO_ANSWER.search(tail) or result.exit_code == process.TIMED_OUT:
        remedy = f"see that the registry {host} answers and the network works"
        return UnavailableError(message, detail=tail, remedy=remedy)
    return StageError(message, detail=tail, remedy=f"see whether the registry {host} has it")
