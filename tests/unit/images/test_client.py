"""The client: what it makes of a registry's answers, and how it logs in."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from junov.errors import JunovError, NotFoundError, StageError, UnavailableError
from junov.images.auth import RegistryAuth, parse_challenge
from junov.images.manifest import OCI_INDEX, Manifest, this_architecture
from junov.images.reference import Repository
from junov.images.registry import Registry
from tests.unit.images.doubles import DOCKER, RegistryDouble, registry_double, sha256

BODY = b'{\n   "mediaType": "x"}\n'


@pytest.fixture
def double() -> Iterator[RegistryDouble]:
    with registry_double() as double:
        yield double


@pytest.fixture
def registry(tmp_path: Any) -> Iterator[Registry]:
    with Registry({"DOCKER_CONFIG": str(tmp_path)}) as registry:
        yield registry


def logged_in(double: RegistryDouble, *, wrong: bool = False) -> Registry:
    return Registry(
        {
            "CI_REGISTRY": double.host,
            "CI_REGISTRY_USER": "ci",
            "CI_REGISTRY_PASSWORD": "wr0ng-secret" if wrong else "right",
        }
    )


def test_a_manifest_comes_back_byte_for_byte(double: RegistryDouble, registry: Registry) -> None:
    digest = double.put(BODY, "main")
    for reference in ("main", digest):
        assert registry.manifest(double.repository, reference) == Manifest(BODY, DOCKER)
    assert registry.digest(double.repository, "main") == digest


def test_what_is_not_there_is_none(double: RegistryDouble, registry: Registry) -> None:
    assert registry.manifest(double.repository, "main") is None
    assert registry.digest(double.repository, "main") is None
    assert registry.tags(double.repository) == []
    with pytest.raises(NotFoundError, match="the blob sha256:"):
        registry.blob(double.repository, sha256(b"x"))


def test_the_digest_is_computed_where_the_registry_says_none(
    double: RegistryDouble, registry: Registry
) -> None:
    digest = double.put(BODY, "main")
    double.answer = lambda *_: (200, {"Content-Type": DOCKER}, BODY)
    assert registry.digest(double.repository, "main") == digest


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"Content-Type": DOCKER}, b"{}"),
        (200, {"Content-Type": DOCKER, "Docker-Content-Digest": sha256(b"{}")}, BODY),
        (200, {"Content-Type": DOCKER, "Docker-Content-Digest": sha256(b"{}")}, b"{}"),
    ],
)
def test_other_bytes_than_those_asked_for_are_refused(
    double: RegistryDouble, registry: Registry, answer: Any
) -> None:
    digest = double.put(BODY)
    double.answer = lambda *_: answer
    with pytest.raises(StageError, match=f"for {digest}"):
        registry.manifest(double.repository, digest)


def test_another_digest_than_the_one_asked_for_is_refused(
    double: RegistryDouble, registry: Registry
) -> None:
    digest = double.put(BODY)
    double.answer = lambda *_: (200, {"Docker-Content-Digest": sha256(b"other")}, b"")
    with pytest.raises(StageError, match=f"for {digest}"):
        registry.digest(double.repository, digest)


def test_another_blob_than_the_one_asked_for_is_refused(
    double: RegistryDouble, registry: Registry
) -> None:
    double.blobs[sha256(b"good")] = b"evil"
    with pytest.raises(StageError, match=f"for {sha256(b'good')}"):
        registry.blob(double.repository, sha256(b"good"))


def test_a_registry_that_stores_other_bytes_is_caught(
    double: RegistryDouble, registry: Registry
) -> None:
    double.answer = lambda method, _: (
        (201, {"Docker-Content-Digest": sha256(b"other")}, b"") if method == "PUT" else None
    )
    with pytest.raises(StageError, match=sha256(b"other")):
        registry.put_manifest(double.repository, "main", Manifest(BODY, DOCKER))


def test_an_old_kind_of_manifest_is_refused(double: RegistryDouble, registry: Registry) -> None:
    double.answer = lambda *_: (200, {"Content-Type": "application/x.v1+prettyjws"}, b'{"a": 1}')
    with pytest.raises(StageError, match="no image of today"):
        registry.manifest(double.repository, "main")


def test_a_blob_is_uploaded_once(double: RegistryDouble, registry: Registry) -> None:
    for _ in range(2):
        assert registry.put_blob(double.repository, b"layer") == sha256(b"layer")
    assert double.blobs[sha256(b"layer")] == b"layer"
    assert sum(line.startswith("POST") for line in double.log) == 1


def test_all_pages_of_tags_are_read(double: RegistryDouble, registry: Registry) -> None:
    double.page = 2
    double.put(BODY, "e", "d", "c", "b", "a")
    assert registry.tags(double.repository) == ["a", "b", "c", "d", "e"]


def test_an_index_is_followed_to_this_machines_architecture(
    double: RegistryDouble, registry: Registry
) -> None:
    ours = double.put_image(layers=["sha256:1"], labels={"a": "b"})
    other = double.put_image(layers=["sha256:2"])
    entries = [
        {"digest": other, "platform": {"os": "linux", "architecture": "other"}},
        {"digest": ours, "platform": {"os": "linux", "architecture": this_architecture()}},
    ]
    double.put(json.dumps({"manifests": entries}).encode(), "main", media_type=OCI_INDEX)
    manifest = registry.manifest(double.repository, "main")
    assert manifest is not None
    config = registry.config(double.repository, manifest)
    assert (config.labels, config.diff_ids, config.created) == ({"a": "b"}, ("sha256:1",), "then")

    double.put(json.dumps({"manifests": entries[:1]}).encode(), "main", media_type=OCI_INDEX)
    manifest = registry.manifest(double.repository, "main")
    assert manifest is not None
    with pytest.raises(NotFoundError, match="no variant for linux/") as caught:
        registry.config(double.repository, manifest)
    assert "linux/other" in caught.value.remedy


def test_a_tag_is_deleted_only_where_nothing_else_needs_its_digest(
    double: RegistryDouble, registry: Registry
) -> None:
    shared, alone = double.put(BODY, "main", "latest"), double.put(b"{}", "old")
    assert not registry.delete_tag(double.repository, "main")
    assert not registry.delete_tag(double.repository, "old", in_use={alone})
    assert not registry.delete_tag(double.repository, "never")
    assert sorted(double.tags) == ["latest", "main", "old"]
    assert registry.delete_tag(double.repository, "old")
    assert (sorted(double.tags), list(double.manifests)) == (["latest", "main"], [shared])


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_it_logs_in_with_the_jobs_credentials(auth: Any) -> None:
    with registry_double(auth=auth, users={"ci": "right"}) as double, logged_in(double) as registry:
        digest = double.put(BODY, "main")
        assert registry.digest(double.repository, "main") == digest
        registry.put_manifest(double.repository, "dev", Manifest(BODY, DOCKER))
        assert double.tags["dev"] == digest


def test_a_public_registry_gives_its_token_to_nobody_in_particular(registry: Registry) -> None:
    with registry_double(auth="bearer") as double:
        digest = double.put(BODY, "main")
        assert registry.digest(double.repository, "main") == digest


def test_a_token_is_asked_for_once_for_reading_and_once_for_writing() -> None:
    with registry_double(auth="bearer", users={"ci": "right"}) as double:
        double.put(BODY, "main")
        with logged_in(double) as registry:
            for tag in ("a", "b"):
                registry.manifest(double.repository, "main")
                registry.put_manifest(double.repository, tag, Manifest(BODY, DOCKER))
        scopes = [line for line in double.log if line.startswith("GET /token")]
        assert len(scopes) == 2


def test_a_token_that_has_run_out_is_replaced() -> None:
    with registry_double(auth="bearer", users={"ci": "right"}) as double:
        digest = double.put(BODY, "main")
        with logged_in(double) as registry:
            assert registry.digest(double.repository, "main") == digest
            double.tokens = {f"gone-{token}": "" for token in double.tokens}
            assert registry.digest(double.repository, "main") == digest


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_wrong_credentials_are_named_but_not_shown(auth: Any) -> None:
    with registry_double(auth=auth, users={"ci": "right"}) as double:
        with (
            logged_in(double, wrong=True) as registry,
            pytest.raises(StageError) as caught,
        ):
            registry.digest(double.repository, "main")
        assert "`ci` from CI_REGISTRY_USER" in caught.value.message
        assert f"docker login {double.host}" in caught.value.remedy
        assert "wr0ng-secret" not in f"{caught.value.problems} {caught.value.detail}"


def test_no_credentials_are_named_as_well(registry: Registry) -> None:
    with (
        registry_double(auth="basic", users={"ci": "right"}) as double,
        pytest.raises(StageError, match="refuses HEAD in team/notes to no credentials"),
    ):
        registry.digest(double.repository, "main")


def test_a_refused_push_says_what_the_registry_says(registry: Registry) -> None:
    with (
        registry_double(may_push=False) as double,
        pytest.raises(StageError, match=r"refuses PUT in team/notes .*only for reading"),
    ):
        registry.put_manifest(double.repository, "main", Manifest(BODY, DOCKER))


def test_a_download_elsewhere_gets_no_credentials() -> None:
    with (
        registry_double(auth="basic", users={"ci": "right"}) as double,
        registry_double() as storage,
        logged_in(double) as registry,
    ):
        digest = sha256(b"x")
        double.put(BODY, "main")
        storage.blobs[digest] = b"x"
        registry.digest(double.repository, "main")  # from now on it is logged in
        place = f"http://{storage.host}/v2/{storage.path}/blobs/{digest}"
        double.answer = lambda *_: (307, {"Location": place}, b"")
        assert registry.blob(double.repository, digest) == b"x"
        assert storage.authorizations == [None]


def test_an_upload_elsewhere_gets_no_credentials_even_if_it_asks() -> None:
    with (
        registry_double() as double,
        registry_double(auth="basic", users={"ci": "right"}) as storage,
        logged_in(double) as registry,
    ):
        place = f"http://{storage.host}/v2/{storage.path}/blobs/uploads/1?state=x"
        double.answer = lambda method, _: (
            (202, {"Location": place}, b"") if method == "POST" else None
        )
        with pytest.raises(StageError, match="refuses PUT"):
            registry.put_blob(double.repository, b"layer")
        assert storage.authorizations == [None]


def test_a_realm_without_encryption_gets_no_password() -> None:
    challenge = parse_challenge(['Bearer realm="http://evil.example.com/t",scope="a:b:pull,push"'])
    assert challenge is not None
    assert challenge.parameters["scope"] == "a:b:pull,push"
    auth = RegistryAuth("registry.example.com", lambda: None)
    with pytest.raises(StageError, match="not encrypted"):
        auth._token_request(challenge, None)


def test_a_registry_that_is_not_there_is_named(registry: Registry) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        for ask in (registry.digest, registry.manifest):
            with pytest.raises(
                UnavailableError, match=f"registry {host} does not answer"
            ) as caught:
                ask(Repository(host, "notes"), "main")
        assert "junov server up" in caught.value.remedy


def test_a_broken_line_is_tried_again_for_reading_only(
    double: RegistryDouble, registry: Registry
) -> None:
    digest = double.put(BODY, "main")
    double.answer = lambda *_: (0, {}, b"") if len(double.log) < 3 else None
    assert registry.digest(double.repository, "main") == digest
    assert len(double.log) == 3

    double.answer = lambda *_: (0, {}, b"")
    double.log.clear()
    with pytest.raises(UnavailableError):
        registry.put_manifest(double.repository, "main", Manifest(BODY, DOCKER))
    assert len(double.log) == 1


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (500, UnavailableError, "answered 500 to GET"),
        (429, UnavailableError, "answered 429 to GET in team/notes: slow down"),
        (400, StageError, "answered 400"),
    ],
)
def test_other_failures_say_what_was_answered(
    double: RegistryDouble,
    registry: Registry,
    status: int,
    error: type[JunovError],
    says: str,
) -> None:
    double.answer = lambda *_: (status, {}, b'{"errors":[{"code":"X","message":"slow down"}]}')
    with pytest.raises(error, match=says):
        registry.manifest(double.repository, "main")


def test_a_registry_that_deletes_nothing_says_how_it_would(
    double: RegistryDouble, registry: Registry
) -> None:
    double.put(BODY, "main")
    double.answer = lambda method, _: (405, {}, b"") if method == "DELETE" else None
    with pytest.raises(StageError) as caught:
        registry.delete_tag(double.repository, "main")
    assert "REGISTRY_STORAGE_DELETE_ENABLED" in caught.value.remedy


def test_a_manifest_without_end_is_cut_off(double: RegistryDouble, registry: Registry) -> None:
    double.answer = lambda *_: (200, {"Content-Type": DOCKER}, b" " * (4 * 1024 * 1024 + 1))
    with pytest.raises(StageError, match="more than the 4 MiB"):
        registry.manifest(double.repository, "main")


def test_a_proxy_is_not_asked_for_this_machines_registry(
    double: RegistryDouble, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    digest = double.put(BODY, "main")
    assert registry.digest(double.repository, "main") == digest


def test_check_tells_a_registry_from_something_else(
    double: RegistryDouble, registry: Registry
) -> None:
    registry.check(double.host)
    double.auth = "basic"
    registry.check(double.host)
    double.answer = lambda *_: (404, {}, b"")
    with pytest.raises(UnavailableError, match="no registry"):
        registry.check(double.host)
