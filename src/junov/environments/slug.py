"""GitLab's environment slug, so that junov and GitLab call an environment the same.

The algorithm is GitLab's own (`Gitlab::Slug::Environment`), whose result its jobs see as
`CI_ENVIRONMENT_SLUG`.
"""

from __future__ import annotations

import hashlib
import re

_LONGEST = 24
_STEM = 17
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def slug(name: str) -> str:
    """The slug of an environment's name: at most 24 characters, legal as a DNS label.

    A name that is no slug already ends in six characters of its hash, so different names rarely
    share a slug; "rarely" is 1 in 2 billion for two names with the same first 17 characters.
    Names of things are therefore made from `label`, not from the slug.
    """
    slugged = _slugged(name)
    if slugged == name and len(slugged) <= _LONGEST:
        return slugged.removesuffix("-")
    return f"{_stem(slugged)}{name_hash(name)[-6:]}"


def label(name: str) -> str:
    """The slug with a longer hash: what names are made from.

    Returns:
        The name itself where it is a slug; otherwise the slug's stem and 10 characters of the same
        hash, of which the slug shows the last six.
    """
    if slug(name) == name:
        return name
    return f"{_stem(_slugged(name))}{name_hash(name)[-10:]}"


def _slugged(name: str) -> str:
    slugged = re.sub(r"[^a-z0-9]", "-", name.lower())
    if not re.match(r"[a-z]", slugged):
        slugged = f"env-{slugged}"
    return re.sub(r"-+", "-", slugged)


def name_hash(name: str) -> str:
    """The SHA-256 of a name in base 36."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest(), "big")
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits.rjust(10, "0")


def _stem(slugged: str) -> str:
    stem = slugged[:_STEM]
    return stem if stem.endswith("-") else f"{stem}-"
