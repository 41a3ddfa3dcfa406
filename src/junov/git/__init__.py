"""The project's git repository: its refs, its commits, its files. Nothing else knows git."""

from junov.git.refs import Commitish
from junov.git.repository import Repository

__all__ = ["Commitish", "Repository"]
