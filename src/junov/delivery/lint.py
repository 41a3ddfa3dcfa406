"""Lint: the project's own commands, on the machine itself."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from junov.delivery.source import Source
from junov.errors import StageError
from junov.process import NOT_FOUND, run
from junov.steps import Steps


def lint(source: Source, steps: Steps) -> int:
    """Run every lint command, even after one has failed.

    Args:
        source: where to run them.
        steps: one step for each command.

    Returns:
        How many commands there were.

    Raises:
        StageError: at least one failed; it names all that did.
    """
    commands = source.folder.config.lint
    failed = []
    for position, command in enumerate(commands, 1):
        try:
            with steps.step(f"lint-{position}", command) as step:
                argv = shlex.split(command)
                result = run(argv, cwd=source.root, env=_caches(source), on_line=step.say)
                if result.exit_code == NOT_FOUND:
                    raise StageError(
                        f"`{argv[0]}` is not installed on this machine",
                        remedy="install it, or take it out of `lint` in junov.yaml",
                        place=source.folder.file.place(("lint", position - 1)),
                    )
                if not result.ok:
                    raise StageError(f"`{command}` ended with exit code {result.exit_code}")
        except StageError as error:
            failed.append(error)
    if len(failed) == 1:
        raise failed[0]
    if failed:
        raise StageError(
            f"{len(failed)} of {len(commands)} lint commands failed",
            detail="\n".join(str(problem) for error in failed for problem in error.problems),
        )
    return len(commands)


def _caches(source: Source) -> dict[str, str]:
    """Caches that outlive the folder, which may be an export that is gone after the run."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    mine = cache / "junov" / "lint" / source.folder.config.project
    return {
        "RUFF_CACHE_DIR": str(mine / "ruff"),
        "MYPY_CACHE_DIR": str(mine / "mypy"),
        "PYLINTHOME": str(mine / "pylint"),
    }
