"""The root of the command line.

Commands are imported when they are run: `junov --help` reads this table and nothing else.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import click

from junov import __version__
from junov.cli.boundary import colour_wanted, guarded

# command → (where it is, its line in the help)
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("junov.cli.init:init", "Write the files that this repository lacks."),
    "check": ("junov.cli.check:check", "Check the configuration and the wall, without an engine."),
    "run": ("junov.cli.stages:run", "Run the pipeline of a branch or tag."),
    "lint": ("junov.cli.stages:lint", "Run the project's lint commands on this machine."),
    "build": ("junov.cli.stages:build", "Build and push the images of a commit."),
    "test": ("junov.cli.stages:test", "Test a built image, pulled from the registry."),
    "promote": ("junov.cli.stages:promote", "Give a tested image its environment's tag."),
    "deploy": ("junov.cli.stages:deploy", "Deliver a promoted image to its environment."),
    "rollback": ("junov.cli.rollback:rollback", "Let an older release serve again."),
    "reset": ("junov.cli.reset:reset", "Give an environment a fresh database."),
    "pipeline": ("junov.cli.pipeline:pipeline", "Look at the pipeline: which jobs run when."),
    "env": ("junov.cli.env:env", "Look at environments and change them."),
    "db": ("junov.cli.db:db", "Look at databases and exchange them."),
    "releases": ("junov.cli.releases:releases", "List what was delivered to an environment."),
    "gitlab": ("junov.cli.gitlab:gitlab", "The project on GitLab: its file, runners, settings."),
    "server": ("junov.cli.server:server", "The server that environments run on."),
    "schema": ("junov.cli.schema:schema", "Print the JSON Schema of a configuration file."),
    "completion": ("junov.cli.completion:completion", "Print the shell's completion script."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are needed."""

    def __init__(self, *args: Any, commands_at: dict[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of the table, which is the order of use."""
        return [*self._commands_at, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in self._commands_at:
            return super().get_command(ctx, cmd_name)
        module, _, name = self._commands_at[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._commands_at.items()])


@click.group(
    cls=LazyGroup,
    commands_at=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every command has --help. Exit codes: 0 done, 1 something you can mend, 2 wrong usage, "
    "3 a bug of junov, 4 superseded by a newer commit, 130 interrupted, 143 terminated.",
)
@click.version_option(__version__, "-V", "--version", message="junov %(version)s")
def root() -> None:
    """Every branch gets a URL, its own database and a wall around it, on your own server."""


def run(argv: Sequence[str]) -> int:
    """Run junov.

    Args:
        argv: the arguments without the program's name.

    Returns:
        The exit code.
    """
    return guarded(
        lambda: root.main(
            list(argv), prog_name="junov", standalone_mode=False, color=colour_wanted()
        )
    )
