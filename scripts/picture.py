"""Draw the end of the demo's real output for the README.

    make demo 2>&1 | python scripts/picture.py docs/images/demo.svg

The text is what was printed, nothing else; colours are those of the terminal.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 150
FIRST_LINE = "env-qa: lint"


def main(argv: list[str]) -> int:
    """Read the demo's output from standard input, and write the picture."""
    lines = sys.stdin.read().splitlines()
    first = next((i for i, line in enumerate(lines) if FIRST_LINE in line), 0)
    shown = [line.rstrip() for line in lines[first:] if not line.lstrip().startswith("|")]
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for line in shown:
        console.print(Text.from_ansi(_coloured(line)), soft_wrap=False)
    picture = console.export_svg(title="make demo")
    # The drawing names a font on somebody's server; the reader's own monospace font does.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    Path(argv[0]).write_text(picture.replace("Fira Code", "ui-monospace"), encoding="utf-8")
    return 0


def _coloured(line: str) -> str:
    """The colours that the same line has on a terminal."""
    for sign, code in (("✓", 32), ("✗", 31), ("•", 1)):
        if line.lstrip().startswith(sign):
            return line.replace(sign, f"\x1b[{code}m{sign}\x1b[0m", 1)
    return line


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
