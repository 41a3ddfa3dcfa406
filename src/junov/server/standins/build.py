"""Making stand-ins: one root filesystem of Debian's packages, and small images on top of it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from junov import process
from junov.engine.client import Tools
from junov.errors import UnavailableError
from junov.server.standins import recipes as recipe_book
from junov.server.standins.recipes import Recipe

BUILD_SECONDS = 900.0
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DEBIAN_SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
LOCAL_CERTIFICATES = Path("/usr/local/share/ca-certificates")
OFFLINE = (
    "Stand-ins are made of Debian's and PyPI's packages: look whether this machine reaches them, "
    "or load the official images by `docker load`."
)


def build_standins(
    tools: Tools, wanted: Sequence[Recipe], *, report: Callable[[str], None], concurrency: int = 4
) -> dict[str, float]:
    """Build stand-ins, the base first if it is missing or of another recipe.

    Args:
        tools: the docker client.
        wanted: whose images to make.
        report: called with a line for each thing done.
        concurrency: how many are built at once.

    Returns:
        The seconds that each image took, by name.

    Raises:
        UnavailableError: this machine cannot make them (not root, mmdebstrap missing).
        CommandError: a build failed; the detail has its last lines.
    """
    ensure_base(tools, report=report)
    pool = ThreadPoolExecutor(max_workers=concurrency)
    try:
        return dict(pool.map(lambda recipe: _build(tools, recipe, report), wanted))
    finally:
        # On Ctrl-C nothing new begins.
        pool.shutdown(cancel_futures=True)


def ensure_base(tools: Tools, *, report: Callable[[str], None]) -> None:
    """Import the root filesystem that every stand-in begins with, unless it is there.

    Args:
        tools, report: as for `build_standins`.

    Raises:
        UnavailableError: not root, or mmdebstrap is missing and cannot be installed.
        CommandError: making it failed.
    """
    ca_bundle = host_ca_bundle()
    recipe = recipe_book.base_recipe(ca_bundle)
    if recipe_book.is_made_from(image_labels(tools, recipe.image) or {}, recipe):
        return
    _require_mmdebstrap(report)
    report("stand-ins: making a Debian 12 with Python to build them on")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="junov-standin-") as folder:
        tar = Path(folder) / "rootfs.tar"
        process.check(
            recipe_book.mmdebstrap_command(
                (recipe.folder / "packages").read_text().split(),
                recipe.folder / "customize",
                tar,
                recipe_book.apt_sources(_os_release(), DEBIAN_SOURCES),
            ),
            doing="make the root filesystem of the stand-in images",
            remedy=OFFLINE,
            env={"JUNOV_HOST_CA": str(ca_bundle or "")},
            timeout=BUILD_SECONDS,
        )
        process.check(
            [
                *tools.docker,
                *recipe_book.import_arguments(tar, recipe, with_ca=ca_bundle is not None),
            ],
            doing="import the root filesystem of the stand-in images",
            env=tools.env,
            timeout=BUILD_SECONDS,
        )
    report(f"stand-ins: the Debian 12 is made ({time.monotonic() - started:.1f} s)")


def image_labels(tools: Tools, image: str) -> dict[str, str] | None:
    """The labels of an image that the engine has.

    Returns:
        None if there is no such image.
    """
    asked = process.run(
        [*tools.docker, "image", "inspect", "--format", "{{json .Config.Labels}}", image],
        env=tools.env,
        timeout=30,
    )
    return (json.loads(asked.stdout) or {}) if asked.ok else None


def host_ca_bundle() -> Path | None:
    """The certificates of this host that have to go into the images, if any."""
    return recipe_book.host_ca_bundle(os.environ, local=LOCAL_CERTIFICATES.glob("**/*.crt"))


def _build(tools: Tools, recipe: Recipe, report: Callable[[str], None]) -> tuple[str, float]:
    started = time.monotonic()
    process.check(
        [*tools.docker, *recipe_book.build_arguments(recipe)],
        doing=f"build the stand-in for {recipe.image}",
        remedy=OFFLINE,
        env=tools.env,
        timeout=BUILD_SECONDS,
    )
    seconds = time.monotonic() - started
    report(f"{recipe.image}: built as a stand-in ({seconds:.1f} s)")
    return recipe.image, seconds


def _require_mmdebstrap(report: Callable[[str], None]) -> None:
    root = os.geteuid() == 0
    if not root:
        raise UnavailableError(
            "no image registry answers, and only root can build the stand-in images",
            remedy="Run `junov server images` once as root, or load the official images by "
            "`docker load`.",
        )
    if shutil.which("mmdebstrap") and KEYRING.is_file():
        return
    if not shutil.which("apt-get"):
        raise UnavailableError(
            "no image registry answers, and mmdebstrap, which stand-in images are made with, "
            "is not installed",
            remedy="Install mmdebstrap and debian-archive-keyring, or load the official images "
            "by `docker load`.",
        )
    report("stand-ins: installing mmdebstrap")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    # Its exit code says nothing: one source of many that is out of reach must not end it here.
    process.run(["apt-get", "update", "-q"], env=quiet, timeout=300)
    install = ["apt-get", "install", "-q", "-y", "--no-install-recommends"]
    process.check(
        [*install, "mmdebstrap", "debian-archive-keyring"],
        doing="install mmdebstrap, which stand-in images are made with",
        remedy=OFFLINE,
        env=quiet,
        timeout=300,
    )


def _os_release() -> str:
    path = Path("/etc/os-release")
    return path.read_text() if path.is_file() else ""
