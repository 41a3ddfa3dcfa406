"""Images: what stays, what is pulled, what is stood in for, and by which commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from junov.errors import UnavailableError
from junov.server import images
from junov.server.images import How, choose_standins, ensure_images, is_unreachable, registry_of
from junov.server.standins import recipes as book
from junov.server.standins.recipes import RECIPE_LABEL, STANDIN_LABEL, Recipe

POSTGRES = "postgres:15-bookworm"
TRAEFIK = "traefik:v3.7"
RECIPE = Recipe(POSTGRES, Path("/recipes/postgres"), "0123456789abcdef")


@pytest.mark.parametrize(
    ("labels", "current"),
    [
        pytest.param(None, False, id="missing"),
        pytest.param({}, True, id="official"),
        pytest.param({RECIPE_LABEL: "of-old"}, True, id="not labelled a stand-in"),
        pytest.param(RECIPE.labels, True, id="a stand-in of this recipe"),
        pytest.param({**RECIPE.labels, RECIPE_LABEL: "of-old"}, False, id="of an older recipe"),
        pytest.param({STANDIN_LABEL: "true"}, False, id="of an unknown recipe"),
    ],
)
def test_only_missing_images_and_old_standins_are_made(
    labels: dict[str, str] | None, current: bool
) -> None:
    assert book.is_current(labels, RECIPE) is current


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("postgres:15-bookworm", "Docker Hub"),
        ("team/notes:main", "Docker Hub"),
        ("registry.example.com/team/notes:main", "registry.example.com"),
        ("localhost/notes", "localhost"),
        ("127.0.0.1:5000/notes@sha256:00", "127.0.0.1:5000"),
    ],
)
def test_the_registry_is_read_from_the_name_as_docker_does(image: str, registry: str) -> None:
    assert registry_of(image) == registry


@pytest.mark.parametrize(
    ("why", "unreachable"),
    [
        ('Get "https://r/v2/": dial tcp: lookup r on 10.0.0.1:53: no such host', True),
        ('Get "http://localhost:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused', True),
        ("Client.Timeout exceeded while awaiting headers", True),
        ("net/http: TLS handshake timeout", True),
        ("x509: certificate signed by unknown authority", True),
        ("the engine was silent for 60 s", True),
        ("manifest for postgres:99 not found: manifest unknown", False),
        ("pull access denied for team/notes, repository does not exist", False),
        ("toomanyrequests: You have reached your pull rate limit", False),
    ],
)
def test_one_refusal_is_told_from_a_registry_out_of_reach(why: str, unreachable: bool) -> None:
    assert is_unreachable(why) is unreachable


def test_images_without_a_recipe_are_all_named() -> None:
    failures = {"redis:7": "no such host", POSTGRES: "no such host", "mongo:8": "no such host"}
    with pytest.raises(UnavailableError, match="could not pull redis:7, mongo:8") as caught:
        choose_standins(failures, {POSTGRES: RECIPE})
    assert "docker load" in caught.value.remedy
    assert "redis:7: no such host" in caught.value.detail


class FakeEngine:
    """As much of the engine as `ensure_images` uses."""

    def __init__(self, present: dict[str, dict[str, str]], why: str) -> None:
        self.present = present
        self.why = why
        self.pulls: list[str] = []

    def image_labels(self, image: str) -> dict[str, str] | None:
        return self.present.get(image)

    def pull(self, image: str, *, silence: float) -> str | None:
        assert silence > 0
        self.pulls.append(image)
        return self.why or None


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is built as a stand-in, without an engine to build it."""
    names: list[str] = []

    def build(_tools: object, wanted: list[Recipe], **_: object) -> dict[str, float]:
        names.extend(recipe.image for recipe in wanted)
        return dict.fromkeys(names, 1.0)

    monkeypatch.setattr(images, "build_standins", build)
    monkeypatch.setattr(images, "find_tools", lambda: None)
    return names


def ensure(engine: FakeEngine, *wanted: str) -> tuple[list[How], list[str]]:
    said: list[str] = []
    ready = ensure_images(cast("Any", engine), wanted, report=said.append)
    assert [image.image for image in ready] == list(wanted)
    return [image.how for image in ready], said


def test_an_official_image_stays(built: list[str]) -> None:
    engine = FakeEngine({POSTGRES: {}}, why="no such host")
    assert ensure(engine, POSTGRES)[0] == [How.PRESENT]
    assert engine.pulls == built == []


def test_where_the_registry_answers_images_are_pulled(built: list[str]) -> None:
    engine = FakeEngine({}, why="")
    assert ensure(engine, POSTGRES, TRAEFIK)[0] == [How.PULLED, How.PULLED]
    assert engine.pulls == [POSTGRES, TRAEFIK]
    assert built == []


def test_a_registry_out_of_reach_is_asked_once(built: list[str]) -> None:
    engine = FakeEngine({}, why="dial tcp: no such host")
    hows, said = ensure(engine, POSTGRES, TRAEFIK)
    assert hows == [How.STANDIN, How.STANDIN]
    assert engine.pulls == [POSTGRES]
    assert built == [POSTGRES, TRAEFIK]
    assert said == ["Docker Hub: out of reach, so stand-ins are used where there are any"]


def test_an_image_that_is_refused_says_nothing_about_the_next(built: list[str]) -> None:
    engine = FakeEngine({}, why="toomanyrequests")
    ensure(engine, POSTGRES, TRAEFIK)
    assert engine.pulls == built == [POSTGRES, TRAEFIK]


def test_every_recipe_is_there() -> None:
    for image, recipe in book.read_recipes(None).items():
        text = (recipe.folder / "Dockerfile").read_text()
        assert text.startswith("ARG BASE\nFROM ${BASE}"), image
        assert (recipe.folder.parent / "README.md").read_text().count(f"`{image}`") == 1


def test_a_digest_follows_names_contents_and_the_base() -> None:
    digests = [
        book.digest({"a": b"1", "b": b"2"}, "base"),
        book.digest({"a": b"2", "b": b"1"}, "base"),
        book.digest({"a": b"12", "b": b""}, "base"),
        book.digest({"a": b"1", "b": b"2"}, "another"),
    ]
    assert len(set(digests)) == len(digests)
    assert book.digest({"b": b"2", "a": b"1"}, "base") == digests[0]


def test_other_certificates_of_the_host_are_another_recipe(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.crt"
    bundle.write_text("one")
    first = book.read_recipes(bundle)[POSTGRES].digest
    bundle.write_text("two")
    assert (
        len(
            {
                first,
                book.read_recipes(bundle)[POSTGRES].digest,
                book.read_recipes(None)[POSTGRES].digest,
            }
        )
        == 3
    )


def test_the_hosts_certificates_are_found_where_it_names_them(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.crt"
    bundle.touch()
    named = {"SSL_CERT_FILE": "/nowhere", "PIP_CERT": str(bundle)}
    assert book.host_ca_bundle(named, local=[]) == bundle
    assert book.host_ca_bundle({}, local=[]) is None


@pytest.mark.parametrize(
    ("os_release", "taken"),
    [
        ("ID=debian\nVERSION_CODENAME=bookworm\n", True),
        ('ID="debian"\nVERSION_CODENAME="bookworm"\n', True),
        ("ID=debian\nVERSION_CODENAME=trixie\n", False),
        ("ID=ubuntu\nVERSION_CODENAME=noble\n", False),
        ("", False),
    ],
)
def test_the_hosts_mirror_counts_if_it_is_the_same_debian(
    tmp_path: Path, os_release: str, taken: bool
) -> None:
    there = tmp_path / "debian.sources"
    there.write_text("Suites: bookworm\n")
    expected = [str(there)] if taken else []
    assert book.apt_sources(os_release, [there, tmp_path / "sources.list"]) == expected


def test_the_base_is_made_by_one_command() -> None:
    command = book.mmdebstrap_command(
        ["bash", "python3"], Path("/a b/customize"), Path("/tmp/rootfs.tar"), ["/etc/apt/x.sources"]
    )
    assert command[:3] == ["mmdebstrap", "--variant=minbase", "--include=bash,python3"]
    assert command[-4:] == [
        "--customize-hook=sh '/a b/customize' \"$1\"",
        "bookworm",
        "/tmp/rootfs.tar",
        "/etc/apt/x.sources",
    ]


def test_the_base_is_imported_with_its_labels_and_the_hosts_certificates() -> None:
    arguments = book.import_arguments(Path("/tmp/rootfs.tar"), RECIPE, with_ca=True)
    assert arguments[0] == "import"
    assert arguments[-2:] == ["/tmp/rootfs.tar", POSTGRES]
    assert "ENV PIP_CERT=/etc/ssl/certs/junov-host.crt" in arguments
    assert f"LABEL {STANDIN_LABEL}=true" in arguments
    assert not any(
        "CERT" in word for word in book.import_arguments(Path("x"), RECIPE, with_ca=False)
    )


def test_a_standin_is_built_by_one_command_without_secrets_in_it() -> None:
    environ = {"HTTPS_PROXY": "http://me:secret@proxy", "HOME": "/root"}
    assert book.build_arguments(RECIPE, environ) == [
        *("build", "--progress=plain"),
        *("--build-arg", "BASE=junov-standin-base:bookworm"),
        *("--build-arg", "HTTPS_PROXY"),
        *("--label", "dev.junov.standin=true"),
        *("--label", "dev.junov.standin.recipe=0123456789abcdef"),
        *("--tag", POSTGRES),
        "/recipes/postgres",
    ]
