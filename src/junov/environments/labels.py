"""The labels by which the engine's things are found again, even without the journal."""

from __future__ import annotations

from junov.environments.identity import Identity

SERVER = "dev.junov.server"
PROJECT = "dev.junov.project"
ENVIRONMENT = "dev.junov.environment"
SERVICE = "dev.junov.service"
RELEASE = "dev.junov.release"
COMMIT = "dev.junov.commit"
PART = "dev.junov.part"  # of the server itself: edge, postgres, registry
TEST_RUN = "dev.junov.test-run"


def environment_labels(server: str, identity: Identity) -> dict[str, str]:
    """What everything of one environment carries."""
    return {SERVER: server, PROJECT: identity.project, ENVIRONMENT: identity.name}
