"""The `junov` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run junov with the arguments of this process, and end it with junov's exit code."""
    from junov.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
