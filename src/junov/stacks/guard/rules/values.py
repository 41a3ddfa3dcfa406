"""Values are set, are real, and are this environment's own."""

from __future__ import annotations

from collections.abc import Iterator

from junov.stacks.guard.context import Context
from junov.stacks.guard.placeholders import why_no_secret, why_placeholder
from junov.stacks.guard.rule import DEPLOY, EVERYWHERE, Hit, Rule
from junov.stacks.guard.tokens import ForeignNames, addresses
from junov.stacks.guard.unset import unset_references
from junov.stacks.interpolation import without_value
from junov.stacks.layers import revealed


def _unset_variable(context: Context) -> Iterator[Hit]:
    for name, place, where in unset_references(context):
        yield Hit(f"`{name}` has no value, so {where} would get nothing", name, place=place)
    for loc, name, value in context.variables():
        if value is None and not context.is_given(str(loc[1]), name):
            yield Hit(
                f"`{name}` of service `{loc[1]}` is to come from the shell of whoever deploys, and "
                "has no value here",
                name,
                loc,
                key=True,
            )
    for section in ("configs", "secrets"):
        for key, data in context.stack.get(section, {}).items():
            source = (data or {}).get("environment")
            if source and source not in context.layers.values:
                loc = (section, key, "environment")
                yield Hit(f"`{source}` has no value, so `{key}` would be empty", source, loc)


def _blank_variable(context: Context) -> Iterator[Hit]:
    for loc, name, value in context.variables():
        if value == "" and not context.is_given(str(loc[1]), name):
            typed = context.sources.written(loc)
            if typed.literal or not any(without_value(typed.text, context.layers.values)):
                yield Hit(f"`{name}` of service `{loc[1]}` is set to nothing", name, loc, key=True)


def _placeholder_secret(context: Context) -> Iterator[Hit]:
    if not (context.target and context.target.is_production):
        return
    for name in context.project.secrets:
        given = context.layers.variables.get(name)
        why = why_no_secret(context.layers.values[name]) if given is not None else ""
        if why:
            place = context.folder.file.place(("secrets", name))
            yield Hit(f"the secret `{name}` {why}", name, place=place)
    for loc, name, value in context.variables():
        if value and not context.is_given(str(loc[1]), name):
            why = why_placeholder(name, value)
            if why:
                yield Hit(f"`{name}` of service `{loc[1]}` {why}", name, loc)


def _junov_variable(context: Context) -> Iterator[Hit]:
    ours = revealed(context.layers.variables)
    for loc, name, value in context.variables():
        if name.upper().startswith("JUNOV_") and value != ours.get(name):
            yield Hit(f"service `{loc[1]}` sets `{name}`", name, loc, key=True)
    # The files' own words lose against junov's, so they are looked for where they stand.
    for file in context.layers.read_env_files:
        for name, entry in file.entries.items():
            if name.upper().startswith("JUNOV_") and name in context.layers.variables:
                yield Hit(f"the env file sets `{name}`", name, place=entry.key)


def _foreign_identity(context: Context) -> Iterator[Hit]:
    if not context.target:
        return
    names = ForeignNames(context.target, context.others, ordinary=context.services)
    for loc, text, is_key in context.texts():
        for carried in names.inside(text):
            yield Hit(
                f"{_where(loc)} carries `{carried.text}`, {carried.what} of {carried.label}",
                carried.text,
                loc,
                carried.text,
                key=is_key,
            )
    # Also what another layer happens to override today: the line is wrong, and the next change of
    # the compose file would make it count.
    for file in context.layers.read_env_files:
        for entry in file.entries.values():
            for carried in names.inside(entry.value(context.layers.values)):
                yield Hit(
                    f"`{entry.name}` carries `{carried.text}`, {carried.what} of {carried.label}",
                    carried.text,
                    place=entry.place_of(carried.text),
                )
    for key, volume in context.stack.get("volumes", {}).items():
        name = (volume or {}).get("name", "")
        for other in context.others:
            if name.startswith(f"{other.stack}_") and not name.startswith(
                f"{context.target.identity.stack}_"
            ):
                yield Hit(
                    f"the volume `{key}` is `{name}`, a volume of {other.label}",
                    name,
                    ("volumes", key, "name"),
                    name,
                )


def _pool_address(context: Context) -> Iterator[Hit]:
    networks = [context.pool] if context.pool else []
    networks += [other.subnet for other in context.others if other.subnet]
    for loc, text, is_key in context.texts():
        if "networks" in (loc[0], loc[2] if len(loc) > 2 else ""):
            continue  # `fixed-address` speaks of these
        for address in addresses(text, networks):
            yield Hit(
                f"{_where(loc)} carries {address}, an address of the server's private networks",
                address,
                loc,
                address,
                key=is_key,
            )


def _where(loc: tuple[str | int, ...]) -> str:
    """A place in the model as a sentence begins with it."""
    if loc[0] != "services":
        return f"the {str(loc[0]).removesuffix('s')} `{loc[1]}`"
    what = f"`{loc[3]}`" if loc[2] in ("environment", "labels") and len(loc) > 3 else f"`{loc[2]}`"
    return f"{what} of service `{loc[1]}`"


RULES = (
    Rule(
        id="unset-variable",
        sentence="A variable that has no value and no default. Compose would put nothing in its "
        "place. The shell of whoever deploys doesn't count: values come from the env files, from "
        "junov and from the declared secrets.",
        remedy="give it a value in the env file of this environment, or a default: "
        "${NAME:-default}; a secret belongs under `secrets` in junov.yaml",
        waivable=False,
        check=_unset_variable,
        applies_to=EVERYWHERE,
        bad="services:\n  web:\n    environment:\n      API: https://${API_HOST}/\n",
        good="services:\n  web:\n    environment:\n      API: https://${API_HOST:-localhost}/\n",
    ),
    Rule(
        id="blank-variable",
        sentence="A variable that is set to nothing. Most programs take that for a value, and fail "
        "later, elsewhere.",
        remedy="give it a value, or remove it",
        waivable=True,
        check=_blank_variable,
        applies_to=DEPLOY,
        bad='services:\n  web:\n    environment:\n      SENTRY_DSN: ""\n',
        good="services:\n  web:\n    environment:\n      SENTRY_DSN: https://key@sentry.test/1\n",
    ),
    Rule(
        id="placeholder-secret",
        sentence="A secret in production that is a placeholder or shorter than eight characters.",
        remedy="name it under `secrets` in junov.yaml: junov then makes one for each environment, "
        "or asks for it",
        waivable=True,
        check=_placeholder_secret,
        applies_to=DEPLOY,
        bad="services:\n  web:\n    environment:\n      SECRET_KEY: changeme\n",
        good="# junov.yaml\nsecrets:\n  SECRET_KEY: generate\n",
    ),
    Rule(
        id="junov-variable",
        sentence="A variable that begins with `JUNOV_`. These say which environment and release a "
        "container belongs to, and junov sets them itself.",
        remedy="remove it; each service gets JUNOV_PROJECT, JUNOV_ENVIRONMENT, JUNOV_URL and the "
        "others by itself",
        waivable=False,
        check=_junov_variable,
        applies_to=EVERYWHERE,
        bad="services:\n  web:\n    environment:\n      JUNOV_ENVIRONMENT: prod\n",
        good="services:\n  web:\n    environment:\n      SENTRY_RELEASE: ${JUNOV_COMMIT}\n",
    ),
    Rule(
        id="foreign-identity",
        sentence="A value that carries another environment's host, database, role, network or "
        "stack. It is what a typo or a forgotten copy looks like, just before stage writes into "
        "prod's database.",
        remedy="use this environment's own: ${JUNOV_HOST} for the host; the database's variables "
        "junov sets by itself",
        waivable=True,
        check=_foreign_identity,
        applies_to=DEPLOY,
        bad="services:\n  web:\n    environment:\n      PUBLIC_URL: https://notes.example.com\n",
        good="services:\n  web:\n    environment:\n      PUBLIC_URL: https://${JUNOV_HOST}\n",
    ),
    Rule(
        id="pool-address",
        sentence="An address in the server's private networks. Addresses change with every "
        "release, and soon belong to another environment.",
        remedy="use the service's name",
        waivable=False,
        check=_pool_address,
        applies_to=DEPLOY,
        bad="services:\n  web:\n    environment:\n      CACHE: redis://10.213.0.5:6379\n",
        good="services:\n  web:\n    environment:\n      CACHE: redis://cache:6379\n",
    ),
)
