"""What the journal keeps: frozen values, one class for each table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from junov.config.kinds import Tier
    from junov.environments.environment import Environment, RefType
    from junov.environments.identity import Identity

Status = Literal["new", "running", "stopped", "removing"]
"""What junov last did with an environment:

- `new`: it is to run: its first delivery is under way, or the first one after it was stopped;
- `running`: a release was delivered;
- `stopped`: nothing of it runs, since it was stopped or what was to be its first release failed;
  its data is kept;
- `removing`: a removal has begun; if it is still here, that was cut short.
"""

Outcome = Literal["running", "succeeded", "failed", "superseded", "cancelled"]
"""How a release ended:

- `running`: it is under way, or its run was killed and nobody has looked after it yet;
- `succeeded`: it serves, or served until the next one did;
- `failed`: it did not come to serve; what served before still does;
- `superseded`: its run was killed before it came to serve, and a later run undid what it had
  begun (one that a later run finished is `succeeded`);
- `cancelled`: the person or the CI job that ran it ended it.
"""

StepState = Literal["started", "done", "failed"]

MIGRATION_LOG = "migration.log"
"""The file beside a release's stack in which the last of what its migrations printed is kept."""


class Named(Protocol):
    """What says which environment is meant: an `Environment`, or its record."""

    @property
    def project(self) -> str:
        """The project's name."""
        ...

    @property
    def name(self) -> str:
        """The environment's name."""
        ...


@dataclass(frozen=True, slots=True)
class EnvironmentRecord:
    """An environment that this server knows.

    Args:
        id: its number in the journal; another one after it was forgotten and came back.
        project: the project's name.
        name: the environment's name.
        kind: the kind in `junov.yaml` that it is of.
        tier: how much it is protected.
        ref_type: `branch` or `tag`.
        ref_name: the branch or tag that it is for.
        slug: GitLab's slug of its name.
        label: the slug with a longer hash, from which its names are made.
        host: its host name, which no other environment of the server has.
        database: the database's name.
        network: the private network's name.
        stack: the Compose project's name.
        image_tag: the tag that its image is promoted to.
        expires: seconds without a deploy after which it may be stopped; None for never.
        keep: seconds for which its data is kept once it is stopped.
        status: what junov last did with it.
        created_at: when it was first registered.
        used_at: when it was last deployed, rolled back, reset or started.
        expires_at: when it may be stopped; None for never.
        stopped_at: since when nothing of it runs; None while it does.
    """

    id: int
    project: str
    name: str
    kind: str
    tier: Tier
    ref_type: RefType
    ref_name: str
    slug: str
    label: str
    host: str
    database: str
    network: str
    stack: str
    image_tag: str
    expires: int | None
    keep: int
    status: Status
    created_at: datetime
    used_at: datetime
    expires_at: datetime | None
    stopped_at: datetime | None

    @property
    def identity(self) -> Identity:
        """All of its names, made anew from project and name."""
        from junov.environments.identity import identify

        return identify(self.project, self.name)

    @property
    def environment(self) -> Environment:
        """The environment as it was last registered, for when there is no `junov.yaml` at hand."""
        from junov.environments.environment import Environment, Ref

        return Environment(
            identity=self.identity,
            kind=self.kind,
            tier=self.tier,
            ref=Ref(self.ref_type, self.ref_name),
            host=self.host,
            image_tag=self.image_tag,
            expires=self.expires,
        )

    @property
    def is_up(self) -> bool:
        """Whether it runs, or is about to."""
        return self.status in ("new", "running")

    @property
    def is_lasting(self) -> bool:
        """Whether it is the only one of its kind, and stays until somebody removes it by hand."""
        return self.name == self.kind

    @property
    def removable_at(self) -> datetime | None:
        """When its data may be removed; None for never, and while it runs."""
        if self.stopped_at is None or self.is_lasting or self.tier == "production":
            return None
        return self.stopped_at + timedelta(seconds=self.keep)

    def has_expired(self, now: datetime | None = None) -> bool:
        """Whether its time is up."""
        return self.expires_at is not None and self.expires_at <= (now or datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Release:
    """What was delivered to an environment: one image, by one person, at one time.

    A release is the last of junov's five nouns: project, environment, image, stack, release. It is
    numbered when its delivery begins, before anything is touched, so there is a release for each
    attempt and not only for those that came to serve. Its number is never used again while the
    environment exists. Together with its stack file, which stays in the release's folder, it is
    all that a rollback needs; a rollback is a new release with an older one's image and stack.

    Args:
        id: its number in the journal, over all environments.
        environment_id: the environment's number in the journal.
        number: its number in the environment, from 1 without gaps, as people call it.
        commit: the commit that the image was built from, in full.
        subject: the first line of that commit's message.
        author: who wrote the commit.
        committed_at: when the commit was made; None where that is not known.
        image: the image that its services run, as `<repository>@sha256:…`.
        debug_image: the image with tools and tests, in the same form; empty where there is none.
        stack_file: the resolved stack that was handed to the engine; None until it is written.
        restores: for a rollback, the number of the release whose stack it brings back; else None.
        schema_before: what the database's migrations stood at before this release ran any; empty
            where it ran none, there had been none, or that is not known.
        schema_heads: what they stood at after this release's had run, one for each head; empty
            where that is not known.
        who: the user or the CI job that ran the delivery.
        started_at: when the delivery began.
        ended_at: when it ended; None while it is under way or was killed.
        seconds: how long the delivery took; None while it is not over. Where it was measured, by
            a clock that doesn't jump; else between the two moments, and never below 0.
        outcome: how it ended.
        error: why it failed, in the words the user was shown; empty otherwise.
    """

    id: int
    environment_id: int
    number: int
    commit: str
    subject: str
    author: str
    committed_at: datetime | None
    image: str
    debug_image: str
    stack_file: Path | None
    restores: int | None
    schema_before: tuple[str, ...]
    schema_heads: tuple[str, ...]
    who: str
    started_at: datetime
    ended_at: datetime | None
    seconds: float | None
    outcome: Outcome
    error: str

    @property
    def digest(self) -> str:
        """The digest of its image, as `sha256:…`; empty where the image has none."""
        return self.image.partition("@")[2]

    @property
    def origin(self) -> int:
        """The number of the release whose stack it runs: its own, unless it is a rollback."""
        return self.number if self.restores is None else self.restores

    @property
    def migration_log(self) -> Path | None:
        """The file with what its migrations printed; None where there is none, or not any more."""
        file = self.stack_file.with_name(MIGRATION_LOG) if self.stack_file else None
        return file if file and file.is_file() else None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a release: written before it begins, and again when it has ended.

    Args:
        id: its number in the journal, over all releases.
        release_id: the release's number in the journal.
        position: its place in the release, from 1. A step that is done again is another one.
        name: what is done, such as `migrate`.
        state: `started` where it is under way or its run was killed in it.
        started_at: when it began.
        ended_at: when it ended; None while it has not.
        seconds: how long it took, as for `Release`.
        detail: what came of it, or why it failed.
    """

    id: int
    release_id: int
    position: int
    name: str
    state: StepState
    started_at: datetime
    ended_at: datetime | None
    seconds: float | None
    detail: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened beside the releases: a stop, a reset, a removal.

    Args:
        id: its number in the journal.
        at: when.
        project: the environment's project; empty where the whole server is meant.
        environment: the environment's name; empty where the whole server is meant. Events stay
            after the environment was forgotten.
        what: what happened, in a word or two: `stopped`, `removed`.
        who: the user or the CI job that did it.
        detail: more about it.
    """

    id: int
    at: datetime
    project: str
    environment: str
    what: str
    who: str
    detail: str


@dataclass(frozen=True, slots=True)
class Overview:
    """An environment with the two releases that tell how it is.

    Args:
        environment: the environment.
        last: its last release, however that ended; None where there was none.
        live: its last release that succeeded, which is what serves; None where there was none.
    """

    environment: EnvironmentRecord
    last: Release | None
    live: Release | None
