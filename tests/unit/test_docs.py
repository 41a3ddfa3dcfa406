"""The pages that are written from the code are what the code says now."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest

from junov.cli.app import root

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "docs.py"


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, writing into a folder of the test's own."""
    spec = importlib.util.spec_from_file_location("docs", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "DOCS", tmp_path)
    return module


@pytest.mark.parametrize("page", ["configuration", "guard", "commands"])
def test_a_page_is_current(page: str) -> None:
    ran = subprocess.run(
        [sys.executable, SCRIPT, "--check", "--only", page],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (0, ""), "write it anew: make docs"


def test_a_stale_page_fails_the_check_with_a_diff(
    docs: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert docs.main(["--only", "configuration"]) == 0
    page = tmp_path / "configuration.md"
    right = page.read_text()
    page.write_text(right.replace("`web.port`", "`web.prot`"))
    stale = page.read_text()
    capsys.readouterr()
    assert docs.main(["--check", "--only", "configuration"]) == 1
    shown = capsys.readouterr().out
    assert "-| `web.prot`" in shown
    assert "+| `web.port`" in shown
    assert page.read_text() == stale
    assert docs.main(["--only", "configuration"]) == 0
    assert page.read_text() == right
    assert docs.main(["--check", "--only", "configuration"]) == 0


def test_every_rule_has_a_section_with_both_examples(docs: ModuleType) -> None:
    from junov.stacks.guard import ALL_RULES

    page = docs.guard()
    assert page.count("\nRefused:\n") == page.count("\nInstead:\n") == len(ALL_RULES)
    for rule in ALL_RULES:
        assert f"\n## {rule.id}\n" in page
        assert f"(#{rule.id})" in page


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        linked = (page.parent / path) if path else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            anchors = [re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings]
            assert anchor in anchors, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    code = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    code += "\n".join(re.findall(r"^ {4,}(.*)$", text, re.MULTILINE))
    lines = [*re.findall(r"`(junov [^`]+)`", text), *re.findall(r"^(junov .+)$", code, re.M)]
    for line in lines:
        words = line.split()[1:]
        command: click.Command = root
        for word in words:
            if not isinstance(command, click.Group) or not word.isalpha():
                break
            found = command.get_command(click.Context(command), word)
            assert found, f"`{line}` in {page.name}"
            command = found


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        named = re.findall(r"`make ([a-z-]+)`|^ +make ([a-z-]+)", page.read_text(), re.MULTILINE)
        assert {one or other for one, other in named} <= targets, page.name
