"""Who an environment is: from a project and a ref to every name that belongs to it. Pure."""

from junov.environments.environment import Environment, Ref, claim, environments_of
from junov.environments.identity import Identity, identify

__all__ = ["Environment", "Identity", "Ref", "claim", "environments_of", "identify"]
