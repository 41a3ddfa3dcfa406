"""Migrations of a release: run within bounds, with what they say kept, and their failures told."""

from __future__ import annotations

import re
import shlex
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from junov.config.fields import format_duration
from junov.config.home import write_private
from junov.delivery.delivered import Delivered
from junov.delivery.rollout.hooks import run_once
from junov.delivery.values import database_password
from junov.environments import Identity
from junov.errors import JunovError, StageError, UnavailableError
from junov.journal.records import MIGRATION_LOG
from junov.process import TIMED_OUT
from junov.secret import redact
from junov.site import Site
from junov.steps import Step

KEPT_BYTES = 64 * 1024
"""How much is kept of what the migrations of one release have printed: the end of it."""

# What Postgres says, in English at least, and what psycopg and SQLAlchemy call it.
_LOCK_TIMEOUT = re.compile(r"due to lock timeout|LockNotAvailable|LockNotAvailableError|\b55P03\b")


def migrate(site: Site, delivered: Delivered, step: Step, *, code: Delivered | None = None) -> None:
    """Run the migration service of a release to its end.

    Args:
        site: the server.
        delivered: the release that is under way: where the migrations stood before them, and what
            they print, is kept with it.
        step: told what they print.
        code: the release whose migrations run, where it is another one.

    Raises:
        StageError: they failed, waited for a lock for too long or took too long; the old release
            goes on serving.
    """
    code = code or delivered
    if code.project.migrate is None or code.stack.migrate is None:
        step.note = "the project has no migrations"
        return
    _run(site, delivered, code, (), step, "migration")


def take_back(
    site: Site, delivered: Delivered, code: Delivered, command: Sequence[str], step: Step
) -> None:
    """Take the schema of a release's database back.

    Args:
        site: the server.
        delivered: the release that is under way, as for `migrate`.
        code: the release whose code knows the way back.
        command: the command that goes it.
        step: told what it prints.

    Raises:
        StageError: as `migrate`.
    """
    _run(site, delivered, code, command, step, "downgrade")
    step.note = f"`{shlex.join(command)}` with the code of release {code.release}"


def schema_heads(site: Site, delivered: Delivered) -> tuple[str, ...]:
    """Where the migrations of the environment's database stand; empty where that isn't known."""
    if delivered.project.database is None or delivered.stack.migrate is None:
        return ()
    return database_heads(site, delivered.environment.identity)


def database_heads(site: Site, names: Identity) -> tuple[str, ...]:
    """Where the migrations of a database stand; empty where that isn't known."""
    try:
        return site.postgres.alembic_heads(
            names.database, names.role, database_password(site, names)
        )
    except UnavailableError:  # such as a role that has no connection left
        return ()


def _run(
    site: Site,
    delivered: Delivered,
    code: Delivered,
    command: Sequence[str],
    step: Step,
    what: str,
) -> None:
    settings, service = code.project.migrate, code.stack.migrate
    if settings is None or service is None:
        raise AssertionError(code)
    site.journal.set_schema_before(
        delivered.environment, delivered.release, schema_heads(site, delivered)
    )
    title = shlex.join(command) or service
    printed = _Printed(step)
    printed.keep(f"{datetime.now(UTC):%F %T} UTC: {what}, {title}")
    ended = "it was interrupted"
    try:
        exit_code = run_once(
            site,
            code,
            service,
            command,
            settings.timeout,
            Step(step.name, printed.say),
            variables=_variables(code, service),
        )
        ended = f"it ended with exit code {exit_code}"
    finally:
        printed.keep(ended)
        _keep(delivered, printed.lines, step)
    if exit_code == TIMED_OUT:
        raise StageError(
            f"the {what} had not ended after {format_duration(settings.timeout)} and was ended",
            remedy="see what it waits for, or set a larger `migrate.timeout` in junov.yaml; what "
            "ran before goes on serving",
        )
    if exit_code and any(map(_LOCK_TIMEOUT.search, printed.lines)):
        raise _waited_too_long(site, code, what)
    if exit_code:
        raise StageError(
            f"the {what} failed: {title} ended with exit code {exit_code}",
            remedy="its last lines are above; what ran before goes on serving",
        )


class _Printed:
    """The last lines of what is printed, which the step is told as well.

    Args:
        step: the step.
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        self._letters = 0
        self.lines: deque[str] = deque()

    def say(self, text: str) -> None:
        """Take a line."""
        self.keep(text)
        self._step.say(text)

    def keep(self, text: str) -> None:
        """Take a line that the step isn't told."""
        self.lines.append(text[-KEPT_BYTES:])
        self._letters += len(self.lines[-1])
        # A migration may print more than there is memory.
        while self._letters + len(self.lines) > 2 * KEPT_BYTES:
            self._letters -= len(self.lines.popleft())


def last_of(text: str, size: int) -> str:
    """The last whole lines of a text that take no more bytes than `size` in UTF-8."""
    data = text.encode()
    if len(data) <= size:
        return text
    _, _, rest = data[-size - 1 :].partition(b"\n")
    return rest.decode()


def with_lock_timeout(own: str, seconds: int) -> str:
    """What libpq is told by `PGOPTIONS`, so that no statement waits for a lock for longer.

    While a statement waits for a table, everybody who wants that table waits behind it. What a
    service says itself comes last, and so wins
    (https://www.postgresql.org/docs/15/libpq-envars.html).

    Args:
        own: the service's own `PGOPTIONS`; empty where it has none.
        seconds: how long a statement may wait.
    """
    return f"-c lock_timeout={seconds * 1000} {own}".strip()


def _variables(code: Delivered, service: str) -> dict[str, str]:
    if code.project.database is None or code.project.migrate is None:
        return {}
    own = (code.stack.model["services"][service].get("environment") or {}).get("PGOPTIONS") or ""
    return {"PGOPTIONS": with_lock_timeout(own, code.project.migrate.lock_timeout)}


def _keep(delivered: Delivered, lines: Iterable[str], step: Step) -> None:
    """Put what was printed after what other migrations of the same release have printed."""
    file = delivered.folder / MIGRATION_LOG
    before = ""
    with suppress(OSError, UnicodeDecodeError):
        before = file.read_text(encoding="utf-8")
    try:
        write_private(file, last_of(before + "\n".join([*lines, ""]), KEPT_BYTES))
    except OSError as error:  # a full disk; what became of the migration is more important
        step.say(f"what it printed can't be kept in {file}: {error.strerror}")


def _waited_too_long(site: Site, code: Delivered, what: str) -> StageError:
    """The failure of a migration that gave up waiting for a lock."""
    names = code.environment.identity
    seconds = code.project.migrate.lock_timeout if code.project.migrate else 0
    try:
        holder = site.postgres.lock_holder(names.database)
    except JunovError as error:
        holder, said = None, f"who holds it can't be told: {error.message}"
    else:
        said = str(holder) if holder else "whoever held it has let go since"
    mine = holder and holder.role == names.role
    end = f"SELECT pg_terminate_backend({holder.pid})" if holder else ""
    # Its own role may end its own sessions, and nobody else's.
    psql = f'junov db psql {shlex.quote(names.name)} -- -c "{end}"'
    how = f"end it ({psql})" if mine else "have it ended"
    return StageError(
        f"the {what} waited for a lock of the database for {format_duration(seconds)} and gave "
        f"up; {redact(said, code.stack.secrets)}",
        remedy=(f"wait for that session to end or {how}" if holder else "wait until it is idle")
        + ", and do this again; what ran before goes on serving",
    )
