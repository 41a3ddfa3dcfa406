"""Deploy: from a promoted image to an environment that answers."""

from __future__ import annotations

from typing import Any

from junov.config.fields import format_duration
from junov.config.project import FILE_NAME
from junov.delivery.admission import (
    admitted_image,
    pulled,
    refuse_foreign_network,
    register,
    require_edge,
    require_place,
)
from junov.delivery.backups.before import asks_for_backup, back_up_before_migrations
from junov.delivery.checked import deployed_stack
from junov.delivery.delivered import Delivered, release_folder, write_release
from junov.delivery.first_data import with_first_data
from junov.delivery.generations import on_live_database
from junov.delivery.limit import because_of
from junov.delivery.migrations import schema_heads
from junov.delivery.promised import tell_promised
from junov.delivery.provision import (
    bring_up,
    ensure_database,
    ensure_private_network,
    fill,
)
from junov.delivery.recipe import read_recipe
from junov.delivery.recording import Content, next_number, prune, recorded
from junov.delivery.repair import repaired
from junov.delivery.revisions import refuse_unclear_revisions
from junov.delivery.rollout.hooks import run_hooks
from junov.delivery.rollout.rollout import roll_out
from junov.delivery.source import Source
from junov.delivery.turn import turn
from junov.images import Image
from junov.pgbouncer import write_entries
from junov.site import Site
from junov.steps import Steps


def deploy(
    source: Source, site: Site, steps: Steps, *, wait: float | None = None
) -> dict[str, Any]:
    """Deliver the promoted image of a commit to the environment of its ref.

    Until the switch, whatever ran before goes on serving, and after it, until the old containers
    are stopped, there is a way back. Every step may be repeated.

    Args:
        source: the commit, on a ref that an environment is for.
        site: the server.
        steps: shows what is done.
        wait: seconds to wait for another run in this environment; an hour without, 0 for not at
            all.

    Returns:
        The release, for people and machines.

    Raises:
        NotFoundError: no environment is for the ref, or nothing was promoted for it.
        StageError: the image is another commit's or untested, or the release doesn't come up.
        GuardError: the wall refuses the stack; nothing was touched.
        LockedError: another run is at it for longer than `wait`.
        SupersededError: a newer commit is to be deployed, or was while this one waited.
    """
    environment = source.require_environment()
    project, purpose = source.folder.config, f"deploy of {source.short}"
    with turn(site, environment, purpose=purpose, steps=steps, wait=wait, commit=source.commit):
        with steps.step("image", f"Find the image of {source.short}") as step:
            image, facts = admitted_image(source, site, environment)
            step.note = image.digest
        require_place(site, project, environment)
        refuse_foreign_network(site, environment)
        require_edge(site)
        repaired(site, environment, environment.identity, steps)
        environment = on_live_database(site, environment, project)
        number = next_number(site, environment)
        with steps.step("check", "Resolve and check the stack") as step:
            stack = deployed_stack(source.folder, environment, site, image, facts, release=number)
            refuse_unclear_revisions(source.folder, stack)
            recipe = read_recipe(source.folder, stack, image.revision)
            step.note = ", ".join(stack.model["services"])
        with steps.step("pull", "Pull what the engine lacks") as step:
            pulled(site, stack, step)

        # Nothing has been changed up to here: what is refused leaves no trace.
        register(site, project, environment, steps, wait=wait)
        with recorded(site, environment, number, _content(source, image), steps) as (
            release,
            steps,
        ):
            folder = release_folder(site, environment.identity, number)
            delivered = Delivered(environment, project, stack, number, folder, recipe)
            write_release(delivered, (source.root / FILE_NAME).read_text(encoding="utf-8"))
            release.is_written_to(delivered.file)
            with steps.step("network", "Private network") as step:
                network = ensure_private_network(site, environment, project)
                step.note = network.subnets[0]
            with steps.step("database", "Database") as step:
                serves = site.routes.read(environment.identity.route)
                wanted = None if serves else recipe
                database = ensure_database(site, environment, project, recipe=wanted)
                write_entries(site)
                step.note = str(database)
                tell_promised(site, database, step)
                database = with_first_data(site, delivered, database, step)
            back_up_before_migrations(site, delivered, database, source.folder, steps)
            with steps.step("before", "Hooks before") as step:
                run_hooks(site, delivered, project.hooks.before, step)
            with steps.step("migrate", "Migrate") as step:
                bring_up(site, delivered, database, step)
                release.has_schema(schema_heads(site, delivered))
            with steps.step("fixtures", "Fixtures") as step:
                fill(site, delivered, database, image.revision, step)
            roll_out(site, delivered, release, steps)
            with steps.step("prune", "Forget what is too old") as step:
                prune(site, environment, number, step)
        return {
            "environment": environment.name,
            "release": number,
            "commit": image.revision,
            "digest": image.digest,
            "url": site.server.url(environment.host),
        }


def plan(source: Source, site: Site, steps: Steps) -> dict[str, Any]:
    """What a deploy would do: everything up to the first change.

    Raises:
        As `deploy`, for what can be told without changing anything.
    """
    environment = source.require_environment()
    project = source.folder.config
    with steps.step("image", f"Find the image of {source.short}") as step:
        image, facts = admitted_image(source, site, environment)
        step.note = image.digest
    places = require_place(site, project, environment)
    require_edge(site)
    environment = on_live_database(site, environment, project)
    with steps.step("check", "Resolve and check the stack"):
        stack = deployed_stack(source.folder, environment, site, image, facts, release=0)
        refuse_unclear_revisions(source.folder, stack)
        read_recipe(source.folder, stack, image.revision)
    with steps.step("plan", "What would be done") as step:
        for other in places.stops:
            step.say(f"stop {other.name}: {because_of(environment, places.limit)}")
        step.say(f"network {environment.identity.network}")
        if project.database:
            step.say(f"database and role {environment.identity.database}")
            if stack.migrate and asks_for_backup(site, environment):
                step.say("back the database up, if it is in use and there are migrations to run")
        for command in project.hooks.before:
            step.say(f"run `{command}` from the new image")
        if stack.migrate and project.migrate:
            step.say(
                f"run {stack.migrate} (at most {format_duration(project.migrate.timeout)}), "
                "from the new image"
            )
        for name in (*stack.supporting, project.web.service):
            step.say(f"start {name}")
        step.say(f"route {environment.host}")
        for name in stack.background:
            step.say(f"roll {name}")
        for command in project.hooks.after:
            step.say(f"run `{command}` from the new image")
        step.say(
            f"observe it for {format_duration(project.web_in(environment.kind).observe)}, then let "
            f"what is under way in the old end (at most {format_duration(project.web.drain)})"
        )
    return {
        "environment": environment.name,
        "commit": image.revision,
        "digest": image.digest,
        "url": site.server.url(environment.host),
        "dry_run": True,
    }


def _content(source: Source, image: Image) -> Content:
    return Content(
        commit=image.revision,
        subject=source.commit.subject,
        author=source.commit.author,
        committed_at=source.commit.committed_at,
        image=image.reference,
        debug_image=image.repository.at(image.debug_digest) if image.debug_digest else "",
    )
