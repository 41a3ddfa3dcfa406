"""Print the shell's completion script."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

VARIABLE = "_JUNOV_COMPLETE"
"""The variable by which click knows that a shell asks for completions."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    bash   echo 'eval "$(junov completion bash)"' >> ~/.bashrc
    zsh    echo 'eval "$(junov completion zsh)"' >> ~/.zshrc
    fish   junov completion fish > ~/.config/fish/completions/junov.fish

    In zsh the line has to stand below `compinit`. New shells complete from then on.
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"there is no completion for {shell}")
    # The script holds the names only; which commands there are, the shell asks for each time.
    click.echo(found(click.Group(), {}, "junov", VARIABLE).source())
