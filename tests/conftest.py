"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes is the machine's business, and says nothing about the code.
settings.register_profile("junov", deadline=None)
settings.load_profile("junov")
