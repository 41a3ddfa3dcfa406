"""Values that may never be printed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

REDACTED = "••••••"


class Secret:
    """A text whose `repr`, `str` and JSON form are redacted.

    The value leaves only through `reveal`, so a search for that word finds every place where a
    secret goes out.

    Args:
        value: the text to keep.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself, for the one consumer that needs it."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({REDACTED})"

    def __str__(self) -> str:
        return REDACTED

    def __format__(self, spec: str) -> str:
        return format(REDACTED, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(
            self._value.encode(), other._value.encode()
        )

    def __hash__(self) -> int:
        return hash((Secret, self._value))


def derive(key: Secret, *scope: str) -> Secret:
    """A password that belongs to `scope` and can be made again from the server's key.

    Args:
        key: the server's key.
        scope: the words that tell one password from another; their order counts.

    Returns:
        48 hexadecimal characters (192 bits), safe in URLs and in SQL literals.
    """
    # Lengths are part of the message, so ("ab", "c") and ("a", "bc") differ.
    message = b"".join(len(word.encode()).to_bytes(4, "big") + word.encode() for word in scope)
    return Secret(hmac.new(key.reveal().encode(), message, hashlib.sha256).hexdigest()[:48])


_SHORTEST_LINE = 6


def redact(text: str, secrets: Iterable[Secret]) -> str:
    """`text` with every secret in it replaced, the longest first.

    Of a secret of several lines, such as a private key, each line is one as well: a log is read
    line by line. Lines of fewer than 6 characters, such as a brace, are not.
    """
    whole = {secret.reveal() for secret in secrets} - {""}
    lines = {line.strip() for value in whole for line in value.splitlines() if "\n" in value}
    values = whole | {line for line in lines if len(line) >= _SHORTEST_LINE}
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, REDACTED)
    return text
