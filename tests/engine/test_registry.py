"""The client for registries, asked of a real one."""

from __future__ import annotations

import gzip
import json
import secrets
from collections.abc import Iterator

import pytest

from junov.environments.identity import commit_image_tag
from junov.errors import StageError
from junov.images import (
    Image,
    Registry,
    Repository,
    find_built,
    find_promoted,
    passed,
    promote,
    record_pass,
)
from junov.images.find import REVISION
from junov.images.manifest import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Manifest, digest_of
from junov.images.registry import LARGEST_BLOB
from junov.images.tested import read_report, record_tag
from tests.engine.registries import login, start_private_registry, start_registry
from tests.engine.sandbox import Sandbox, sandbox

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def box(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with sandbox(request) as box:
        yield box


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with Registry({"DOCKER_CONFIG": "/nonexistent"}) as registry:
        yield registry


@pytest.fixture(scope="module")
def host(box: Sandbox) -> str:
    return start_registry(
        box, "registry", options=("--env", "REGISTRY_STORAGE_DELETE_ENABLED=true")
    )


@pytest.fixture
def repository(host: str) -> Repository:
    return Repository(host, f"team/{secrets.token_hex(4)}")


def put_image(
    registry: Registry, repository: Repository, tag: str, commit: str, *layers: bytes
) -> str:
    """An image made by hand: the registry doesn't mind what its layers hold."""
    packed = [gzip.compress(layer, mtime=0) for layer in layers]
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": {REVISION: commit}},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
        }
    ).encode()
    for blob in (config, *packed):
        registry.put_blob(repository, blob)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": digest_of(config), "size": len(config)},
        "layers": [
            {"mediaType": OCI_LAYER, "digest": digest_of(layer), "size": len(layer)}
            for layer in packed
        ],
    }
    content = json.dumps(manifest, indent=3).encode()
    return registry.put_manifest(repository, tag, Manifest(content, OCI_MANIFEST))


@pytest.fixture
def image(registry: Registry, repository: Repository) -> Image:
    """An image of a commit of its own, with its debug image."""
    commit = secrets.token_hex(20)
    put_image(registry, repository, commit_image_tag(commit), commit, b"base", commit.encode())
    put_image(
        registry, repository, commit_image_tag(commit, debug=True), commit,
        b"base", commit.encode(), b"tools",
    )  # fmt: skip
    image = find_built(registry, repository, commit)
    assert image is not None
    return image


def test_an_empty_repository(registry: Registry, repository: Repository) -> None:
    assert registry.tags(repository) == []
    assert registry.manifest(repository, "main") is None
    assert registry.digest(repository, "main") is None
    assert registry.digest(repository, f"sha256:{'0' * 64}") is None


def test_a_large_blob_goes_up_and_comes_down(registry: Registry, repository: Repository) -> None:
    content = secrets.token_bytes(1024) * 8 * 1024
    assert len(content) < LARGEST_BLOB
    assert registry.blob(repository, registry.put_blob(repository, content)) == content


def test_the_record_of_a_pass_is_accepted_and_read_back(registry: Registry, image: Image) -> None:
    assert passed(registry, image) is None
    record = record_pass(registry, image, by="ada", tests=7, report=b"<testsuites/>")
    with Registry({}) as another_machine:
        assert passed(another_machine, image) == record
        assert read_report(another_machine, image, record) == b"<testsuites/>"
    assert record_tag(image.digest) in registry.tags(image.repository)


def test_promoting_keeps_the_digest_and_moves_the_tag(registry: Registry, image: Image) -> None:
    with pytest.raises(StageError, match="has not passed its tests"):
        promote(registry, image, ["main"])
    assert find_promoted(registry, image.repository, "main") is None
    record_pass(registry, image)
    promote(registry, image, ["main", "latest"])
    for tag in ("main", "latest"):
        assert registry.digest(image.repository, tag) == image.digest
    assert find_promoted(registry, image.repository, "main") == image.under("main")

    later = put_image(registry, image.repository, "x", image.revision, b"later")
    (moved,) = promote(
        registry,
        Image(image.repository, later, None, image.revision),
        ["main"],
        tested_required=False,
    )
    assert (moved.old, moved.new) == (image.digest, later)
    assert registry.digest(image.repository, "latest") == image.digest


def test_deleting_one_tag_leaves_the_others(registry: Registry, image: Image) -> None:
    promote(registry, image, ["main"], tested_required=False)
    assert not registry.delete_tag(image.repository, "main")
    assert registry.digest(image.repository, "main") == image.digest
    alone = put_image(registry, image.repository, "alone", image.revision, b"alone")
    assert registry.delete_tag(image.repository, "alone")
    assert registry.manifest(image.repository, alone) is None
    assert "alone" not in registry.tags(image.repository)
    assert registry.digest(image.repository, "main") == image.digest


def test_after_the_last_delete_there_are_no_tags(
    registry: Registry, repository: Repository
) -> None:
    put_image(registry, repository, "only", "c", b"only")
    assert registry.delete_tag(repository, "only")
    assert registry.tags(repository) == []


def test_a_registry_that_deletes_nothing_says_so(box: Sandbox, registry: Registry) -> None:
    repository = Repository(start_registry(box, "keeps"), "notes")
    put_image(registry, repository, "only", "c", b"only")
    with pytest.raises(StageError, match="answered 405 to DELETE") as caught:
        registry.delete_tag(repository, "only")
    assert "REGISTRY_STORAGE_DELETE_ENABLED" in caught.value.remedy


def test_a_registry_with_passwords(box: Sandbox, registry: Registry) -> None:
    host = start_private_registry(box)
    repository = Repository(host, "notes")
    with pytest.raises(StageError, match="to no credentials"):
        registry.tags(repository)
    with Registry(login(host)) as job:
        digest = put_image(job, repository, "main", "c", b"x")
        assert job.digest(repository, "main") == digest
    with (
        Registry(login(host, "wr0ng")) as stranger,
        pytest.raises(StageError, match="`ci` from CI_REGISTRY_USER"),
    ):
        stranger.tags(repository)
