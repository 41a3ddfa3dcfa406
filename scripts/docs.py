"""Write what docs/ says that something else says better: the code, and the benchmark.

scripts/docs.py                          write them all
scripts/docs.py --check                  write nothing; exit 1 with a diff where one is stale
scripts/docs.py --only configuration     just this page
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
WIDTH = 96
NOTICE = "<!-- Written by scripts/docs.py from the code; change that, and run `make docs`. -->\n"


def configuration() -> str:
    """`docs/configuration.md`: the annotated examples and a table of every key."""
    from junov.config.schema import MODELS, SCHEMA_FILE, Key, example, keys

    def row(key: Key) -> str:
        default = "required" if key.required else shown(key)
        meaning = key.meaning.replace("|", "\\|")
        return f"| `{key.path}` | {key.type} | {default} | {meaning} |"

    def shown(key: Key) -> str:
        if key.default in (None, [], {}) or (key.section and isinstance(key.default, dict)):
            return ""
        value = key.default if isinstance(key.default, str) else json.dumps(key.default)
        return f"`{value}`"

    parts = [
        NOTICE,
        "# Configuration\n",
        "Two files: `junov.yaml` in each repository, and `server.yaml` in the server's state "
        "folder.\n`junov init` and `junov server up` write them with the comments shown here. "
        "Every mistake in them\nis told with file, line, column and what to do, all at once: "
        "`junov check`.\n",
        "Durations are written `30s`, `15m`, `12h`, `7d` or `2w`. YAML reads `1.20` as a number "
        "and loses its\nlast digit: put a branch or tag of that kind in quotes.\n",
        f"Editors complete and check `junov.yaml` by its schema. The first line of the file names "
        f"it, and\n`junov init` puts it into the repository, as `{SCHEMA_FILE}`: so it needs no "
        "network and is\nof the version that the team uses. After an update of junov, write it "
        f"anew with\n`junov schema junov.yaml --output {SCHEMA_FILE}`.\n",
    ]
    for name, model in MODELS.items():
        parts += [
            f"## {name}\n",
            f"```yaml\n{example(name)}```\n",
            f"### Every key of {name}\n",
            "| key | type | default | meaning |\n|---|---|---|---|\n"
            + "".join(f"{row(key)}\n" for key in keys(model)),
        ]
        if name == "junov.yaml":
            parts += [
                "`<name>` is a name of your own; `[]` an item of a list. A kind of environment has "
                "either\n`branch` or `tag`. Two kinds may not be able to claim the same ref, host "
                "or image tag.\n",
            ]
    return "\n".join(parts)


def guard() -> str:
    """`docs/guard.md`: the rules of the wall."""
    from junov.stacks.guard import ALL_RULES

    parts = [
        NOTICE,
        "# The guard\n",
        "Before anything is touched, junov reads the stack that Compose has resolved, and refuses "
        "what would\nreach through the wall between environments. `junov check` asks it without "
        "an engine.\n",
        "A finding of a rule that can be waived is accepted by naming it, with the reason, in "
        "`junov.yaml`:\n",
        "```yaml\nallow:\n  - rule: bind-mount\n    value: /srv/uploads\n"
        "    reason: photos of users, backed up each night\n```\n",
        "| rule | can be waived | deployed | tests |\n|---|---|---|---|\n"
        + "".join(
            f"| [{rule.id}](#{rule.id}) | {_yes(rule.waivable)} "
            f"| {_yes('deploy' in rule.applies_to)} | {_yes('test' in rule.applies_to)} |\n"
            for rule in ALL_RULES
        ),
    ]
    for rule in ALL_RULES:
        remedy = rule.remedy[:1].upper() + rule.remedy[1:].rstrip(".")
        parts += [
            f"## {rule.id}\n",
            f"{rule.sentence}\n",
            f"{remedy}.\n",
            f"Refused:\n\n```yaml\n{rule.bad.rstrip()}\n```\n",
            f"Instead:\n\n```yaml\n{rule.good.rstrip()}\n```\n",
        ]
    return "\n".join(parts)


def commands() -> str:
    """`docs/commands.md`: what `--help` says of every command."""
    from junov.cli.app import root

    parts = [
        NOTICE,
        "# Commands\n",
        "Every command has `--help`, which says the same. Exit codes: 0 done, 1 something you can "
        "mend, 2 wrong\nusage, 3 a bug of junov, 4 superseded by a newer commit, "
        "130 interrupted, 143 terminated.\n",
    ]
    for path, text in _helps(root, ("junov",)):
        parts += [f"{'#' * min(len(path) + 1, 4)} {' '.join(path)}\n", f"```\n{text}\n```\n"]
    return "\n".join(parts)


def _helps(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    import click

    parent: click.Context | None = None
    for name in path[:-1]:
        parent = click.Context(click.Group(), info_name=name, parent=parent)
    context = click.Context(
        command,
        info_name=path[-1],
        parent=parent,
        terminal_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
    lines = (line.rstrip() for line in command.get_help(context).splitlines())
    yield path, "\n".join(lines)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from _helps(command.get_command(context, name), (*path, name))


def _yes(value: bool) -> str:
    return "yes" if value else "no"


MEASURED = re.compile(r"(<!-- measured: ([a-z ]+) -->\n).*?(<!-- /measured -->\n)", re.DOTALL)


def by_hand(name: str) -> str:
    """A page that is written by hand, but for what `make bench` has measured."""

    def filled(block: re.Match[str]) -> str:
        folder = ROOT / "bench" / "results"
        parts = [(folder / f"{part}.md").read_text(encoding="utf-8") for part in block[2].split()]
        return "\n".join([block[1], *parts, block[3]])

    return MEASURED.sub(filled, (DOCS / f"{name}.md").read_text(encoding="utf-8"))


MATRIX = re.compile(r"(<!-- matrix -->\n).*?(<!-- /matrix -->\n)", re.DOTALL)


def pipelines() -> str:
    """A page that is written by hand, but for which jobs run when."""
    from ruamel.yaml import YAML

    from junov.cli.pipeline import described
    from junov.config.project import Project
    from junov.config.schema import example
    from junov.pipeline import pipeline_of
    from junov.pipeline.matrix import events

    project = Project.model_validate(YAML(typ="safe").load(example("junov.yaml")))
    pipeline = pipeline_of(project)
    rows = ["| ref | event | by itself | by hand |", "|---|---|---|---|"]
    for event in events(project):
        started: dict[str, list[str]] = {"automatic": [], "manual": []}
        for job, how in pipeline.selected(event):
            started[how].append(f"`{job.name}`")
        cells = " | ".join(" ".join(names) for names in started.values())
        rows.append(f"| {event.ref.type} `{event.ref.name}` | {described(event)} | {cells} |")
    matrix = "\n".join(["", *rows, "", ""])
    page = (DOCS / "pipelines.md").read_text(encoding="utf-8")
    return MATRIX.sub(lambda block: block[1] + matrix + block[2], page)


PAGES: dict[str, Callable[[], str]] = {
    "configuration": configuration,
    "guard": guard,
    "commands": commands,
    "rollout": partial(by_hand, "rollout"),
    "databases": partial(by_hand, "databases"),
    "pipelines": pipelines,
}


def main(arguments: list[str]) -> int:
    """Write or check the pages; 1 where a check finds a stale one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, show a diff")
    parser.add_argument("--only", choices=PAGES, action="append", help="just this page")
    asked = parser.parse_args(arguments)
    stale = 0
    for name in asked.only or PAGES:
        path, text = DOCS / f"{name}.md", PAGES[name]()
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        if text == before:
            continue
        if asked.check:
            stale = 1
            sys.stdout.writelines(
                difflib.unified_diff(
                    before.splitlines(keepends=True),
                    text.splitlines(keepends=True),
                    f"docs/{path.name}",
                    "as it has to be",
                )
            )
        else:
            path.write_text(text, encoding="utf-8")
            print(f"docs: docs/{path.name} is written")
    if stale:
        print("docs: write them anew with: make docs", file=sys.stderr)
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
