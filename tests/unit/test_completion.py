"""Completion: the shell's script, and what the shell is then told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner

from junov.cli.app import COMMANDS, root

JUNOV = [sys.executable, "-m", "junov"]


def complete(*words: str) -> list[str]:
    """What bash is offered for the last of the words, each with its kind."""
    asked = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    environ = {**os.environ, "_JUNOV_COMPLETE": "bash_complete", **asked}
    # The program has to be called as the shell calls it, or click takes another variable.
    code = "import sys; sys.argv[0] = 'junov'; from junov.__main__ import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
    )
    return ran.stdout.splitlines()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_asks_junov(shell: str) -> None:
    result = CliRunner().invoke(root, ["completion", shell], catch_exceptions=False)
    assert result.exit_code == 0
    assert f"_JUNOV_COMPLETE={shell}_complete" in result.stdout
    assert "junov" in result.stdout


@pytest.mark.parametrize("shell", [name for name in ("bash", "zsh", "fish") if shutil.which(name)])
def test_the_shell_reads_the_script(shell: str) -> None:
    script = CliRunner().invoke(root, ["completion", shell], catch_exceptions=False).stdout
    ran = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_bash_completes_with_it() -> None:
    script = CliRunner().invoke(root, ["completion", "bash"], catch_exceptions=False).stdout
    typed = f"""{script}
        junov() {{ {" ".join(JUNOV)} "$@"; }}
        complete -p junov
    """
    ran = subprocess.run(["bash", "-c", typed], capture_output=True, text=True, check=True)
    assert ran.stdout.strip().endswith("junov")


def test_commands_and_choices_are_offered() -> None:
    assert complete("junov", "comp") == ["plain,completion"]
    assert complete("junov", "schema", "s") == ["plain,server.yaml"]
    assert complete("junov", "init", "--dom") == ["plain,--domain"]
    assert [line.split(",")[1] for line in complete("junov", "")] == list(COMMANDS)


def test_another_shell_is_wrong_usage() -> None:
    result = CliRunner().invoke(root, ["completion", "tcsh"])
    assert result.exit_code == 2
    assert "'bash', 'zsh', 'fish'" in result.output


def test_the_help_says_how_to_install_it() -> None:
    help_text = CliRunner().invoke(root, ["completion", "--help"]).output
    assert 'eval "$(junov completion bash)"' in help_text
    assert "~/.zshrc" in help_text
    assert "~/.config/fish/completions/junov.fish" in help_text


def test_printing_it_needs_nothing_heavy() -> None:
    code = (
        "import sys; from junov.cli.app import run; code = run(['completion', 'bash']); "
        "heavy = {'pydantic', 'rich', 'docker', 'ruamel', 'asyncio'} & set(sys.modules); "
        "sys.exit(f'imported: {heavy}' if heavy else code)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
