"""The images that the server and the projects on it begin with: there, pulled, or stood in for."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from junov.engine.api import Engine
from junov.engine.client import Tools, find_tools
from junov.errors import UnavailableError
from junov.server.standins.build import build_standins, host_ca_bundle
from junov.server.standins.recipes import STANDIN_LABEL, Recipe, is_current, read_recipes

SERVER_IMAGES = ("postgres:15-bookworm", "registry:2.8.2", "traefik:v3.7")
PULL_SILENCE_SECONDS = 60
HUB = "Docker Hub"

# What the engine says when a registry itself, not one image in it, is out of reach.
UNREACHABLE = re.compile(
    r"no such host|server misbehaving|connection refused|connection reset|no route to host"
    r"|network is unreachable|i/o timeout|timeout exceeded|handshake timeout|proxyconnect"
    r"|x509:|certificate signed by|temporary failure in name resolution|silent for",
    re.IGNORECASE,
)


class How(Enum):
    """How an image came to be there."""

    PRESENT = "present"
    PULLED = "pulled"
    STANDIN = "built as a stand-in"


@dataclass(frozen=True, slots=True)
class ImageReady:
    """An image that the engine has.

    Args:
        image: its name and tag.
        how: what was done for it.
        standin: whether it is a stand-in, built now or before.
        seconds: how long that took.
    """

    image: str
    how: How
    standin: bool
    seconds: float


def ensure_images(
    engine: Engine,
    wanted: Sequence[str],
    *,
    report: Callable[[str], None],
    tools: Tools | None = None,
    concurrency: int = 4,
) -> list[ImageReady]:
    """See to it that the engine has the images: as they are, pulled, or as stand-ins.

    An official image is never replaced by a stand-in. A stand-in whose recipe has changed is
    replaced by the official image, or else built again.

    Args:
        engine: the engine.
        wanted: names with tags.
        report: called with a line for each thing found or done.
        tools: the docker client that builds; found where it isn't given.
        concurrency: how many stand-ins are built at once.

    Returns:
        One for each that was wanted, in that order.

    Raises:
        UnavailableError: an image can be neither pulled nor stood in for.
        CommandError: building a stand-in failed.
    """
    book = read_recipes(host_ca_bundle())
    ready: dict[str, ImageReady] = {}
    missing = []
    for image in dict.fromkeys(wanted):
        labels = engine.image_labels(image)
        if is_current(labels, book.get(image)):
            standin = (labels or {}).get(STANDIN_LABEL) == "true" and image in book
            ready[image] = ImageReady(image, How.PRESENT, standin, 0.0)
            report(f"{image}: present{' (stand-in)' if standin else ''}")
        else:
            missing.append(image)

    pulled, failures = _pull_all(engine, missing, report)
    ready |= pulled
    to_build = choose_standins(failures, book)
    if to_build:
        seconds = build_standins(
            tools or find_tools(), to_build, report=report, concurrency=concurrency
        )
        ready |= {
            image: ImageReady(image, How.STANDIN, standin=True, seconds=took)
            for image, took in seconds.items()
        }
    return [ready[image] for image in wanted]


def choose_standins(failures: Mapping[str, str], book: Mapping[str, Recipe]) -> list[Recipe]:
    """The recipes for images that could not be pulled.

    Args:
        failures: by image name, why it could not be pulled.
        book: the recipes there are, by image name.

    Raises:
        UnavailableError: one of them has no recipe; it names all such images.
    """
    lost = {image: why for image, why in failures.items() if image not in book}
    if lost:
        raise UnavailableError(
            f"could not pull {', '.join(lost)}, and junov has no stand-in for that",
            remedy="Look whether the engine reaches the registry (`docker pull` says more), log "
            "in with `docker login`, or bring the image by `docker load`.",
            detail="\n".join(f"{image}: {why}" for image, why in lost.items()),
        )
    return [book[image] for image in failures]


def registry_of(image: str) -> str:
    """The registry that an image name points at, as docker reads it."""
    first, slash, _ = image.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost")
    return first if named else HUB


def is_unreachable(why: str) -> bool:
    """Whether a failed pull means that every pull from the same registry will fail."""
    return UNREACHABLE.search(why) is not None


def _pull_all(
    engine: Engine, images: Sequence[str], report: Callable[[str], None]
) -> tuple[dict[str, ImageReady], dict[str, str]]:
    pulled: dict[str, ImageReady] = {}
    failures: dict[str, str] = {}
    out_of_reach: dict[str, str] = {}
    for image in images:
        registry = registry_of(image)
        if registry in out_of_reach:
            failures[image] = out_of_reach[registry]
            continue
        started = time.monotonic()
        why = engine.pull(image, silence=PULL_SILENCE_SECONDS)
        if why is None:
            took = time.monotonic() - started
            pulled[image] = ImageReady(image, How.PULLED, standin=False, seconds=took)
            report(f"{image}: pulled ({took:.1f} s)")
            continue
        failures[image] = why
        if is_unreachable(why):
            out_of_reach[registry] = why
            report(f"{registry}: out of reach, so stand-ins are used where there are any")
        else:
            report(f"{image}: could not be pulled ({why})")
    return pulled, failures
