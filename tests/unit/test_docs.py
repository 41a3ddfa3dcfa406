"""The pages that are written from the code are what the code says now."""

from __future__ import annotations

import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import click
import pytest

from junov.cli import boundary
from junov.cli.app import root
from junov.config.project import Web
from junov.config.schema import MODELS, keys
from junov.config.yamlfile import read_yaml
from junov.delivery.deploy import deploy
from junov.delivery.recording import KEPT_RELEASES
from junov.delivery.rollout.observe import LEAST_ERRORS, LEAST_SHARE, TIMES_AS_BAD
from junov.delivery.rollout.rollout import roll_out
from junov.edge.config import IDLE_SECONDS
from junov.errors import SupersededError

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


KEYS = {key.path: key for model in MODELS.values() for key in keys(model)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_key_that_a_page_names_exists(page: Path) -> None:
    sections = "|".join(path for path, key in KEYS.items() if key.section and "." not in path)
    named = re.findall(rf"`((?:{sections})\.[\w.<>]+)(?::[^`]*)?`", page.read_text())
    assert {key for key in named if not key.endswith(".yaml")} <= KEYS.keys()


ROLLOUT = ROOT / "docs" / "rollout.md"
PICTURE = ROOT / "docs" / "images" / "rollout.svg"


def test_examples_of_the_rollout_page_have_keys_that_exist(tmp_path: Path) -> None:
    examples = re.findall(r"^```yaml\n(.*?)^```", ROLLOUT.read_text(), re.MULTILINE | re.DOTALL)
    of_junov_yaml = [text for text in examples if "script:" not in text]
    assert of_junov_yaml
    for number, text in enumerate(of_junov_yaml):
        file = tmp_path / f"{number}.yaml"
        file.write_text(text)
        data = read_yaml(file).data
        named = {f"{section}.{key}" for section, value in data.items() for key in value}
        assert named <= KEYS.keys()


def steps_of_a_deploy() -> list[str]:
    """The names of its steps in their order, those of the rollout in their place."""

    def steps_in(code: str) -> list[str]:
        return re.findall(r'steps\.step\("(\w+)"', code)

    before, _, after = inspect.getsource(deploy).partition("roll_out(")
    return [*steps_in(before), *steps_in(inspect.getsource(roll_out)), *steps_in(after)]


def test_the_rollout_page_has_the_steps_of_a_deploy_in_their_order() -> None:
    section = ROLLOUT.read_text().partition("## The steps")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == steps_of_a_deploy()


def test_the_picture_of_the_rollout_has_the_same_steps_in_words_as_well() -> None:
    svg = ElementTree.fromstring(PICTURE.read_text())  # noqa: S314  # it is our own
    title, description = (
        next(each.text or "" for each in svg.iter() if each.get("id") == name)
        for name in svg.attrib["aria-labelledby"].split()
    )
    assert [each.text for each in svg.iter() if each.get("class") == "step"] == steps_of_a_deploy()
    listed = description.partition("in their order:")[2].partition(".")[0]
    assert re.findall(r"\w+", listed) == steps_of_a_deploy()
    assert title.strip()


def test_the_rollout_page_has_the_numbers_of_the_code() -> None:
    text = " ".join(ROLLOUT.read_text().split())
    for said in (
        f"at least {LEAST_ERRORS} answers, at least {LEAST_SHARE:.0%} of all answers",
        {2: "at least twice the share that the old release had"}[TIMES_AS_BAD],
        f"the {KEPT_RELEASES} deploys that served last",
        f"carries no request after {IDLE_SECONDS} second",
        f"`web.observe` ({Web().observe} seconds by default)",
        f"`web.drain` ({Web().drain} seconds by default)",
        f"`web.timeout` ({Web().timeout // 60} minutes by default)",
    ):
        assert said in text


def test_the_rollout_page_has_every_exit_code() -> None:
    section = ROLLOUT.read_text().partition("## Exit codes")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| ([\d, ]+) \|", section, re.MULTILINE)
    codes = {int(code) for code in ", ".join(listed).split(", ")}
    known = {getattr(boundary, name) for name in ("OK", "MENDABLE", "USAGE", "BUG")}
    known |= {boundary.INTERRUPTED, boundary.TERMINATED, SupersededError("").exit_code}
    assert codes == known


def test_whatever_was_measured_has_its_place_on_a_page() -> None:
    measured = {file.stem for file in (ROOT / "bench" / "results").glob("*.md")}
    pages = "".join(file.read_text() for file in (ROOT / "docs").glob("*.md"))
    places = re.findall(r"^<!-- measured: ([a-z ]+) -->$", pages, re.MULTILINE)
    assert {part for place in places for part in place.split()} == measured
