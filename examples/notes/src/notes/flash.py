"""A message carried over one redirect in a cookie, signed so that nobody else can write it."""

import base64
import binascii
import hashlib
import hmac

COOKIE = "notes_flash"


def seal(message: str, key: str) -> str:
    payload = base64.urlsafe_b64encode(message.encode()).decode()
    return f"{payload}.{signature(payload, key)}"


def unseal(cookie: str, key: str) -> str | None:
    """The message, or None if it was not sealed with this key."""
    payload, _, given = cookie.partition(".")
    if not hmac.compare_digest(signature(payload, key).encode(), given.encode()):
        return None
    try:
        return base64.urlsafe_b64decode(payload).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def signature(payload: str, key: str) -> str:
    return hmac.new(key.encode(), payload.encode(), hashlib.sha256).hexdigest()
