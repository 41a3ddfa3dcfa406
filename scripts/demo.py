"""The demo: a server, the example's five environments through the whole pipeline, and the wall.

    python scripts/demo.py up      make it, or bring it up to date
    python scripts/demo.py down    remove every trace of it

It uses nothing but the `junov` command, as a team would. Everything is kept in `.demo/`.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / ".demo"
HOME = DEMO / "home"
CACHE = DEMO / "cache"
NOTES = DEMO / "notes"
BIN = Path(sys.executable).parent

REFS = ("main", "dev", "feature/search", "feature/tags", "env-qa")
BASE_IMAGE = "python:3.11-slim-bookworm"
SERVER_NAME = "junov-demo"
EDGE_PORT, REGISTRY_PORT = 8088, 5018

console = Console(stderr=True, highlight=False)


def main(argv: list[str]) -> int:
    """Run the demo, or remove it."""
    if argv == ["up"]:
        return up()
    if argv == ["down"]:
        return down()
    print(__doc__, file=sys.stderr)
    return 2


def up() -> int:
    """Start the server, deliver every ref, show the environments and the wall."""
    began = time.monotonic()
    headline("A server: registry, Postgres, edge")
    write_home()
    run("junov", "server", "images", "--also", BASE_IMAGE)
    run("junov", "server", "up")
    headline("The example as a git repository")
    make_repository()
    seconds = {}
    for ref in REFS:
        headline(f"{ref}: lint, build, test, promote, deploy")
        started = time.monotonic()
        run("junov", "run", ref, cwd=NOTES)
        seconds[ref] = time.monotonic() - started
    headline("The environments, each fetched over HTTP through the edge")
    show_environments(seconds)
    headline("The wall: stage is pointed at prod's database by mistake")
    show_the_wall()
    console.print(
        f"\nThe demo took {time.monotonic() - began:.0f} s. Go on by hand:\n"
        f"  source {DEMO.relative_to(ROOT)}/env && cd {NOTES.relative_to(ROOT)}\n"
        "  (edit, commit, then) junov run · junov env ls · junov env logs stage\n"
        "Remove every trace with: make demo-down"
    )
    return 0


def down() -> int:
    """Remove the server, its environments and their data, and the folder."""
    if not (HOME / "server.yaml").exists():
        console.print("demo: there is none")
        shutil.rmtree(DEMO, ignore_errors=True)
        return 0
    run("junov", "server", "down", "--purge", "--yes")
    shutil.rmtree(DEMO)
    console.print("demo: every trace is removed")
    return 0


def write_home() -> None:
    """The server's settings, and what a shell needs to go on by hand."""
    HOME.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings = HOME / "server.yaml"
    if not settings.exists():
        settings.write_text(
            f"name: {SERVER_NAME}\n"
            "domain: localhost\n"
            f"edge: {{bind: 127.0.0.1, port: {free_port(EDGE_PORT)}}}\n"
            f"registry: {{port: {free_port(REGISTRY_PORT)}}}\n"
            "networks: {pool: 10.214.0.0/16}\n"
        )
    (DEMO / "env").write_text(
        f'export JUNOV_HOME="{HOME}"\nexport XDG_CACHE_HOME="{CACHE}"\nexport PATH="{BIN}:$PATH"\n'
    )


def free_port(wanted: int) -> int:
    """The wanted port of loopback, or another that is free."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_repository() -> None:
    """The example with its branches and its tag; left alone if it is there already."""
    if (NOTES / ".git").exists():
        console.print(f"kept as it is: {NOTES.relative_to(ROOT)}")
        return
    shutil.copytree(ROOT / "examples" / "notes", NOTES, dirs_exist_ok=True, ignore=ignored)
    git("init", "--quiet", "--initial-branch=main")
    commit("Notes: the example application")
    git("checkout", "--quiet", "-b", "dev")
    base = NOTES / "env" / "stage.env"
    base.write_text(base.read_text() + "PAGE_TITLE=Notes, the next version\n")
    commit("What comes next gets its own title")
    for branch in ("search", "tags"):
        git("checkout", "--quiet", "-b", f"feature/{branch}", "dev")
        overlay = ROOT / "examples" / "branches" / f"feature-{branch}"
        shutil.copytree(overlay, NOTES, dirs_exist_ok=True, ignore=ignored)
        commit(f"Notes get {branch}")
    git("tag", "env-qa", "dev")
    git("checkout", "--quiet", "main")
    console.print(f"{NOTES.relative_to(ROOT)}: {', '.join(REFS)}")


def ignored(folder: str, names: list[str]) -> set[str]:
    """What is not part of the example, though it may stand beside it."""
    del folder
    return {name for name in names if name in {"__pycache__", ".pytest_cache", ".ruff_cache"}}


def show_environments(seconds: dict[str, float]) -> None:
    """What there is of each environment; every one is fetched through the edge first."""
    environments = json.loads(output("junov", "env", "ls", "--json", cwd=NOTES))
    rows = []
    for each in environments:
        health = fetch(each["url"], each["host"])
        if health["database"] != each["database"] or health["commit"] != each["commit"]:
            raise SystemExit(f"{each['name']} answers for another environment: {health}")
        rows.append(
            {
                "environment": each["name"],
                "URL": each["url"],
                "answers": "200",
                "commit": each["commit"][:8],
                "image": each["digest"].removeprefix("sha256:")[:12],
                "database": each["database"],
                "took": f"{seconds.get(each['ref'], 0):.1f} s",
            }
        )
    print_rows(rows)
    if len(environments) < len(REFS):
        raise SystemExit(f"expected {len(REFS)} environments, found {len(environments)}")


def print_rows(rows: list[dict[str, str]]) -> None:
    """A table, or blocks of lines on a terminal that is too narrow for it."""
    if not rows:
        return
    table = Table(*rows[0], box=SIMPLE)
    for row in rows:
        table.add_row(*row.values())
    # As wide as it is: a URL that is cut cannot be opened.
    wide = Console(width=max(200, shutil.get_terminal_size().columns))
    if not sys.stdout.isatty() or wide.measure(table).maximum <= shutil.get_terminal_size().columns:
        wide.print(table)
        return
    for row in rows:
        print("\n" + "\n".join(f"  {key:<11}  {value}" for key, value in row.items()))


def fetch(url: str, host: str) -> dict[str, str]:
    """What the environment's health path says, through the edge on loopback."""
    # `*.localhost` is loopback to browsers and curl, but not to every resolver.
    address = url.replace(host, "127.0.0.1", 1)
    request = urllib.request.Request(f"{address}/health", headers={"Host": host})
    with urllib.request.urlopen(request, timeout=10) as answer:
        health: dict[str, str] = json.load(answer)
    return health


def show_the_wall() -> None:
    """Make the mistake in a copy, and show how it is refused."""
    copy = DEMO / "typo"
    shutil.rmtree(copy, ignore_errors=True)
    subprocess.run(
        ["git", "clone", "--quiet", "--branch", "dev", str(NOTES), str(copy)], check=True
    )
    line = "DATABASE_URL=postgresql+psycopg://notes:hunter2@db:5432/notes_prod\n"
    with (copy / "env" / "stage.env").open("a") as file:
        file.write(line)
    console.print(f"env/stage.env: {line.strip()}", soft_wrap=True)
    refused = junov("check", "stage", cwd=copy)
    shutil.rmtree(copy)
    if refused.returncode != 1:
        raise SystemExit("the wall did not hold")


def headline(text: str) -> None:
    """The title of a part."""
    console.print(f"\n[bold]{text}[/bold]")


def run(*argv: str, cwd: Path = ROOT) -> None:
    """Run a command that has to succeed; its output is the demo's."""
    if junov(*argv[1:], cwd=cwd).returncode:
        raise SystemExit(1)


def junov(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[bytes]:
    """Run junov as the shell that sourced `.demo/env` would."""
    return subprocess.run([str(BIN / "junov"), *arguments], cwd=cwd, env=environ(), check=False)


def output(*argv: str, cwd: Path) -> str:
    """What a command prints."""
    command = [str(BIN / argv[0]), *argv[1:]]
    done = subprocess.run(
        command, cwd=cwd, env=environ(), check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def environ() -> dict[str, str]:
    """The variables of `.demo/env`."""
    path = f"{BIN}:{os.environ['PATH']}"
    return {**os.environ, "JUNOV_HOME": str(HOME), "XDG_CACHE_HOME": str(CACHE), "PATH": path}


def git(*arguments: str) -> None:
    """Run git in the example's repository."""
    subprocess.run(["git", *arguments], cwd=NOTES, check=True)


def commit(message: str) -> None:
    """Commit everything, under a name of the demo's where the machine has none."""
    git("add", "--all")
    who = ["-c", "user.name=junov demo", "-c", "user.email=demo@localhost"]
    git(*who, "commit", "--quiet", "--message", message)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
