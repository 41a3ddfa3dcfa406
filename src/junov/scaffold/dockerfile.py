"""Dockerfiles: the targets of one that is there, and one for a project that has none."""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass

from junov.scaffold.application import Application, pyproject
from junov.scaffold.facts import Facts

_FROM = re.compile(
    r"^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*(?P<image>\S+)(?:[ \t]+AS[ \t]+(?P<name>\S+))?",
    re.IGNORECASE | re.MULTILINE,
)
_RELEASES = ("release", "production", "prod", "runtime", "final", "deploy", "app", "web", "server")
_DEBUGS = ("debug", "dev", "development", "test", "tests", "testing", "ci", "local")


@dataclass(frozen=True, slots=True)
class Stage:
    """One `FROM` of a Dockerfile.

    Args:
        name: what it is called; empty where it has no name.
        image: what it begins with: an image, or another stage.
    """

    name: str
    image: str


@dataclass(frozen=True, slots=True)
class Targets:
    """The two targets to name in junov.yaml.

    Args:
        release, debug: their names.
        left: what is to be done to the Dockerfile by hand, in a sentence; empty for nothing.
    """

    release: str = "release"
    debug: str = "debug"
    left: str = ""


def stages(dockerfile: str) -> list[Stage]:
    """The stages of a Dockerfile in their order."""
    return [Stage(m["name"] or "", m["image"]) for m in _FROM.finditer(dockerfile)]


def find_targets(path: str, dockerfile: str) -> Targets:
    """Which targets of a Dockerfile are deployed and tested.

    Args:
        path: its name, for the sentence.
        dockerfile: its text.
    """
    found = stages(dockerfile)
    if not found:
        return Targets(left=f"{path} has no FROM: give it two targets, `release` and `debug`")
    last = found[-1]
    if not last.name:
        return Targets(
            left=f"{path}: name the last stage, `FROM {last.image} AS release`, and put one on top "
            "of it with tools and tests, `FROM release AS debug`"
        )
    names = {stage.name.lower(): stage.name for stage in found if stage.name}
    debug = next((names[name] for name in _DEBUGS if name in names), "")
    usual = next((names[name] for name in _RELEASES if name in names), "")
    release = usual or next((s.name for s in reversed(found) if s.name not in ("", debug)), "")
    if not release:
        release = last.name
    if not debug:
        return Targets(
            release,
            release,
            f"{path} has no target for tests, so junov.yaml names `{release}` for both: put one on "
            f"top of it, `FROM {release} AS debug`, and set `build.debug` to it",
        )
    if not _stands_on(found, debug, release):
        return Targets(
            release,
            debug,
            f"{path}: `{debug}` isn't built on `{release}`, so what is tested is not what will "
            f"run: begin it with `FROM {release} AS {debug}`",
        )
    return Targets(release, debug)


def _stands_on(found: list[Stage], upper: str, lower: str) -> bool:
    parents = {stage.name: stage.image for stage in found if stage.name}
    name, seen = upper, {upper}
    while name in parents and name != lower:
        name = parents[name]
        if name in seen:
            return False
        seen.add(name)
    return name == lower


def write_dockerfile(facts: Facts, application: Application) -> str:
    """A Dockerfile with the two targets, for an application in Python or a folder without one."""
    packages, tools = _installs(facts, application)
    path = "/app/src" if any(name.startswith("src/") for name in facts.files) else "/app"
    command = application.command or (
        "python", "-m", "http.server", "8000", "--directory", "/srv"
    )  # fmt: skip
    note = "" if application.command else "# Put the command that serves your application here.\n"
    return f"""\
# One file, two images: `release` is what runs everywhere, `debug` is release with tools on top.
# What changes rarely comes first, so a commit rebuilds only the last, small layers.

FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 \\
    PYTHONDONTWRITEBYTECODE=1 \\
    PYTHONPATH={path} \\
    PIP_DISABLE_PIP_VERSION_CHECK=1 \\
    PIP_ROOT_USER_ACTION=ignore \\
    PATH=/opt/venv/bin:$PATH
RUN groupadd --gid 10001 app \\
    && useradd --uid 10001 --gid 10001 --create-home app
WORKDIR /app


FROM base AS packages
RUN python -m venv /opt/venv
{packages}

# Built beside release, not on it: a change of code does not install the tools again.
FROM packages AS tools
{tools}

FROM base AS release
COPY --from=packages /opt/venv /opt/venv
COPY . .
USER 10001:10001
EXPOSE 8000
{note}CMD {json.dumps(list(command))}


FROM release AS debug
COPY --from=tools /opt/venv /opt/venv
"""


_REQUIREMENTS = ("requirements.txt", "requirements/base.txt", "requirements/prod.txt")
_CACHE = "RUN --mount=type=cache,target=/root/.cache/pip \\\n    "


def _installs(facts: Facts, application: Application) -> tuple[str, str]:
    """The lines that install what the application needs, and what its tests need on top."""
    project = pyproject(facts).get("project", {})
    development = facts.first(
        "requirements-dev.txt",
        "dev-requirements.txt",
        "requirements-test.txt",
        "requirements_dev.txt",
        "requirements/dev.txt",
        "requirements/test.txt",
    )
    main = facts.first(*_REQUIREMENTS)
    if main:
        packages = _install_files(facts, main)
    elif "dependencies" in project:
        packages = "COPY pyproject.toml .\n" + _from_pyproject("['project']['dependencies']")
    else:
        packages = "# Install what the application needs here.\n"
    group = _development_group(facts)
    if development:
        tools = _install_files(facts, development)
    elif group and not main:
        tools = _from_pyproject(group)
    else:
        tools = f"{_CACHE}pip install pytest\n"
    if not application.test and not development and not group:
        tools = "# Install what the tests need here.\n"
    return packages, tools


def installs_something(facts: Facts) -> bool:
    """Whether the Dockerfile that is written knows what the application needs."""
    asked = pyproject(facts).get("project", {}).get("dependencies")
    return bool(facts.first(*_REQUIREMENTS) or asked)


def _development_group(facts: Facts) -> str:
    data = pyproject(facts)
    for table, groups in (
        ("['dependency-groups']", data.get("dependency-groups", {})),
        (
            "['project']['optional-dependencies']",
            data.get("project", {}).get("optional-dependencies", {}),
        ),
    ):
        for name in ("dev", "test", "tests"):
            if name in groups:
                return f"{table}['{name}']"
    return ""


def _from_pyproject(table: str) -> str:
    return (
        f'{_CACHE}python -c "import tomllib; \\\n'
        "        data = tomllib.load(open('pyproject.toml', 'rb')); \\\n"
        f"        print(*(x for x in data{table} if isinstance(x, str)), sep='\\\\n')\" \\\n"
        "        > /tmp/requirements.txt \\\n"
        "    && pip install -r /tmp/requirements.txt\n"
    )


def _install_files(facts: Facts, first: str) -> str:
    files, own = [first], False
    for path in files:
        for line in facts.text(path).splitlines():
            match = re.match(r"\s*(?:-r|-c|--requirement|--constraint)[ =]?\s*(\S+)", line)
            if match:
                other = posixpath.normpath(posixpath.join(posixpath.dirname(path), match[1]))
                if other in facts.files and other not in files:
                    files.append(other)
            own = own or bool(re.match(r"\s*(?:-e\s*)?\.(?:/|\[|\s*$)|\s*-e\s", line))
    if own:
        copy = "# They name this folder itself, so every change installs them again.\nCOPY . .\n"
    elif "/" in first:
        copy = f"COPY {posixpath.dirname(first)} {posixpath.dirname(first)}\n"
        copy += "".join(f"COPY {p} .\n" for p in files if "/" not in p)
    else:
        copy = f"COPY {' '.join(files)} ./\n" if len(files) > 1 else f"COPY {first} .\n"
    return f"{copy}{_CACHE}pip install -r {first}\n"
