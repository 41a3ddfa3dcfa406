"""Telling secrets from other variables, and placeholders from secrets."""

from __future__ import annotations

import re

SHORTEST = 8
"""Fewer characters than this are no secret in production."""

_LONGEST_PLACEHOLDER = 64

# By their ending: `TOKEN_TTL`, `PASSWORD_MIN_LENGTH` and `SECRET_FILE` hold no secrets.
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:SECRET|SECRETS|PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|TOKEN|CREDENTIALS?|SALT|"
    r"SECRET_KEY_BASE|(?:SECRET|API|APP|AUTH|PRIVATE|ENCRYPTION|SIGNING|ACCESS|MASTER)_?KEY)$",
    re.IGNORECASE,
)
# These end like secrets, but are often something else (`SORT_KEY=created`).
_PERHAPS_SECRET_NAME = re.compile(r"(?:^|_)KEY$", re.IGNORECASE)

_WORDS = (
    "change[-_ ]?(?:me|this|it)|replace[-_ ]?(?:me|this)|set[-_ ]?me|fill[-_ ]?(?:me[-_ ]?)?in|"
    "secret|password|passw0rd|passwd|example|sample|placeholder|dummy|default|insecure|"
    "to[-_ ]?do|later|soon|tbd|fixme|test(?:ing)?|dev(?:elopment)?|local|only[-_ ]for[-_ ][\\w-]+|"
    "admin|root|postgres|guest|foo|bar|qwerty|none|null|undefined|your|my|"
    "key|token|here|this|the|in|production|prod|not|so|super|very|please|value"
)
_PLACEHOLDER = re.compile(rf"(?:(?:{_WORDS})[\W_]*)+[\d\W_]*", re.IGNORECASE)
_SHAPES = re.compile(
    r"<.*>|\[.*\]|\{\{?.*\}\}?|(.)\1*|\.{2,}.*|x{3,}(?:[\W_].*)?|(?:0?123\d*|abc)", re.I
)
_MARKED = re.compile(
    r"change[-_ ]?me|changethis|replace[-_ ]?me|placeholder|django-insecure|dummy", re.I
)
_URL_PASSWORD = re.compile(r"://[^/\s:@]*:(?P<password>[^/\s@]+)@")


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name holds a secret."""
    return bool(_SECRET_NAME.search(name))


def why_placeholder(name: str, value: str) -> str:
    """What makes the value of a variable no real secret.

    Args:
        name: the variable.
        value: its value.

    Returns:
        The end of a sentence that begins with the variable and doesn't show the value; empty where
        it may well be a secret, or where the variable holds none.
    """
    match = _URL_PASSWORD.search(value)
    if match and is_placeholder(match["password"]):
        return "holds a URL whose password looks like a placeholder"
    if is_secret_name(name):
        return why_no_secret(value)
    if _PERHAPS_SECRET_NAME.search(name) and is_placeholder(value):
        return "looks like a placeholder"
    return ""


def why_no_secret(value: str) -> str:
    """What makes a value no secret; empty where it may well be one. Nothing is another matter."""
    if value and is_placeholder(value):
        return "looks like a placeholder"
    if value and len(value) < SHORTEST:
        return f"has fewer than {SHORTEST} characters"
    return ""


def is_placeholder(value: str) -> bool:
    """Whether a value is what people write until they have a secret."""
    text = value.strip()
    if len(text) > _LONGEST_PLACEHOLDER:
        return False
    return bool(_PLACEHOLDER.fullmatch(text) or _SHAPES.fullmatch(text) or _MARKED.search(text))


def without_passwords(text: str) -> str:
    """The text with the passwords of its URLs covered."""
    return _URL_PASSWORD.sub(
        lambda match: match[0].replace(f":{match['password']}@", ":•••@"), text
    )
