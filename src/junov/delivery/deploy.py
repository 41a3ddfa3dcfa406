"""Deploy: from a promoted image to an environment that answers."""

from __future__ import annotations

from typing import Any

from junov.config.fields import format_duration
from junov.delivery.admission import admitted_image, refuse_foreign_network, refuse_over_limit
from junov.delivery.checked import deployed_stack
from junov.delivery.provision import ensure_database, ensure_private_network, fill, migrate
from junov.delivery.recording import next_number, recorded
from junov.delivery.rollout import Rollout
from junov.delivery.source import Source
from junov.delivery.verify import fetch_through_edge
from junov.locks import held
from junov.site import Site
from junov.stacks.assemble import render
from junov.steps import Steps

LOCK_SECONDS = 3600.0


def deploy(
    source: Source, site: Site, steps: Steps, *, wait: float | None = None
) -> dict[str, Any]:
    """Deliver the promoted image of a commit to the environment of its ref.

    Until the switch, whatever ran before goes on serving; what was started for this release is
    removed if anything fails. Every step may be repeated.

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
    """
    environment = source.require_environment()
    project, server = source.folder.config, site.server
    with held(
        site.home.locks_folder,
        environment.identity.lock,
        purpose=f"deploy of {source.short}",
        wait=LOCK_SECONDS if wait is None else wait,
        waiting=steps.saying("lock"),
    ):
        with steps.step("image", f"Find the image of {source.short}") as step:
            image, facts = admitted_image(source, site, environment)
            step.note = image.digest
        refuse_over_limit(site, project, environment)
        refuse_foreign_network(site, environment)
        number = next_number(site, environment)
        with steps.step("check", "Resolve and check the stack") as step:
            stack = deployed_stack(source.folder, environment, site, image, facts, release=number)
            step.note = ", ".join(stack.model["services"])

        # Nothing has been changed up to here: what is refused leaves no trace.
        with recorded(site, source, environment, image, number, steps) as (release, steps):
            release.write_stack(render(stack))
            with steps.step("network", "Private network") as step:
                network = ensure_private_network(site, environment, project)
                step.note = network.subnets[0]
            with steps.step("database", "Database") as step:
                database = ensure_database(site, environment, project)
                step.note = str(database)
            with steps.step("migrate", "Migrate") as step:
                migrate(site, project, environment, stack, release.stack_file, step)
            with steps.step("fixtures", "Fixtures") as step:
                fill(site, project, environment, database, stack, release.stack_file, step)

            rollout = Rollout(site, environment, project.web, stack, release.stack_file, number)
            with steps.step("supporting", "Supporting services") as step:
                rollout.start_supporting(step)
            with steps.step("web", f"Start {project.web.service} beside the old") as step:
                web = rollout.start_web(step)
            with rollout.switched_back_on_failure():
                with steps.step("switch", f"Switch {environment.host}") as step:
                    rollout.switch(web, step)
                with steps.step("verify", "Fetch it through the edge") as step:
                    fetch_through_edge(site, environment, project.web, step)
            with steps.step("retire", "Stop the old") as step:
                rollout.retire_old(step)
            with steps.step("background", "Background services") as step:
                rollout.roll_background(step)
            with steps.step("prune", "Forget what is too old") as step:
                release.prune(step)
        return {
            "environment": environment.name,
            "release": number,
            "commit": image.revision,
            "digest": image.digest,
            "url": server.url(environment.host),
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
    refuse_over_limit(site, project, environment)
    with steps.step("check", "Resolve and check the stack"):
        stack = deployed_stack(source.folder, environment, site, image, facts, release=0)
    with steps.step("plan", "What would be done") as step:
        step.say(f"network {environment.identity.network}")
        if project.database:
            step.say(f"database and role {environment.identity.database}")
        if stack.migrate:
            step.say(
                f"run {stack.migrate} (at most {format_duration(_migrate_seconds(source))}), "
                "from the new image"
            )
        for name in (*stack.supporting, project.web.service, *stack.background):
            step.say(f"start {name}")
        step.say(f"route {environment.host}")
    return {
        "environment": environment.name,
        "commit": image.revision,
        "digest": image.digest,
        "url": site.server.url(environment.host),
        "dry_run": True,
    }


def _migrate_seconds(source: Source) -> int:
    migrate = source.folder.config.migrate
    return migrate.timeout if migrate else 0
