"""Image references, as Docker reads them."""

from __future__ import annotations

import pytest

from junov.errors import ConfigError
from junov.images.reference import (
    Repository,
    is_loopback,
    is_tag,
    parse_reference,
    parse_repository,
    registry_url,
)

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("text", "host", "path", "tag", "digest"),
    [
        ("registry.example.com/team/notes", "registry.example.com", "team/notes", None, None),
        ("127.0.0.1:5000/notes:main", "127.0.0.1:5000", "notes", "main", None),
        ("localhost/notes", "localhost", "notes", None, None),
        ("[::1]:5000/notes:v1.20", "[::1]:5000", "notes", "v1.20", None),
        (f"r.io/a/b-c/d__e:x@{DIGEST}", "r.io", "a/b-c/d__e", "x", DIGEST),
        (f"r.io:5/n@{DIGEST}", "r.io:5", "n", None, DIGEST),
        ("postgres:15-bookworm", "docker.io", "library/postgres", "15-bookworm", None),
        ("team/notes", "docker.io", "team/notes", None, None),
    ],
)
def test_a_reference_is_read_in_its_parts(
    text: str, host: str, path: str, tag: str | None, digest: str | None
) -> None:
    reference = parse_reference(text)
    assert reference.repository == Repository(host, path)
    assert (reference.tag, reference.digest) == (tag, digest)


@pytest.mark.parametrize("text", ["127.0.0.1:5000/notes:main", f"r.io/a/b:x@{DIGEST}", "r.io/a"])
def test_a_reference_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_reference(text)) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("registry.example.com/Team/notes", "in lower case"),
        ("r.io/notes@sha256:abc", "64 hexadecimal digits"),
        (f"r.io/notes@{DIGEST.upper()}", "64 hexadecimal digits"),
        ("r.io/notes:", "expected a tag"),
        (f"r.io/notes:{'x' * 129}", "expected a tag"),
        ("r.io//notes", "expected an image"),
        ("r.io/notes/", "expected an image"),
        ("https://r.io/notes", "expected an image"),
        ("r_x.io/notes", "expected an image"),
        ("", "expected an image"),
        (f"r.io/{'x' * 260}", "at most 255"),
    ],
)
def test_what_is_no_reference_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        parse_reference(text)
    assert "registry.example.com/team/notes" in caught.value.remedy


@pytest.mark.parametrize("text", ["r.io/notes:main", f"r.io/notes@{DIGEST}"])
def test_a_repository_has_no_tag_and_no_digest(text: str) -> None:
    with pytest.raises(ConfigError, match="without a tag or a digest"):
        parse_repository(text)


def test_only_this_machine_is_spoken_to_without_encryption() -> None:
    assert registry_url("127.0.0.1:5000") == "http://127.0.0.1:5000"
    assert registry_url("registry.example.com:5000") == "https://registry.example.com:5000"
    assert registry_url("docker.io") == "https://registry-1.docker.io"
    hosts = ["localhost", "registry.localhost:5000", "127.9.9.9", "[::1]:5000"]
    assert all(is_loopback(host) for host in hosts)
    assert not any(is_loopback(host) for host in ["10.0.0.1", "localhost.example.com", "128.0.0.1"])


def test_a_tag_has_at_most_128_characters() -> None:
    assert is_tag("x" * 128)
    assert not is_tag("x" * 129)
    assert not is_tag("feature/search")
    assert not is_tag("-x")
