"""What the environment tells the application, read once at the start."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

YES = {"1", "on", "true", "yes"}


class SettingsError(Exception):
    """A variable the application cannot run without is missing."""


@dataclass(frozen=True)
class Settings:
    database_url: str = field(repr=False)
    secret_key: str = field(default="", repr=False)

    # Set by junov in every deployed environment; unset on a laptop.
    project: str = "notes"
    environment: str = "local"
    commit: str = "local"
    release: str = "local"
    url: str = ""

    # From env/*.env.
    log_level: str = "INFO"
    page_title: str = "Notes"
    accent: str = "#475569"
    word_counts: bool = False
    worker_interval: float = 5.0

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the variables; a blank one counts as unset. Raises SettingsError."""
        given = {name: value.strip() for name, value in environ.items() if value.strip()}
        if "DATABASE_URL" not in given:
            raise SettingsError("DATABASE_URL is not set: which database should notes use?")
        return cls(
            database_url=given["DATABASE_URL"],
            secret_key=given.get("SECRET_KEY", cls.secret_key),
            project=given.get("JUNOV_PROJECT", cls.project),
            environment=given.get("JUNOV_ENVIRONMENT", cls.environment),
            commit=given.get("JUNOV_COMMIT", cls.commit),
            release=given.get("JUNOV_RELEASE", cls.release),
            url=given.get("JUNOV_URL", cls.url),
            log_level=given.get("LOG_LEVEL", cls.log_level).upper(),
            page_title=given.get("PAGE_TITLE", cls.page_title),
            accent=given.get("ACCENT", cls.accent),
            word_counts=given.get("FEATURE_WORD_COUNTS", "off").lower() in YES,
            worker_interval=float(given.get("WORKER_INTERVAL", cls.worker_interval)),
        )
