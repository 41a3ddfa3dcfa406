"""Releases: what was delivered to an environment, by whom, and how it went."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from junov.cli import options
from junov.cli.environment import name, of_project, project_here
from junov.cli.tables import in_words, print_fields, print_json, print_table, short_moment
from junov.errors import NotFoundError
from junov.site import Site

if TYPE_CHECKING:
    from junov.journal import EnvironmentRecord, Journal, Release, Step


@click.command()
@name
@click.argument("number", metavar="[NUMBER]", type=click.IntRange(min=1), required=False)
@of_project
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most this many."
)
@click.option("--log", is_flag=True, help="Print what the migrations of release NUMBER printed.")
@options.as_json
def releases(
    name: str, number: int | None, project: str | None, limit: int, log: bool, as_json: bool
) -> None:
    """List what was delivered to an environment.

    The newest release comes first, and the one that serves is marked. With a NUMBER: all that is
    known of that release and of its steps. The journal is asked and not the engine, so this works
    while nothing runs.
    """
    if log and (number is None or as_json):
        raise click.UsageError("--log prints one release's: it needs a NUMBER, and has no --json")
    from junov.delivery.environments import find_record

    site = Site()
    if number is None and not site.journal.environments():
        _say_nothing_known(
            f"the journal in {site.home.path} knows no environment yet; "
            "the first one comes with: junov run",
            as_json=as_json,
        )
        return
    environment = find_record(site, name, project or project_here())
    last = site.journal.last_release(environment, "succeeded")
    live = last.number if last else None
    if number is not None:
        release = site.journal.release(environment, number)
        if log:
            click.echo(_log(release), nl=False)
            return
        _show_one(site.journal, environment, release, live, as_json=as_json)
        return
    found = site.journal.releases(environment, limit)
    if not found:
        said = f"nothing was delivered to {name} yet; deliver with: junov deploy"
        _say_nothing_known(said, as_json=as_json)
    elif as_json:
        print_json([_data(environment, release, live) for release in found])
    else:
        _show_all(environment, found, live)


def _log(release: Release) -> str:
    file = release.migration_log
    if file is None:
        raise NotFoundError(
            f"nothing is kept of what migrations of release {release.number} printed",
            remedy="it ran none, or is too old to be kept; its steps are shown without --log",
        )
    return file.read_text(encoding="utf-8")


def _say_nothing_known(said: str, *, as_json: bool) -> None:
    if as_json:
        print_json([])
    click.echo(said, err=True)


def _show_all(environment: EnvironmentRecord, found: Sequence[Release], live: int | None) -> None:
    print_table(
        ("RELEASE", "COMMIT", "AUTHOR", "DIGEST", "BY", "WHEN (UTC)", "TOOK", "OUTCOME"),
        [
            (
                str(release.number),
                release.commit[:8],
                release.author or "-",
                release.digest.removeprefix("sha256:")[:12] or "-",
                release.who,
                short_moment(release.started_at.isoformat()),
                _took(release.seconds),
                _outcome(environment, release, live),
            )
            for release in found
        ],
        spare=("DIGEST", "BY", "TOOK", "AUTHOR"),
    )


def _show_one(
    journal: Journal,
    environment: EnvironmentRecord,
    release: Release,
    live: int | None,
    *,
    as_json: bool,
) -> None:
    steps = journal.steps(release)
    data = _data(environment, release, live)
    if as_json:
        print_json(data | {"steps": [_step_data(step) for step in steps]})
        return
    del data["live"], data["schema_before"]  # the outcome's words say it, and the heads'
    data |= {
        "schema_heads": _schema(release),
        "seconds": _took(release.seconds),
        "outcome": _outcome(environment, release, live),
    }
    print_fields((key, in_words(key, value)) for key, value in data.items())
    if steps:
        click.echo()
        print_table(
            ("STEP", "STATE", "TOOK", "DETAIL"),
            [
                (step.name, step.state, _took(step.seconds), " ".join(step.detail.split()))
                for step in steps
            ],
        )


def _outcome(environment: EnvironmentRecord, release: Release, live: int | None) -> str:
    word: str = release.outcome
    if release.number == live:
        word = "stopped" if environment.status == "stopped" else "serves"
    return word if release.restores is None else f"{word}, restores {release.restores}"


def _schema(release: Release) -> str:
    before, after = ", ".join(release.schema_before), ", ".join(release.schema_heads)
    return f"{before} → {after}" if before and after and before != after else after


def _took(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f} s"


def _data(environment: EnvironmentRecord, release: Release, live: int | None) -> dict[str, Any]:
    return {
        "project": environment.project,
        "environment": environment.name,
        "number": release.number,
        "commit": release.commit,
        "subject": release.subject,
        "author": release.author,
        "committed_at": _iso(release.committed_at),
        "image": release.image,
        "digest": release.digest,
        "debug_image": release.debug_image,
        "stack_file": str(release.stack_file) if release.stack_file else None,
        "restores": release.restores,
        "schema_before": list(release.schema_before),
        "schema_heads": list(release.schema_heads),
        "migration_log": str(release.migration_log) if release.migration_log else None,
        "who": release.who,
        "started_at": _iso(release.started_at),
        "ended_at": _iso(release.ended_at),
        "seconds": release.seconds,
        "outcome": release.outcome,
        "error": release.error,
        "live": release.number == live,
    }


def _step_data(step: Step) -> dict[str, Any]:
    return {
        "position": step.position,
        "name": step.name,
        "state": step.state,
        "started_at": _iso(step.started_at),
        "ended_at": _iso(step.ended_at),
        "seconds": step.seconds,
        "detail": step.detail,
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment else None
