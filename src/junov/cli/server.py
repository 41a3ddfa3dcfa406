"""The server: its machine, its images, its parts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from junov.cli import options
from junov.cli.progress import shown
from junov.cli.tables import print_json, print_table
from junov.config.fields import parse_duration
from junov.site import Site
from junov.steps import Steps


def _duration(context: click.Context, parameter: click.Parameter, value: str) -> int:
    del context, parameter
    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.group()
def server() -> None:
    """The server that environments run on."""


@server.command()
@click.option("--install", is_flag=True, help="Install Docker where there is none (Debian, root).")
def engine(install: bool) -> None:
    """Find the Docker Engine, its client and Compose; start the engine where it does not run."""
    from junov.engine.client import find_tools
    from junov.server.machine import prepare_engine

    prepare_engine(click.echo, install=install)
    tools = find_tools()
    builder = "with buildx" if tools.buildx else "which builds with BuildKit"
    click.echo(f"client: {' '.join(tools.docker)} {tools.docker_version}, {builder}")
    click.echo(f"compose: {' '.join(tools.compose)} {tools.compose_version}")


@server.command()
@click.option("--also", multiple=True, metavar="IMAGE", help="A further image; may be repeated.")
def images(also: tuple[str, ...]) -> None:
    """See to it that the engine has the server's images.

    They are pulled. Where no registry can be reached, stand-ins are built from Debian's and PyPI's
    packages, under the same names and with a label that says so.
    """
    from junov.server.server import ensure_server_images

    ensure_server_images(Site(), click.echo, also=also)


@server.command()
@options.verbose
@options.json_lines
def up(verbose: bool, as_json: bool) -> None:
    """Start the server, or bring it up to date with server.yaml.

    Without a server.yaml in JUNOV_HOME, one is written with the defaults. The edge and Postgres are
    connected into every environment's network again where they have been re-created. PgBouncer is
    started or removed as server.yaml says.
    """
    from junov.server.server import up as story

    with shown(as_json=as_json, verbose=verbose) as progress:
        story(Site(), Steps(progress))


@server.command()
@click.option("--purge", is_flag=True, help="Remove environments, databases, images and state too.")
@options.yes
@options.verbose
def down(purge: bool, yes: bool, verbose: bool) -> None:
    """Stop the server. Data is kept, unless --purge says otherwise."""
    from junov.server.down import down as story
    from junov.server.down import what_goes

    site = Site()
    going = what_goes(site, purge=purge)
    if not yes:
        click.echo("This removes:")
        for line in going:
            click.echo(f"  {line}")
        if not purge:
            click.echo("Databases, images and state stay; junov server up starts it again.")
        click.confirm("Go on?", abort=True)
    with shown(as_json=False, verbose=verbose) as progress:
        story(site, Steps(progress), purge=purge)


@server.command()
@click.option(
    "--older-than",
    default="7d",
    show_default=True,
    callback=_duration,
    metavar="DURATION",
    help="Only images of commits that are older.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@options.as_json
def prune(older_than: int, dry_run: bool, as_json: bool) -> None:
    """Remove images that nobody needs any more from this machine's engine.

    They are images that junov has built or pulled, which no container and no release that could be
    gone back to has. The registry's own are left alone, so what is missed is pulled again.
    """
    from junov.delivery.image_prune import find_unneeded, remove_unneeded

    site = Site()
    found = find_unneeded(site, datetime.now(UTC) - timedelta(seconds=older_than))
    names = [name for each in found for name in each.names]
    if not dry_run:
        names = remove_unneeded(site, found)
    if as_json:
        print_json({"dry_run": dry_run, "removed": names, "found": [e.to_json() for e in found]})
        return
    for name in names:
        click.echo(f"{'would be removed' if dry_run else 'removed'}: {name}")
    if not names:
        click.echo("there are none to remove")


@server.command("status")
@options.as_json
def status_command(as_json: bool) -> None:
    """Show what of the server runs. Exit code 1 where something does not."""
    from junov.server.status import status

    parts = status(Site())
    if as_json:
        print_json([part.to_json() for part in parts])
    else:
        print_table(
            ("PART", "STATE", "HEALTH", "ADDRESS", "IMAGE"),
            [
                (part.part, part.state, part.health or "-", part.address or "-", part.image)
                for part in parts
            ],
        )
    if not all(part.ok for part in parts):
        raise click.exceptions.Exit(1)


@server.command()
@options.as_json
def doctor(as_json: bool) -> None:
    """Check engine, Compose, disk, ports, clock, parts and backups, with the mend for each.

    Exit code 1 where something failed; warnings alone do not fail.
    """
    from junov.cli.findings import findings, show_findings

    show_findings(findings(Site()), as_json=as_json)
