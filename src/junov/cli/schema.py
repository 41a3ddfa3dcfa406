"""Print the JSON Schema of a configuration file."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("file", type=click.Choice(["junov.yaml", "server.yaml"]), metavar="FILE")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to this file; its folder is made if need be.",
)
def schema(file: str, output: Path | None) -> None:
    """Print the JSON Schema of FILE, junov.yaml or server.yaml, for editors.

    The first line that `junov init` writes into junov.yaml names `.junov/junov.schema.json`, so
    that editors complete and check it. After an update of junov, bring that file up to date:

        junov schema junov.yaml --output .junov/junov.schema.json
    """
    from junov.config.schema import MODELS
    from junov.config.schema import schema as of
    from junov.errors import StageError

    text = json.dumps(of(MODELS[file]), indent=2, ensure_ascii=False)
    if output is None:
        click.echo(text)
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise StageError(
            f"{output} could not be written: {error.strerror}",
            remedy="name a file in a folder that you may write",
        ) from None
