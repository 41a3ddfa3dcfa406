"""Images in a registry: found, tested, promoted. Nothing else knows a registry."""

from junov.images.find import find_built, find_promoted
from junov.images.image import Image
from junov.images.promote import Promotion, promote, retag
from junov.images.reference import Repository, parse_repository
from junov.images.registry import Registry
from junov.images.tested import Pass, passed, record_pass

__all__ = [
    "Image",
    "Pass",
    "Promotion",
    "Registry",
    "Repository",
    "find_built",
    "find_promoted",
    "parse_repository",
    "passed",
    "promote",
    "record_pass",
    "retag",
]
