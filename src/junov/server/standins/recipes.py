"""What a stand-in is made of: files, a digest over them, and the command lines that make it.

Everything here is a function of values; `build.py` runs what it returns.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
BASE_FOLDER = HERE / "base"
BASE_IMAGE = "junov-standin-base:bookworm"
SUITE = "bookworm"
FOLDERS: Mapping[str, str] = {
    "python:3.11-slim-bookworm": "python",
    "postgres:15-bookworm": "postgres",
    "pgbouncer:1.18-bookworm": "pgbouncer",
    "registry:2.8.2": "registry",
    "traefik:v3.7": "traefik",
}

STANDIN_LABEL = "dev.junov.standin"
RECIPE_LABEL = "dev.junov.standin.recipe"

CA_IN_IMAGE = "/etc/ssl/certs/junov-host.crt"
CA_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")
PATH_IN_IMAGE = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Handed on to builds by name only, so that a password in them stays out of command lines.
BUILD_VARIABLES = (
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"),
)

APT_OPTIONS = ('Acquire::Languages "none"', 'APT::Install-Recommends "false"')
# No fsync after each file, and nothing that nobody reads in a container.
DPKG_OPTIONS = (
    "force-unsafe-io",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/locale.alias",
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one image is made.

    Args:
        image: the official name and tag that it stands in for.
        folder: where its files are.
        digest: 16 hexadecimal characters over everything that goes into it.
    """

    image: str
    folder: Path
    digest: str

    @property
    def labels(self) -> dict[str, str]:
        """The labels that say that the image is a stand-in, and of which recipe."""
        return {STANDIN_LABEL: "true", RECIPE_LABEL: self.digest}


def read_recipes(ca_bundle: Path | None) -> dict[str, Recipe]:
    """Every recipe by image name.

    Args:
        ca_bundle: the host's certificates that go into the images, as from `host_ca_bundle`.
    """
    base = base_recipe(ca_bundle)
    return {
        image: Recipe(image, HERE / name, digest(read_files(HERE / name), base.digest))
        for image, name in FOLDERS.items()
    }


def base_recipe(ca_bundle: Path | None) -> Recipe:
    """The recipe of the root filesystem that all the others begin with."""
    certificates = ca_bundle.read_bytes() if ca_bundle else b""
    options = "\n".join([SUITE, *APT_OPTIONS, *DPKG_OPTIONS, *CA_VARIABLES])
    files = {**read_files(BASE_FOLDER), "certificates": certificates, "options": options.encode()}
    return Recipe(BASE_IMAGE, BASE_FOLDER, digest(files))


def read_files(folder: Path) -> dict[str, bytes]:
    """The files of one recipe by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def digest(files: Mapping[str, bytes], *further: str) -> str:
    """A digest over names and contents, so that a changed recipe is seen.

    Args:
        files: by name; their order does not count.
        further: what else the result depends on.

    Returns:
        16 hexadecimal characters.
    """
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(hashlib.sha256(name.encode()).digest())
        total.update(hashlib.sha256(files[name]).digest())
    for word in further:
        total.update(hashlib.sha256(word.encode()).digest())
    return total.hexdigest()[:16]


def is_current(labels: Mapping[str, str] | None, recipe: Recipe | None) -> bool:
    """Whether an image that the engine may have can stay as it is.

    Args:
        labels: the labels of the image there; None if there is no such image.
        recipe: its stand-in's recipe, if there is one.

    Returns:
        True for every image that isn't a stand-in: an official one is never replaced.
    """
    if labels is None:
        return False
    if recipe is None or labels.get(STANDIN_LABEL) != "true":
        return True
    return is_made_from(labels, recipe)


def is_made_from(labels: Mapping[str, str], recipe: Recipe) -> bool:
    """Whether the labels are those of an image that this very recipe made."""
    return labels.get(RECIPE_LABEL) == recipe.digest


def host_ca_bundle(environ: Mapping[str, str], *, local: Iterable[Path]) -> Path | None:
    """The certificates that programs of this host trust, if they are not just the usual ones.

    A proxy that looks into TLS signs with a certificate of its own. Hosts behind one name a
    bundle in a variable or add the certificate to the system's.

    Args:
        environ: the process's variables.
        local: certificates that the host's administrator added.
    """
    for name in (*CA_VARIABLES, "CURL_CA_BUNDLE"):
        path = Path(environ.get(name) or "/nonexistent")
        if path.is_file():
            return path
    system = Path("/etc/ssl/certs/ca-certificates.crt")
    return system if any(local) and system.is_file() else None


def apt_sources(os_release: str, files: Sequence[Path]) -> list[str]:
    """The host's own sources of packages where it is the same Debian: it may have a mirror.

    Args:
        os_release: the text of /etc/os-release.
        files: the standard files with Debian's sources; those that aren't there don't count.

    Returns:
        Arguments for mmdebstrap; none where its own default is right.
    """
    words = os_release.replace('"', "").splitlines()
    if "ID=debian" not in words or f"VERSION_CODENAME={SUITE}" not in words:
        return []
    return [str(path) for path in files if path.is_file() and SUITE in path.read_text()]


def mmdebstrap_command(
    packages: Sequence[str], customize: Path, target: Path, sources: Sequence[str]
) -> list[str]:
    """The command that writes the base's root filesystem as a tar file.

    Args:
        packages: what is installed beside the minimal system.
        customize: the script that finishes it; it gets the root as its argument.
        target: the tar file.
        sources: where packages come from, as from `apt_sources`.
    """
    return [
        "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join(packages)}",
        *(f"--aptopt={option}" for option in APT_OPTIONS),
        *(f"--dpkgopt={option}" for option in DPKG_OPTIONS),
        # Through sh, because a wheel need not keep the mode of a file.
        f'--customize-hook=sh {shlex.quote(str(customize))} "$1"',
        SUITE,
        str(target),
        *sources,
    ]


def import_arguments(tar: Path, recipe: Recipe, *, with_ca: bool) -> list[str]:
    """Arguments for docker that make an image of a root filesystem.

    Args:
        tar: the root filesystem.
        recipe: whose image it becomes.
        with_ca: whether the host's certificates were copied in.
    """
    variables = {"PATH": PATH_IN_IMAGE, "LANG": "C.UTF-8"}
    if with_ca:
        variables |= dict.fromkeys(CA_VARIABLES, CA_IN_IMAGE)
    changes = [f"ENV {name}={value}" for name, value in variables.items()]
    changes += [f"LABEL {name}={value}" for name, value in recipe.labels.items()]
    changes.append('CMD ["bash"]')
    options = [part for change in changes for part in ("--change", change)]
    return ["import", *options, str(tar), recipe.image]


def build_arguments(recipe: Recipe, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Arguments for docker that build a stand-in on the base.

    Args:
        recipe: which.
        environ: whose proxies and package index the build uses as well.
    """
    handed_on = [name for name in BUILD_VARIABLES if environ.get(name)]
    return [
        *("build", "--progress=plain"),
        *("--build-arg", f"BASE={BASE_IMAGE}"),
        *(part for name in handed_on for part in ("--build-arg", name)),
        *(part for label in recipe.labels.items() for part in ("--label", "=".join(label))),
        *("--tag", recipe.image),
        str(recipe.folder),
    ]
