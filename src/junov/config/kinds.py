"""The kinds of environments in `junov.yaml`, and what keeps them from standing side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from junov.config.fields import Duration, HostTemplate, Name, Pause, RefPattern
from junov.config.overlap import kinds_that_collide
from junov.config.validation import Model, did_you_mean
from junov.config.yamlfile import YamlFile
from junov.errors import Problem

Tier = Literal["production", "staging", "testing", "development", "other"]
"""GitLab's deployment tiers, so that both sides use the same words."""

DeployStart = Literal["automatic", "manual"]
"""How the job of a pipeline that delivers starts."""

STARTS = ("fixtures", "empty")
"""What a new database can have in it, beside what another environment has."""


class EnvironmentKind(Model):
    """One kind of environment: which refs it is for, where it is reached, how it is treated."""

    branch: RefPattern | None = Field(None, description="A branch, or a pattern with one `*`.")
    tag: RefPattern | None = Field(None, description="A git tag, or a pattern with one `*`.")
    host: HostTemplate = Field(
        description="Its host name; `{slug}` is the environment's slug.",
        examples=["notes.example.com"],
    )
    tier: Tier = Field("development", description="How much it is protected.")
    expires: Duration | None = Field(None, description="How long it stays without a deploy.")
    limit: int | None = Field(
        None,
        ge=1,
        le=500,
        description="How many of this kind may run at once; one more stops the least recently "
        "used.",
    )
    keep: Duration = Field(
        604800,
        description="How long a stopped environment's database is kept, for a branch that comes "
        "back.",
    )
    deploy: DeployStart = Field(
        "automatic",
        description="Whether a pipeline deploys it by itself, or waits for somebody to press the "
        "button.",
    )
    merge_request: DeployStart = Field(
        "manual", description="The same, for the pipelines of merge requests."
    )
    replicas: int | None = Field(
        None, ge=1, le=32, description="Instead of `web.replicas`, in environments of this kind."
    )
    observe: Pause | None = Field(
        None, description="Instead of `web.observe`, in environments of this kind."
    )
    start_from: Name = Field(
        "fixtures",
        description="What a new database has in it: `fixtures`, nothing (`empty`), or a copy of "
        "what another environment has, by its name. Production always starts empty.",
        examples=["stage"],
    )
    allow_reset: bool = Field(
        default=False,
        description="Whether the whole database may be replaced where the tier is `production`; "
        "in all others it always may.",
    )

    @property
    def pattern(self) -> str:
        """The branch or tag pattern."""
        return self.branch or self.tag or ""

    @property
    def is_pattern(self) -> bool:
        """Whether many refs can be of this kind."""
        return "*" in self.pattern

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wrong = _inconsistency(self.branch, self.tag, self.host)
        if wrong:
            raise ValueError(wrong)
        return self


def _inconsistency(branch: object, tag: object, host: object) -> str:
    """What keeps the keys of one kind from going together; empty where nothing does."""
    if branch is None and tag is None:
        return "expected `branch` or `tag`, found neither"
    if branch is not None and tag is not None:
        return "expected `branch` or `tag`, found both"
    pattern = branch if branch is not None else tag
    if not (isinstance(pattern, str) and isinstance(host, str)):
        return ""
    # A host with a `*` or another word in braces is wrong by itself, and told so.
    if "*" in pattern and not {"*", "{"} & set(host):
        return (
            f"every ref that matches `{pattern}` would have the host `{host}`; put {{slug}} into it"
        )
    return ""


def problems_of_kinds(file: YamlFile) -> list[Problem]:
    """What keeps the kinds of a `junov.yaml` from standing side by side."""
    return [*_inconsistencies(file), *_collisions(file), *_unknown_starts(file)]


def _raw_kinds(file: YamlFile) -> Iterator[tuple[str, Any]]:
    data: Any = file.data
    raw = data.get("environments") if isinstance(data, Mapping) else None
    for name, value in raw.items() if isinstance(raw, Mapping) else ():
        yield str(name), value


def _inconsistencies(file: YamlFile) -> list[Problem]:
    """What doesn't go together in kinds whose keys are wrong by themselves too.

    pydantic looks at a whole only once all its parts are right; a person wants to mend both at
    once. What it has found as well is the same problem, and stands in the list once.
    """
    found = []
    for name, value in _raw_kinds(file):
        if isinstance(value, Mapping):
            wrong = _inconsistency(*(value.get(key) for key in ("branch", "tag", "host")))
            if wrong:
                place = file.place(("environments", name))
                found.append(Problem(f"`environments.{name}`: {wrong}", place))
    return found


def _unknown_starts(file: YamlFile) -> list[Problem]:
    """Kinds that start from what isn't there, or mayn't be there."""
    kinds = {name: value for name, value in _raw_kinds(file) if isinstance(value, Mapping)}
    lasting = [
        name
        for name, value in kinds.items()
        if "*" not in f"{value.get('branch')} {value.get('tag')}"
    ]
    problems = []
    for name, value in kinds.items():
        start = value.get("start_from")
        known = [*STARTS, *(each for each in lasting if each != name)]
        if not isinstance(start, str):
            continue
        if value.get("tier") == "production" and start not in STARTS:
            wrong, remedy = "no other environment's data goes into production", "take the key out"
        elif start not in known:
            wrong = f"expected one of {', '.join(known)}, found `{start}`"
            remedy = did_you_mean(start, known) or "an environment has to be there at all times"
        else:
            continue
        place = file.place(("environments", name, "start_from"))
        problems.append(Problem(f"`environments.{name}.start_from`: {wrong}", place, remedy))
    return problems


def _collisions(file: YamlFile) -> list[Problem]:
    """Environments that could claim one thing, among those that are valid by themselves."""
    kinds: dict[str, EnvironmentKind] = {}
    for name, value in _raw_kinds(file):
        try:
            kinds[name] = EnvironmentKind.model_validate(value)
        except ValidationError:
            continue
    return [
        Problem(
            f"`{later}` and `{earlier}` can both claim {what}",
            file.place(("environments", later, key)),
            f"make the two differ; `{earlier}` stands on line "
            f"{file.place(('environments', earlier, key)).line}",
        )
        for earlier, later, key, what in kinds_that_collide(kinds)
    ]
