"""Progress that is printed plainly; pytest shows it where a test fails."""

from __future__ import annotations


class Quiet:
    """A `Progress` that prints."""

    def stage(self, name: str) -> None:
        print(f"== {name}")

    def started(self, step: str, title: str) -> None:
        print(f"• {step}: {title}")

    def line(self, step: str, text: str) -> None:
        print(f"  | {step}: {text}")

    def done(self, step: str, seconds: float, note: str) -> None:
        print(f"  ✓ {step} {seconds:.1f} s {note}")

    def failed(self, step: str, seconds: float, why: str) -> None:
        print(f"  ✗ {step} {seconds:.1f} s {why}")

    def report(self, text: str) -> None:
        print(text)
