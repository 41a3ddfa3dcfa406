"""The stages, each alone and all together, on the real engine, registry, Postgres and edge."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from junov.delivery.rollout.containers import ONE_OFF
from junov.engine.api import Engine
from junov.environments import identify
from junov.environments.labels import PROJECT, TEST_RUN
from junov.site import Site
from tests.engine.conftest import Shell, Web, environment, set_version
from tests.waiting import until


def test_a_branch_becomes_an_environment_that_answers(notes: Shell, web: Web) -> None:
    prod = environment(notes, "prod")
    commit = notes("git", "rev-parse", "main").strip()
    assert prod["status"] == "healthy"
    assert prod["tier"] == "production"
    assert prod["commit"] == commit
    assert str(prod["image"]).endswith(str(prod["digest"]))
    status, health = web(str(prod["url"]), "/health")
    assert status == 200
    assert health["environment"] == "prod"
    assert health["commit"] == commit
    assert health["database"] == prod["database"]


def test_data_of_one_environment_is_not_in_the_other(notes: Shell, web: Web) -> None:
    prod, stage = (str(environment(notes, name)["url"]) for name in ("prod", "stage"))
    status, _ = web(prod, "/notes", {"text": "only in prod"})
    assert status == 201
    assert "only in prod" in json.dumps(web(prod, "/notes"))
    assert "only in prod" not in json.dumps(web(stage, "/notes"))


def test_the_list_has_what_machines_need(notes: Shell) -> None:
    listed = json.loads(notes("junov", "env", "ls", "--json"))
    assert [each["name"] for each in listed] == ["prod", "stage"]
    fields = (
        "project name slug tier status url host image digest commit ref database release "
        "deployed_at expires_at"
    )
    assert set(fields.split()) <= set(listed[0])


def test_each_stage_works_on_a_machine_that_ran_none_of_the_others(
    tiny: Shell, site: Site, web: Web, tmp_path: Path
) -> None:
    repository = site.server.repository("by-stages")
    for number, stage in enumerate(("lint", "build", "test", "promote", "deploy")):
        clone = tmp_path / f"machine-{number}"
        tiny("git", "clone", "--quiet", str(tiny.folder), str(clone))
        environ = {**tiny.environ, "CI_REGISTRY_IMAGE": str(repository)}
        machine = Shell(clone, environ)
        machine("junov", stage)
        if stage != "deploy":
            forget_images(machine, str(repository))
            shutil.rmtree(clone)
    status, said = web(str(environment(tiny, "prod")["url"]))
    assert (status, said["JUNOV_ENVIRONMENT"]) == (200, "prod")


def forget_images(machine: Shell, repository: str) -> None:
    """Make the engine as one that has never seen this project."""
    local = machine("docker", "image", "ls", "--quiet", repository).split()
    if local:
        machine("docker", "image", "rm", "--force", *dict.fromkeys(local))


def test_what_was_done_for_a_commit_is_not_done_again(tiny: Shell) -> None:
    first = tiny("junov", "run")
    again = tiny("junov", "run")
    assert "not built yet" in first
    assert "built before" in again
    assert "passed before" in again


def test_changes_that_are_not_committed_are_refused_unless_told(tiny: Shell) -> None:
    (tiny.folder / "app.py").write_text("VERSION = 'other'")
    refused = tiny("junov", "build", expect=1)
    assert "not committed: app.py" in refused
    assert "--allow-dirty" in refused


def test_an_untested_image_is_not_promoted_and_an_unpromoted_one_not_deployed(tiny: Shell) -> None:
    assert "has not been built" in tiny("junov", "test", expect=1)
    tiny("junov", "build")
    refused = tiny("junov", "promote", expect=1)
    assert "has not passed its tests" in refused
    assert "junov test" in refused
    tiny("junov", "test")
    assert "nothing has been promoted" in tiny("junov", "deploy", expect=1)


def test_another_commit_than_the_promoted_one_is_not_deployed(tiny: Shell) -> None:
    tiny("junov", "run")
    set_version(tiny, "2")
    refused = tiny("junov", "deploy", expect=1)
    assert "is commit" in refused
    assert "junov run main" in refused


def test_failing_tests_stop_the_pipeline_and_leave_nothing(
    tiny: Shell, engine: Engine, tmp_path: Path
) -> None:
    set_version(tiny, "broken")
    report = tmp_path / "reports" / "junit.xml"
    failed = tiny("junov", "build") and tiny("junov", "test", "--report", str(report), expect=1)
    assert "the tests run version broken" in failed, "their output is shown"
    assert "ended with exit code 1" in failed
    assert report.exists(), "the report of a failed run is what CI shows"
    assert "has not passed its tests" in tiny("junov", "promote", expect=1)
    assert not [c.name for c in engine.containers({TEST_RUN: ""}) if tiny_project(tiny) in c.name]


def tiny_project(tiny: Shell) -> str:
    return (tiny.folder / "junov.yaml").read_text().split("project: ")[1].split()[0]


def test_a_killed_test_run_leaves_nothing(tiny: Shell, engine: Engine) -> None:
    test = tiny.folder / "checks.py"
    test.write_text("import threading; print('hanging', flush=True); threading.Event().wait()")
    tiny.commit("Tests that never end")
    tiny("junov", "build")
    run = subprocess.Popen(
        ["junov", "test"],
        cwd=tiny.folder,
        env={**tiny.environ, "XDG_CACHE_HOME": str(tiny.folder.parent / "cache")},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stderr
    for line in run.stderr:
        if "hanging" in line:
            break
    project = tiny_project(tiny)

    def left() -> list[str]:
        names = [c.name for c in engine.containers({TEST_RUN: ""})]
        names += [network.name for network in engine.networks({TEST_RUN: ""})]
        names += list(map(str, (tiny.folder.parent / "cache" / "junov" / "runs").glob("*")))
        return [name for name in names if project in name or "runs" in name]

    assert left(), "it was under way"
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    until(lambda: not left(), f"nothing is left of the run, but there is {left()}")


def test_a_release_that_never_gets_healthy_leaves_the_old_one_serving(
    tiny: Shell, web: Web, engine: Engine
) -> None:
    tiny("junov", "run")
    url = str(environment(tiny, "prod")["url"])
    app = tiny.folder / "app.py"
    serve = "    ThreadingHTTPServer"
    app.write_text(app.read_text().replace(serve, f"    sys.exit('no port')\n{serve}"))
    commit = tiny.commit("A release that ends at once")
    failed = tiny("junov", "run", expect=1)
    assert "ended with exit code 1, again and again" in failed
    assert "no port" in failed, "its last log lines are part of the error"
    assert "secret is ••••••" in failed, "without its secrets"
    assert web(url)[1]["version"] == "1"
    prod = environment(tiny, "prod")
    assert prod["commit"] != commit
    assert prod["status"] == "healthy"
    names = [c.name for c in engine.containers({"dev.junov.project": tiny_project(tiny)})]
    assert not any("-r2-" in name for name in names), "what was started for it is removed"


def test_a_failed_migration_leaves_the_old_one_serving(tiny: Shell, web: Web) -> None:
    tiny("junov", "run")
    url = str(environment(tiny, "prod")["url"])
    compose = tiny.folder / "compose.yaml"
    compose.write_text(compose.read_text().replace("print('migrated')", "exit('cannot migrate')"))
    tiny.commit("A migration that fails")
    failed = tiny("junov", "run", expect=1)
    assert "cannot migrate" in failed
    assert "what ran before goes on serving" in failed
    assert web(url)[1]["JUNOV_RELEASE"] == "1"
    compose.write_text(compose.read_text().replace("exit('cannot migrate')", "print('now')"))
    tiny.commit("A migration that works")
    tiny("junov", "run")
    assert web(url)[1]["JUNOV_RELEASE"] == "3"


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_a_migration_does_not_outlive_its_deploy(
    tiny: Shell, engine: Engine, ending: signal.Signals
) -> None:
    compose = tiny.folder / "compose.yaml"
    endless = "import threading; threading.Event().wait()"
    compose.write_text(compose.read_text().replace("print('migrated')", endless))
    tiny.commit("A migration that never ends")
    running = {PROJECT: tiny_project(tiny), ONE_OFF: "True"}
    # Where the tests run in a shell's background, that shell has SIGINT ignored for all of them.
    argv = ["env", "--default-signal=INT", "junov", "run"]
    deploy = subprocess.Popen(argv, cwd=tiny.folder, env=tiny.environ)
    until(lambda: bool(engine.containers(running, all_states=False)), "it migrates", seconds=60)
    deploy.send_signal(ending)
    assert deploy.wait(timeout=60) == {signal.SIGINT: 130, signal.SIGKILL: -9}[ending]
    if ending == signal.SIGINT:
        assert engine.containers(running) == []
    compose.write_text(compose.read_text().replace(endless, "print('migrated')"))
    tiny.commit("A migration that ends")
    tiny("junov", "run")
    assert engine.containers(running) == [], "the next one clears away what a killed one left"


def test_a_new_release_takes_the_place_of_the_old(tiny: Shell, web: Web, engine: Engine) -> None:
    tiny("junov", "run")
    url = str(environment(tiny, "prod")["url"])
    set_version(tiny, "2")
    tiny("junov", "run")
    assert web(url)[1]["version"] == "2"
    services = [
        container.service
        for container in engine.containers({"dev.junov.project": tiny_project(tiny)})
    ]
    assert sorted(services) == ["web-r2", "worker"]


@pytest.mark.parametrize("ending", ["failure", "kill"])
def test_a_work_tree_that_is_tested_as_it_is_stays_as_it_is(
    tiny: Shell, engine: Engine, ending: str
) -> None:
    app = tiny.folder / "app.py"
    app.write_text(app.read_text().replace('VERSION = "1"', 'VERSION = "broken"'))
    if ending == "kill":
        hang = "import threading; print('hanging', flush=True); threading.Event().wait()"
        (tiny.folder / "checks.py").write_text(hang)
    before = {path.name for path in tiny.folder.iterdir()}
    tiny("junov", "build", "--allow-dirty")
    if ending == "failure":
        tiny("junov", "test", "--allow-dirty", expect=1)
    else:
        run = subprocess.Popen(
            ["junov", "test", "--allow-dirty"], cwd=tiny.folder, env=tiny.environ
        )
        mine = {TEST_RUN: "", PROJECT: tiny_project(tiny)}
        until(lambda: bool(engine.containers(mine, all_states=False)), "the tests run")
        run.kill()
        run.wait()
        until(lambda: not engine.networks(mine) and not engine.containers(mine), "it is cleared")
    assert {path.name for path in tiny.folder.iterdir()} == before


def test_without_the_journal_a_failed_deploy_still_leaves_the_old_one_serving(
    tiny: Shell, web: Web, site: Site
) -> None:
    tiny("junov", "run")
    url = str(environment(tiny, "prod")["url"])
    site.journal.forget(site.journal.environment(tiny_project(tiny), "prod"))
    app = tiny.folder / "app.py"
    serve = "    ThreadingHTTPServer"
    app.write_text(app.read_text().replace(serve, f"    sys.exit('no port')\n{serve}"))
    tiny.commit("A release that ends at once")
    tiny("junov", "run", expect=1)
    assert web(url)[1]["JUNOV_RELEASE"] == "1"


def test_what_a_config_holds_outlives_the_checkout(tiny: Shell, engine: Engine) -> None:
    (tiny.folder / "colours.conf").write_text("red: $five\n")
    compose = tiny.folder / "compose.yaml"
    compose.write_text(
        compose.read_text().replace("    stop_grace", "    configs: [colours]\n    stop_grace", 1)
        + "configs: {colours: {file: ./colours.conf}}\n"
    )
    tiny.commit("A config from a file")
    tiny("junov", "run")
    (container,) = (
        each
        for each in engine.containers({PROJECT: tiny_project(tiny)})
        if each.service == "web-r1"
    )
    tiny("docker", "restart", container.name)
    assert engine.copy_file_out(container.id, "/colours") == b"red: $five\n"
    until(lambda: environment(tiny, "prod")["status"] == "healthy", "it runs again")


def test_every_replica_of_web_gets_requests(tiny: Shell, web: Web, site: Site) -> None:
    compose = tiny.folder / "compose.yaml"
    compose.write_text(
        compose.read_text().replace(
            "    stop_grace", "    deploy: {replicas: 2}\n    stop_grace", 1
        )
    )
    tiny.commit("Two of web")
    tiny("junov", "run")
    prod = environment(tiny, "prod")
    route = site.routes.read(identify(tiny_project(tiny), "prod").route)
    assert route
    assert len(route.servers) == 2
    assert {web(str(prod["url"]))[0] for _ in range(4)} == {200}


def test_a_ref_without_an_environment_ends_after_its_tests(tiny: Shell) -> None:
    tiny("git", "checkout", "--quiet", "-b", "fix/typo")
    said = tiny("junov", "run")
    assert "no environment is for the branch fix/typo" in said
    refused = tiny("junov", "deploy", expect=1)
    assert "branch main → prod" in refused
