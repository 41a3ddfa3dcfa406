"""The kinds of values that configuration files share: durations, names, hosts, patterns."""

from __future__ import annotations

import re
import shlex
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
# At least one second, at most some decades: what a calendar can still add to today.
_DURATION = "([1-9][0-9]{0,5}[sm]|[1-9][0-9]{0,4}h|[1-9][0-9]{0,3}d|[1-9][0-9]{0,2}w)"


def parse_duration(text: object) -> int:
    """Seconds in a duration such as `30s`, `15m`, `12h`, `7d` or `2w`.

    Raises:
        ValueError: it is not written so.
    """
    if not isinstance(text, str) or not re.fullmatch(_DURATION, text):
        raise ValueError(f"expected a duration such as 30s, 15m, 12h, 7d or 2w, found `{text}`")
    return int(text[:-1]) * _UNITS[text[-1]]


def format_duration(seconds: float) -> str:
    """A duration as a person would say it: `7d`, `90s`, `1h 30m`."""
    whole = int(seconds)
    for unit in "dhm":
        size = _UNITS[unit]
        if whole >= size and whole % size == 0:
            return f"{whole // size}{unit}"
    parts = []
    for unit in "dhms":
        count, whole = divmod(whole, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"


Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": "string", "pattern": f"^{_DURATION}$", "examples": ["7d"]}),
]


def parse_pause(text: object) -> int:
    """Seconds in a duration, or 0 for `0s`. Raises as `parse_duration`."""
    return 0 if text == "0s" else parse_duration(text)


Pause = Annotated[
    int,
    BeforeValidator(parse_pause),
    WithJsonSchema({"type": "string", "pattern": f"^(0s|{_DURATION})$", "examples": ["30s"]}),
]
"""A duration that may also be nothing, written `0s`."""


def _check_variable(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text):
        raise ValueError(
            f"expected the name of a variable: letters, digits and `_`, found `{text}`"
        )
    if text in _RESERVED or text.startswith(_RESERVED_PREFIXES):
        raise ValueError(f"`{text}` means something to junov, Docker or the system; choose another")
    return text


# What junov gives by itself, and what changes how programs run.
_RESERVED = frozenset({"PATH", "HOME", "SHELL", "USER", "TMPDIR", "IFS"})
_RESERVED_PREFIXES = ("JUNOV_", "DOCKER_", "COMPOSE_", "BUILDKIT_", "LD_", "PYTHON")


VariableName = Annotated[
    str,
    AfterValidator(_check_variable),
    WithJsonSchema({"type": "string", "pattern": r"^[A-Za-z_][A-Za-z0-9_]*$"}),
]


def _check_command(text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"expected a command, found `{text}` ({error})") from None
    if not words or not text.strip():
        raise ValueError("expected a command, found nothing")
    return text


Command = Annotated[
    str, AfterValidator(_check_command), WithJsonSchema({"type": "string", "pattern": r"\S"})
]


def _check_url_path(text: str) -> str:
    if not re.fullmatch(r"/[!-~]*", text):
        raise ValueError(f"expected a path such as /health, without spaces, found `{text}`")
    return text


def _check_project_path(text: str) -> str:
    if not text or text.startswith("/") or ".." in text.split("/") or "\x00" in text:
        raise ValueError(f"expected a path inside the project, found `{text}`")
    return text


ProjectPath = Annotated[
    str,
    AfterValidator(_check_project_path),
    WithJsonSchema({"type": "string", "pattern": r"^(?!/)(?!([\s\S]*/)?\.\.(/|$))[^\0]+$"}),
]

UrlPath = Annotated[
    str,
    AfterValidator(_check_url_path),
    WithJsonSchema({"type": "string", "pattern": r"^/[!-~]*$"}),
]

# GitLab squeezes dashes in its slugs, and identity.py needs names without a double dash to keep
# `project` and `environment` apart in joined names.
_NAME = re.compile(r"[a-z](-?[a-z0-9])*")


def _check_name(text: str) -> str:
    if not _NAME.fullmatch(text) or len(text) > 24:
        raise ValueError(
            "expected at most 24 lower-case letters, digits and single dashes, "
            f"beginning with a letter, found `{text}`"
        )
    return text


Name = Annotated[
    str,
    AfterValidator(_check_name),
    WithJsonSchema({"type": "string", "pattern": r"^[a-z](-?[a-z0-9])*$", "maxLength": 24}),
]

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


def check_host(text: str) -> str:
    """A DNS host name in lower case (RFC 1123), or a ValueError that says what is wrong."""
    if not _is_host(text):
        raise ValueError(_no_host(text))
    return text


def _check_host_template(text: str) -> str:
    if not _is_host(text.replace("{slug}", "x" * 24)):
        raise ValueError(_no_host(text))
    return text


def _is_host(text: str) -> bool:
    return len(text) <= 253 and all(_LABEL.fullmatch(label) for label in text.split("."))


def _no_host(text: str) -> str:
    if "*" in text:
        hint = "; instead of `*`, write {slug} where the environment's slug belongs"
    elif "{" in text.replace("{slug}", ""):
        hint = "; the only word in braces is {slug}"
    elif "://" in text or "/" in text:
        hint = "; leave the scheme and the path out"
    elif re.search(r":\d+$", text):
        hint = "; leave the port out"
    elif "_" in text:
        hint = "; a host name has no `_`"
    elif _is_host(text.lower().replace("{slug}", "x" * 24)):
        hint = "; write it in lower case"
    elif _is_host(text.replace("{slug}", "x")):
        hint = "; between two dots there is room for 63 characters, and {slug} takes up to 24"
    else:
        hint = ""
    return f"expected a host name such as notes.example.com, found `{text}`{hint}"


# The schema's patterns cannot count what `{slug}` will take up; the functions above do.
_LABEL_PATTERN = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_LABEL_TEMPLATE = r"(?:[a-z0-9]|\{slug\})(?:(?:[a-z0-9-]|\{slug\})*(?:[a-z0-9]|\{slug\}))?"

HostTemplate = Annotated[
    str,
    AfterValidator(_check_host_template),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"^{_LABEL_TEMPLATE}(?:\.{_LABEL_TEMPLATE})*$",
            "maxLength": 253,
        }
    ),
]
Host = Annotated[
    str,
    AfterValidator(check_host),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"^{_LABEL_PATTERN}(?:\.{_LABEL_PATTERN})*$",
            "maxLength": 253,
        }
    ),
]

# What git check-ref-format(1) refuses in any ref.
_NOT_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?\[\\]|\.\.|@\{|//|^[/-]|/$|\.$|\.lock(/|$)|(^|/)\.")


def check_pattern(text: str) -> str:
    """A branch or tag, or a pattern with one `*`, that some ref of git can match.

    Raises:
        ValueError: no ref can match it.
    """
    if text.count("*") > 1:
        raise ValueError(f"expected at most one `*`, found `{text}`")
    if not text:
        raise ValueError("expected a branch or tag, found an empty text")
    if _NOT_IN_REF.search(text.replace("*", "x")) or text == "@":
        raise ValueError(f"no ref of git can match `{text}` (see git check-ref-format)")
    return text


RefPattern = Annotated[
    str,
    AfterValidator(check_pattern),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "pattern": r"^[^*]*\*?[^*]*$",
            "not": {
                "type": "string",
                "anyOf": [{"const": "@"}, {"pattern": _NOT_IN_REF.pattern}],
            },
        }
    ),
]

_IMAGE = re.compile(r"[a-z0-9](?:[A-Za-z0-9_.:/@-]*[A-Za-z0-9_.-])?")


def _check_image(text: str) -> str:
    if not _IMAGE.fullmatch(text):
        raise ValueError(f"expected an image such as postgres:15-bookworm, found `{text}`")
    return text


ImageName = Annotated[
    str,
    AfterValidator(_check_image),
    WithJsonSchema({"type": "string", "pattern": f"^{_IMAGE.pattern}$"}),
]
Port = Annotated[int, Field(ge=1, le=65535)]

DATABASE_WORDS = ("user", "password", "host", "port", "name")
# `{user.x}`, `{user!r}` and `{port:>9}` mean something to str.format, and to nobody here.
_DATABASE_TEMPLATE = re.compile(
    rf"(?:[^{{}}]|\{{\{{|\}}\}}|\{{(?:{'|'.join(DATABASE_WORDS)})\}})*", re.DOTALL
)


def _check_database_template(text: str) -> str:
    if not _DATABASE_TEMPLATE.fullmatch(text):
        words = ", ".join(f"{{{word}}}" for word in DATABASE_WORDS)
        raise ValueError(f"expected no words in braces but {words}, found `{text}`")
    return text


DatabaseTemplate = Annotated[
    str,
    AfterValidator(_check_database_template),
    WithJsonSchema({"type": "string", "pattern": f"^{_DATABASE_TEMPLATE.pattern}$"}),
]
