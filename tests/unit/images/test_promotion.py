"""From a build to a promoted image: what counts as built, as tested, as promoted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from junov.errors import NotFoundError, StageError
from junov.images.find import CREATED, REVISION, SOURCE, find_built, find_promoted
from junov.images.image import Image
from junov.images.promote import Promotion, promote, retag
from junov.images.registry import Registry
from junov.images.tested import passed, read_report, record_pass, record_tag
from tests.unit.images.doubles import OCI, RegistryDouble, registry_double, sha256

COMMIT = "0123456789" * 4
LABELS = {
    REVISION: COMMIT,
    SOURCE: "https://gitlab.example.com/team/notes",
    CREATED: "2026-11-01T10:00:00Z",
}
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def double() -> Iterator[RegistryDouble]:
    with registry_double() as double:
        yield double


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry({"DOCKER_CONFIG": str(tmp_path)}) as registry:
        yield registry


def built(double: RegistryDouble, *, last: str = "top") -> Image:
    """The two images of a commit, as `junov build` leaves them in the registry."""
    release = double.put_image(f"commit-{COMMIT}", layers=["base", last], labels=LABELS)
    debug = double.put_image(
        f"commit-{COMMIT}-debug", layers=["base", last, "tools"], labels=LABELS
    )
    return Image(
        repository=double.repository,
        digest=release,
        debug_digest=debug,
        revision=COMMIT,
        source=LABELS[SOURCE],
        created=LABELS[CREATED],
        tag=f"commit-{COMMIT}",
    )


def test_what_was_built_is_found_by_its_commit(double: RegistryDouble, registry: Registry) -> None:
    assert find_built(registry, double.repository, COMMIT) is None
    image = built(double)
    assert find_built(registry, double.repository, COMMIT) == image


def test_a_build_whose_second_push_is_missing_does_not_count(
    double: RegistryDouble, registry: Registry
) -> None:
    built(double)
    del double.tags[f"commit-{COMMIT}-debug"]
    assert find_built(registry, double.repository, COMMIT) is None


@pytest.mark.parametrize("labels", [{}, {REVISION: "f" * 40}])
def test_an_image_of_another_commit_under_the_tag_is_refused(
    double: RegistryDouble, registry: Registry, labels: dict[str, str]
) -> None:
    built(double)
    double.put_image(f"commit-{COMMIT}", layers=["base", "top"], labels=labels)
    with pytest.raises(StageError, match=labels.get(REVISION, "no commit")):
        find_built(registry, double.repository, COMMIT)


def test_a_debug_image_beside_the_release_image_is_refused(
    double: RegistryDouble, registry: Registry
) -> None:
    built(double)
    double.put_image(f"commit-{COMMIT}-debug", layers=["base", "tools"], labels=LABELS)
    with pytest.raises(StageError, match="not built on top of its release image") as caught:
        find_built(registry, double.repository, COMMIT)
    assert "FROM release" in caught.value.remedy


def test_a_pass_is_read_back_by_another_machine(double: RegistryDouble, registry: Registry) -> None:
    image = built(double)
    assert passed(registry, image) is None
    record = record_pass(registry, image, by="ada", tests=7, report=b"<testsuites/>", now=NOON)
    assert passed(registry, image) == record
    assert (record.digest, record.debug_digest) == (image.digest, image.debug_digest)
    assert (record.by, record.tests, record.at) == ("ada", 7, "2026-11-23T12:00:00+00:00")
    assert read_report(registry, image, record) == b"<testsuites/>"


def test_a_pass_without_a_report(double: RegistryDouble, registry: Registry) -> None:
    image = built(double)
    record = record_pass(registry, image)
    assert passed(registry, image) == record
    assert record.tests is None
    assert read_report(registry, image, record) is None


def test_the_record_is_a_plain_image_that_gitlabs_registry_takes(
    double: RegistryDouble, registry: Registry
) -> None:
    image = built(double)
    record_pass(registry, image)
    media_type, content = double.manifests[double.tags[record_tag(image.digest)]]
    record = json.loads(content)
    assert media_type == OCI == record["mediaType"]
    assert "artifactType" not in record
    assert record["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    assert record["layers"][0]["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip"
    assert record["subject"]["digest"] == image.digest
    assert record["config"]["digest"] in double.blobs
    assert len(record_tag(image.digest)) <= 128


def test_a_pass_is_for_one_release_and_one_debug_image(
    double: RegistryDouble, registry: Registry
) -> None:
    image = built(double)
    record_pass(registry, image)
    assert passed(registry, replace(image, debug_digest=sha256(b"other"))) is None
    assert passed(registry, replace(image, revision="f" * 40)) is None
    # Under the tag of another image it proves nothing.
    other = double.put_image(layers=["other"], labels=LABELS)
    double.tags[record_tag(other)] = double.tags[record_tag(image.digest)]
    assert passed(registry, replace(image, digest=other)) is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("annotations", "dev.junov.result"), "failed"),
        (("annotations", "dev.junov.kind"), "test/v9"),
        (("annotations", "dev.junov.tests"), "many"),
        (("subject", "digest"), sha256(b"other")),
        (("annotations",), None),
        (("layers",), []),
    ],
)
def test_a_record_that_says_something_else_is_no_pass(
    double: RegistryDouble, registry: Registry, path: tuple[str, ...], value: object
) -> None:
    image = built(double)
    record_pass(registry, image)
    tag = record_tag(image.digest)
    media_type, content = double.manifests[double.tags[tag]]
    record = json.loads(content)
    inner = record
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    double.put(json.dumps(record).encode(), tag, media_type=media_type)
    assert passed(registry, image) is None


def test_a_pass_needs_the_image_in_the_registry(double: RegistryDouble, registry: Registry) -> None:
    image = replace(built(double), digest=sha256(b"gone"))
    with pytest.raises(NotFoundError, match=sha256(b"gone")):
        record_pass(registry, image)


def test_promoting_gives_the_tag_and_keeps_the_digest(
    double: RegistryDouble, registry: Registry
) -> None:
    image = built(double)
    record_pass(registry, image)
    before = double.put(b"{}", "latest")
    assert promote(registry, image, ["main", "latest"]) == (
        Promotion("main", None, image.digest),
        Promotion("latest", before, image.digest),
    )
    assert double.tags["main"] == double.tags["latest"] == image.digest
    again = promote(registry, image, ["main"])
    assert not again[0].changed
    assert sum("PUT" in line and "/manifests/main" in line for line in double.log) == 1


def test_an_untested_image_is_not_promoted(double: RegistryDouble, registry: Registry) -> None:
    image = built(double)
    with pytest.raises(StageError, match="has not passed its tests") as caught:
        promote(registry, image, ["main"])
    assert "junov test" in caught.value.remedy
    assert "main" not in double.tags
    promote(registry, image, ["main"], tested_required=False)
    assert double.tags["main"] == image.digest


def test_nothing_is_promoted_where_one_tag_is_wrong(
    double: RegistryDouble, registry: Registry
) -> None:
    with pytest.raises(StageError, match="`feature/x` cannot be"):
        promote(registry, built(double), ["main", "feature/x"], tested_required=False)
    assert "main" not in double.tags


def test_an_image_that_is_gone_is_not_promoted(double: RegistryDouble, registry: Registry) -> None:
    image = replace(built(double), digest=sha256(b"gone"))
    with pytest.raises(NotFoundError, match="is not in the registry"):
        promote(registry, image, ["main"], tested_required=False)


def test_a_cache_is_tagged_without_questions(double: RegistryDouble, registry: Registry) -> None:
    image = built(double)
    assert image.debug_digest is not None
    assert retag(registry, image.repository, image.debug_digest, "cache-main").changed
    assert double.tags["cache-main"] == image.debug_digest


def test_a_promoted_image_is_found_with_its_commit_and_its_tests(
    double: RegistryDouble, registry: Registry
) -> None:
    assert find_promoted(registry, double.repository, "main") is None
    image = built(double)
    record_pass(registry, image)
    promote(registry, image, ["main"])
    assert find_promoted(registry, double.repository, "main") == image.under("main")
    # A later build of the same commit takes over its tags, not its pass.
    built(double, last="another top")
    found = find_promoted(registry, double.repository, "main")
    assert found == image.under("main")
    assert passed(registry, image.under("main")) is not None


def test_without_tests_the_debug_image_is_the_one_built_with_it(
    double: RegistryDouble, registry: Registry
) -> None:
    image = built(double)
    promote(registry, image, ["main"], tested_required=False)
    assert find_promoted(registry, double.repository, "main") == image.under("main")
    built(double, last="another top")
    found = find_promoted(registry, double.repository, "main")
    assert found == replace(image, tag="main", debug_digest=None)
    with pytest.raises(NotFoundError, match="debug image"):
        _ = found.debug_reference


def test_an_image_without_a_commit_is_refused(double: RegistryDouble, registry: Registry) -> None:
    double.put_image("main", layers=["x"])
    with pytest.raises(StageError, match="from which commit"):
        find_promoted(registry, double.repository, "main")


def test_what_a_ci_job_hands_on(double: RegistryDouble) -> None:
    image = replace(built(double), revision=f"{COMMIT}-dirty")
    assert (image.commit, image.is_dirty) == (COMMIT, True)
    assert image.to_dotenv().splitlines() == [
        f"JUNOV_IMAGE={double.host}/team/notes@{image.digest}",
        f"JUNOV_DIGEST={image.digest}",
        f"JUNOV_DEBUG_DIGEST={image.debug_digest}",
        f"JUNOV_COMMIT={COMMIT}-dirty",
    ]
    assert image.to_json()["image"] == image.reference
    assert json.loads(json.dumps(image.to_json()))["commit"] == COMMIT
