"""A folder of a test's own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    def make(files: Mapping[str, str], name: str = "shop", *, git: bool = True) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        if git:
            subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
        monkeypatch.chdir(folder)
        return folder

    return make
