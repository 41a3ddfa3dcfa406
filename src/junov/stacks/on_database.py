"""A stack that was made for one database, made to use another one. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from junov.secret import Secret
from junov.stacks.stack import Stack

_TOLD = ("environment", "command", "entrypoint")


def on_database(stack: Stack, old: str, new: str) -> Stack:
    """The same stack, whose services are told of another database wherever they are told of one.

    The database and the role have one name, which is no other environment's, and no part of a
    longer word. So it is replaced in whatever the services are told: variables, commands, and the
    contents of configs and secrets; not in the names of networks, volumes and labels.

    Args:
        stack: the stack.
        old: the name of the database and the role that it was made for.
        new: the name of those that it is to use, with the same password.
    """
    if old == new:
        return stack
    word = re.compile(rf"(?<![\w.-]){re.escape(old)}(?![\w-]|\.\d)")

    def told(value: Any) -> Any:
        if isinstance(value, str):
            return word.sub(new, value)
        if isinstance(value, Mapping):
            return {key: told(each) for key, each in value.items()}
        return [told(each) for each in value] if isinstance(value, list) else value

    model = dict(stack.model)
    model["services"] = {
        name: {key: told(value) if key in _TOLD else value for key, value in service.items()}
        for name, service in model["services"].items()
    }
    for section in ("configs", "secrets"):
        if section in model:
            model[section] = {
                name: {
                    key: told(value) if key == "content" else value for key, value in one.items()
                }
                for name, one in model[section].items()
            }
    # A secret that has the name in it, such as a URL, is another one now.
    secrets = frozenset(Secret(told(secret.reveal())) for secret in stack.secrets)
    return replace(stack, model=model, secrets=stack.secrets | secrets)
