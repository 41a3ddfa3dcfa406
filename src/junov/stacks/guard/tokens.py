"""Finding the names of environments inside other text, as whole words only."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from junov.environments import Environment
from junov.stacks.guard.context import Foreign

_ADDRESS = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")
# The bounds of a name. `-` may follow one, for containers are `<stack>-<service>-1`.
_NAME = r"(?<![A-Za-z0-9_-])(?:{})(?![A-Za-z0-9_])"
# The bounds of a host. A dot before it makes it another host, or a domain for cookies.
_HOST = r"(?<![A-Za-z0-9_.-])(?:{})(?![A-Za-z0-9_-]|\.[A-Za-z0-9])"
# A host of one label is an everyday word, so it counts only where a URL has its host.
_SHORT_HOST = r"(?:(?<=://)|(?<=@))(?:{})(?![A-Za-z0-9_.-])"


@dataclass(frozen=True, slots=True)
class Carried:
    """A name of another environment inside a text.

    Args:
        text: the name as it stands there.
        label: the environment, such as `notes/prod`.
        what: what of it the name belongs to: "the host", "the database and role".
    """

    text: str
    label: str
    what: str


class ForeignNames:
    """The names of all other environments, ready to be looked for.

    Args:
        target: the environment whose stack is read; its own names never count.
        others: the other environments.
        ordinary: words that mean something else here, such as the stack's own services.
    """

    def __init__(
        self, target: Environment, others: Iterable[Foreign], ordinary: Iterable[str] = ()
    ) -> None:
        own = target.identity
        mine = {own.stack, own.network, own.database, own.role, own.route}
        harmless = {target.host.lower(), "localhost", *ordinary}
        self._names: dict[str, tuple[str, str]] = {}
        self._hosts: dict[str, tuple[str, str]] = {}
        for other in others:
            for name, what in _names_of(other):
                if name not in mine:
                    self._names.setdefault(name, (other.label, what))
            if other.host.lower() not in harmless:
                self._hosts.setdefault(other.host.lower(), (other.label, "the host"))
        self._own = [
            re.compile(_NAME.format(_any_of(mine))),
            re.compile(_HOST.format(re.escape(target.host)), re.IGNORECASE),
        ]
        long = [host for host in self._hosts if "." in host]
        short = [host for host in self._hosts if "." not in host]
        self._patterns = [
            (re.compile(pattern.format(_any_of(words)), flags), known)
            for pattern, words, known, flags in (
                (_HOST, long, self._hosts, re.IGNORECASE),
                (_SHORT_HOST, short, self._hosts, re.IGNORECASE),
                (_NAME, list(self._names), self._names, 0),
            )
            if words
        ]

    def inside(self, text: str) -> list[Carried]:
        """The names that a text carries, in their order; percent-encoded ones as well."""
        found = self._inside(text)
        if not found and "%" in text:
            found = self._inside(unquote(text))
        return found

    def _inside(self, text: str) -> list[Carried]:
        # Own names are covered with a letter, so that their parts don't become words.
        for own in self._own:
            text = own.sub(lambda match: "x" * len(match[0]), text)
        matches = [
            (match.start(), match[0], known[match[0] if known is self._names else match[0].lower()])
            for pattern, known in self._patterns
            for match in pattern.finditer(text)
        ]
        return [Carried(word, label, what) for _, word, (label, what) in sorted(matches)]


def addresses(text: str, networks: Sequence[str]) -> Iterator[str]:
    """The IPv4 addresses in a text that lie in one of the networks."""
    for match in _ADDRESS.finditer(text):
        try:
            address = ipaddress.IPv4Address(match[0])
        except ValueError:
            continue
        if any(address in ipaddress.IPv4Network(network) for network in networks):
            yield match[0]


def _names_of(other: Foreign) -> Iterator[tuple[str, str]]:
    """The names of an environment, each once, with what bears it."""
    bearers: dict[str, list[str]] = {}
    for what in ("database", "role", "network", "stack"):
        bearers.setdefault(getattr(other, what), []).append(what)
    for name, what_all in bearers.items():
        *most, last = what_all
        yield name, f"the {', '.join(most)} and {last}" if most else f"the {last}"


def _any_of(words: Iterable[str]) -> str:
    """The longest first: of two names, one may begin with the other."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
