"""What is handed to the engine: one image, one network, nobody else's names, and no `$` lost."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from junov.config.project import Project
from junov.environments.environment import Environment, environment_named
from junov.secret import Secret
from junov.stacks.assemble import MIGRATE_PROFILE, assemble_deploy, assemble_test, render
from junov.stacks.stack import Stack
from tests.unit.guard.case import compose_argv

IMAGE = f"registry.example.com/notes@sha256:{'ab' * 32}"
COMMIT = "3f2a1b" + "0" * 34
PROJECT = Project.model_validate(
    {
        "project": "notes",
        "migrate": {"service": "alembic"},
        "database": {"service": "db"},
        "environments": {"prod": {"branch": "main", "host": "notes.example.com"}},
    }
)
PROD: Environment = environment_named(PROJECT, "prod")
VALUES = {
    "DATABASE_URL": Secret("postgresql://notes_prod:pw@db:5432/notes_prod"),
    "JUNOV_RELEASE": "7",
}

BUILD = {"context": "/src", "dockerfile": "Dockerfile"}
HEALTHY = {"condition": "service_healthy", "required": True}
COMPLETED = {"condition": "service_completed_successfully", "required": True}
DEFAULT: dict[str, Any] = {"default": None}
MODEL: dict[str, Any] = {
    "name": "notes_prod",
    "services": {
        "web": {
            "build": BUILD,
            "image": "notes:local",
            "pull_policy": "build",
            "ports": [{"target": 8000, "published": "8000"}],
            "environment": {"DATABASE_URL": "postgresql://notes@db/notes", "LEVEL": "info"},
            "depends_on": {"db": HEALTHY, "alembic": COMPLETED, "assets": COMPLETED},
            "networks": {"front": {"aliases": ["api", "site"]}, "back": {"aliases": ["api"]}},
            "labels": {"com.example": "1"},
            "volumes": [{"type": "volume", "source": "uploads", "target": "/uploads"}],
            "secrets": [{"source": "token", "target": "/run/secrets/token"}],
        },
        "worker": {"build": BUILD, "depends_on": {"alembic": COMPLETED}, "networks": DEFAULT},
        "alembic": {
            "build": BUILD,
            "restart": "always",
            "depends_on": {"db": HEALTHY},
            "networks": DEFAULT,
        },
        "assets": {"build": BUILD, "networks": DEFAULT},
        "cache": {"image": "redis@sha256:00", "restart": "on-failure", "networks": DEFAULT},
        "db": {
            "image": "postgres:15",
            "container_name": "pg",
            "ports": [{"target": 5432, "published": "5432"}],
            "networks": DEFAULT,
            "volumes": [
                {"type": "volume", "source": "pg", "target": "/var/lib/postgresql/data"},
                {"type": "bind", "source": "/src/init.sql", "target": "/init.sql"},
            ],
        },
    },
    "networks": {"default": {"name": "notes_prod_default"}, "front": {}, "back": {}},
    "volumes": {"uploads": {"name": "notes_prod_uploads"}, "pg": {"name": "notes_prod_pg"}},
    "secrets": {"token": {"name": "notes_prod_token", "environment": "TOKEN"}},
}


def deployed(model: Mapping[str, Any] = MODEL, **changes: Any) -> Stack:
    arguments: dict[str, Any] = {
        "project": PROJECT,
        "target": PROD,
        "image": IMAGE,
        "values": VALUES,
        "commit": COMMIT,
        "release": 7,
        "server": "junov",
        "interpolation": {"TOKEN": "to$ken"},
    }
    return assemble_deploy(model, **{**arguments, **changes})


def for_tests(model: Mapping[str, Any] = MODEL) -> Stack:
    return assemble_test(
        model,
        project=PROJECT,
        stack_name="notes_test_3f2a1b_x1",
        image=IMAGE,
        run="x1",
    )


def test_own_services_run_the_image_and_nothing_else() -> None:
    services = deployed().model["services"]
    for name in ("web", "worker", "alembic", "assets"):
        assert services[name]["image"] == IMAGE
        assert not {"build", "env_file", "pull_policy"} & services[name].keys()
    assert services["cache"]["image"] == "redis@sha256:00"


def test_junovs_values_win_in_own_services_only() -> None:
    services = deployed().model["services"]
    assert services["web"]["environment"] == {
        "DATABASE_URL": "postgresql://notes_prod:pw@db:5432/notes_prod",
        "LEVEL": "info",
        "JUNOV_RELEASE": "7",
    }
    assert "environment" not in services["cache"]


def test_the_database_service_is_gone_without_a_trace() -> None:
    stack = deployed()
    assert "db" not in stack.model["services"]
    assert "pg" not in stack.model["volumes"]
    assert all("db" not in s.get("depends_on", {}) for s in stack.model["services"].values())


def test_nothing_starts_the_migration_again() -> None:
    services = deployed().model["services"]
    assert services["alembic"]["profiles"] == [MIGRATE_PROFILE]
    assert services["alembic"]["restart"] == "no"
    assert services["web"]["depends_on"] == {"assets": COMPLETED}
    assert "depends_on" not in services["worker"]


def test_services_are_restarted_unless_they_end_by_themselves() -> None:
    services = deployed().model["services"]
    assert {name: data["restart"] for name, data in services.items()} == {
        "web": "unless-stopped",
        "worker": "unless-stopped",
        "alembic": "no",
        "assets": "no",
        "cache": "on-failure",
    }


def test_the_one_network_keeps_the_aliases() -> None:
    model = deployed().model
    assert model["networks"] == {"default": {"name": "notes_prod", "external": True}}
    assert model["services"]["web"]["networks"] == {"default": {"aliases": ["api", "site"]}}
    assert "ports" not in model["services"]["web"]


def test_everything_says_whose_it_is() -> None:
    model = deployed().model
    assert model["services"]["web"]["labels"] == {
        "com.example": "1",
        "dev.junov.project": "notes",
        "dev.junov.environment": "prod",
        "dev.junov.service": "web",
        "dev.junov.release": "7",
        "dev.junov.commit": COMMIT,
        "dev.junov.server": "junov",
    }
    # A volume outlives releases; labels that change would make Compose ask to make it anew.
    assert model["volumes"]["uploads"] == {
        "name": "notes_prod_uploads",
        "labels": {
            "dev.junov.project": "notes",
            "dev.junov.environment": "prod",
            "dev.junov.server": "junov",
        },
    }


def test_volumes_that_a_waiver_let_pass_keep_their_names() -> None:
    volumes = {"uploads": {"name": "maps", "external": True}, "pg": {}}
    assert deployed({**MODEL, "volumes": volumes}).model["volumes"] == {
        "uploads": {"name": "maps", "external": True}
    }


def test_secrets_from_variables_travel_with_the_stack() -> None:
    model = deployed().model
    assert model["configs"] == {"secret-token": {"content": "to$ken"}}
    assert model["services"]["web"]["configs"] == [
        {"source": "secret-token", "target": "/run/secrets/token"}
    ]
    assert "secrets" not in model
    assert "secrets" not in model["services"]["web"]


def test_the_stack_knows_its_parts_and_its_secrets() -> None:
    stack = deployed()
    assert (stack.name, stack.web, stack.migrate) == ("notes_prod", "web", "alembic")
    assert stack.background == ("worker", "assets", "cache")
    assert stack.secrets == {VALUES["DATABASE_URL"]}
    assert "notes_prod:pw" not in repr(stack)


def test_assembling_changes_nothing_that_it_was_given() -> None:
    before = json.dumps(MODEL)
    deployed()
    for_tests()
    assert json.dumps(MODEL) == before


def test_a_test_stack_has_its_own_network_and_volumes() -> None:
    stack = for_tests()
    labels = {"dev.junov.project": "notes", "dev.junov.test-run": "x1"}
    assert stack.model["networks"] == {
        "default": {"name": "notes_test_3f2a1b_x1", "external": True}
    }
    assert stack.model["volumes"] == {
        "uploads": {"name": "notes_test_3f2a1b_x1_uploads", "labels": labels}
    }
    for service in stack.model["services"].values():
        assert service["restart"] == "no"
        assert service["labels"]["dev.junov.test-run"] == "x1"
        assert not {"ports", "container_name", "profiles"} & service.keys()


def test_a_test_stack_waits_as_the_files_say() -> None:
    services = for_tests().model["services"]
    assert services["web"]["depends_on"]["alembic"] == COMPLETED
    assert services["web"]["depends_on"]["db"] == HEALTHY


def test_the_test_database_is_in_memory_and_fast() -> None:
    database = for_tests().model["services"]["db"]
    assert database["tmpfs"] == ["/var/lib/postgresql/data"]
    assert [mount["target"] for mount in database["volumes"]] == ["/init.sql"]
    assert database["command"][:3] == ["postgres", "-c", "fsync=off"]


def test_the_test_database_keeps_what_it_says_itself() -> None:
    data = {
        "image": "registry.example.com:5000/postgis/postgis:16",
        "command": None,
        "environment": {"PGDATA": "/data/pg"},
        "volumes": [{"type": "volume", "source": "pg", "target": "/data"}],
    }
    services = {**MODEL["services"], "db": data}
    database = for_tests({**MODEL, "services": services}).model["services"]["db"]
    assert database["tmpfs"] == ["/data/pg"]
    assert database["volumes"] == []
    assert database["command"] is None

    own = {**MODEL["services"]["db"], "command": ["postgres", "-c", "log_statement=all"]}
    model = {**MODEL, "services": {**MODEL["services"], "db": own}}
    assert for_tests(model).model["services"]["db"]["command"] == own["command"]


def test_newer_postgres_images_keep_their_data_one_folder_up() -> None:
    for image, folder in (
        ("postgres:18", "/var/lib/postgresql"),
        ("postgres:18.1-bookworm@sha256:00", "/var/lib/postgresql"),
        ("postgres:17-alpine", "/var/lib/postgresql/data"),
        ("postgres", "/var/lib/postgresql/data"),
    ):
        services = {**MODEL["services"], "db": {"image": image}}
        database = for_tests({**MODEL, "services": services}).model["services"]["db"]
        assert database["tmpfs"] == [folder], image
        assert database["command"][0] == "postgres"


names = st.sampled_from(["web", "worker", "alembic", "db", "cache", "mail", "cron"])
networks = st.dictionaries(
    st.sampled_from(["default", "front", "back", "lan"]),
    st.none() | st.fixed_dictionaries({"aliases": st.lists(st.sampled_from(["a", "b"]))}),
    min_size=1,
)
service_data = st.fixed_dictionaries(
    {"networks": networks},
    optional={
        "build": st.just(BUILD),
        "image": st.just("x"),
        "container_name": st.just("fixed"),
        "depends_on": st.dictionaries(names, st.sampled_from([HEALTHY, COMPLETED])),
        "links": st.just(["db"]),
        "profiles": st.just(["tools"]),
        "volumes": st.lists(
            st.sampled_from([{"type": "volume", "source": s, "target": "/x"} for s in "ab"])
        ),
    },
)
models = st.dictionaries(names, service_data).map(
    lambda services: {
        "name": "notes_prod",
        "services": {"web": {"build": BUILD, "networks": DEFAULT}, **services},
        "networks": {name: {} for name in ("default", "front", "back", "lan")},
        "volumes": {"a": {"name": "notes_prod_a"}, "b": {}},
    }
)


@given(models)
def test_no_service_is_ever_outside_the_private_network(model: dict[str, Any]) -> None:
    for stack, name in (
        (deployed(model), "notes_prod"),
        (for_tests(model), "notes_test_3f2a1b_x1"),
    ):
        assert [network["name"] for network in stack.model["networks"].values()] == [name]
        for service in stack.model["services"].values():
            assert list(service["networks"]) == ["default"]
            assert not {"links", "container_name", "build"} & service.keys()


@given(models)
def test_nobody_waits_for_what_is_not_started(model: dict[str, Any]) -> None:
    services = deployed(model).model["services"]
    for service in services.values():
        assert not {"db", "alembic"} & service.get("depends_on", {}).keys()
    assert all(
        v["name"].startswith("notes_prod_")
        for v in deployed(model).model.get("volumes", {}).values()
    )


awkward = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
    | st.sampled_from("${}'\"\\\n:#%@&*!|>-")
) | st.sampled_from(
    ["${X}", "$$", "$X", "${X:-y}", "a\r\nb", "yes", "1.20", "~", "{{.x}}", "é漢😀"]
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(awkward, min_size=1, max_size=30))
def test_every_value_comes_through_compose_unchanged(tmp_path: Path, values: list[str]) -> None:
    """The rendered file, read by the real Compose, holds the same values."""
    environment = {f"V{number}": value for number, value in enumerate(values)}
    web = {
        "build": BUILD,
        "networks": DEFAULT,
        "command": values,
        "labels": {"com.example.text": values[0]},
        "configs": [{"source": "c"}],
    }
    model = {
        "name": "notes_prod",
        "services": {"web": web},
        "configs": {"c": {"content": values[0] or "x"}},
    }
    stack = deployed(model, values=environment)
    file = tmp_path / "stack.yaml"
    file.write_text(render(stack), encoding="utf-8")
    output = subprocess.run(
        [*compose_argv(), "-f", str(file), "config", "--format", "json"],
        check=True,
        capture_output=True,
        text=True,
        env={"X": "leaked"},
    ).stdout
    read = json.loads(output.replace("$$", "$"))
    assert read["services"]["web"]["environment"] == environment
    assert read["services"]["web"]["command"] == values
    assert read["services"]["web"]["labels"]["com.example.text"] == values[0]
    assert read["configs"]["c"]["content"] == (values[0] or "x")
    assert read["networks"]["default"]["name"] == "notes_prod"
    assert read["networks"]["default"]["external"] is True


def test_web_has_as_many_containers_as_the_project_wants_in_that_kind() -> None:
    def replicas(settings: dict[str, Any], **kind: int) -> object:
        data = PROJECT.model_dump(exclude_unset=True, mode="json") | {"web": settings}
        data["environments"] = {"prod": {"branch": "main", "host": "notes.example.com", **kind}}
        project = Project.model_validate(data)
        model: dict[str, Any] = {**MODEL, "services": {**MODEL["services"]}}
        model["services"]["web"] = {**MODEL["services"]["web"], "deploy": {"replicas": 4}}
        stack = deployed(model, project=project)
        return stack.model["services"]["web"]["deploy"]["replicas"]

    assert replicas({}) == 4, "what the compose file says"
    assert replicas({"replicas": 2}) == 2
    assert replicas({"replicas": 2}, replicas=3) == 3
