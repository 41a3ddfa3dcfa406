"""From a resolved model to the stack that the engine is handed. Pure.

What the user's files say stays, except for what the wall is made of: the image, the network, the
names of volumes, the database, and junov's own variables and labels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from junov.config.project import Project
from junov.environments import Environment
from junov.environments.labels import (
    COMMIT,
    PROJECT,
    RELEASE,
    SERVICE,
    TEST_RUN,
    environment_labels,
)
from junov.secret import Secret
from junov.stacks.layers import Variables, revealed
from junov.stacks.prune import depends_on, without_services
from junov.stacks.stack import Model, Stack
from junov.stacks.testdatabase import in_memory

MIGRATE_PROFILE = "junov-migrate"

_COMPLETED = "service_completed_successfully"
_NOT_AFTER_BUILD = ("build", "env_file", "pull_policy", "develop")


def assemble_deploy(
    model: Model,
    *,
    project: Project,
    target: Environment,
    image: str,
    values: Variables,
    commit: str,
    release: int,
    server: str,
    interpolation: Mapping[str, str] | None = None,
    contents: Mapping[str, str] | None = None,
) -> Stack:
    """The stack of one release of an environment.

    - The project's own services run `image` and get `values`, which win over the files.
    - The database service is gone, and nothing waits for it: the server's Postgres answers to its
      name.
    - The migration service is one-off (`restart: "no"`), behind a profile, and nothing waits for
      it: junov runs it before everything else with `compose run`, so no `compose up`, however it
      is called, migrates again.
    - Every service is in the environment's private network and in no other. Compose doesn't make
      this network (`external`), for it has its subnet, the edge and Postgres already.
    - Services without a restart policy are restarted until they are stopped, except those that
      another service waits for to complete.

    Args:
        model: the resolved model, which the guard has passed.
        project: the project.
        target: the environment.
        image: the release image by digest, `repository@sha256:…`.
        values: variables of the project's own services: junov's, the database's, the secrets.
        commit: the commit that the image was built from.
        release: the number of the release.
        server: the server's name.
        interpolation: what interpolation saw (`Layers.values`), for configs and secrets that are
            filled from a variable.
        contents: the texts of the files that configs and secrets are filled from, by path.
    """
    names = target.identity
    labels = {
        **environment_labels(server, names),
        RELEASE: str(release),
        COMMIT: commit,
    }
    own = _own(model)
    dropped = [project.database.service] if project.database else []
    pruned = _filled(without_services(model, dropped), interpolation or {}, contents or {})
    migrate = project.migrate.service if project.migrate else None
    services = {
        name: _deployed(
            name, service, project, target.kind, image, values if name in own else {}, labels, own
        )
        for name, service in pruned["services"].items()
    }
    once = _awaited_to_complete(pruned) | ({migrate} if migrate else set())
    for name, service in services.items():
        if "restart" not in service and not (service.get("deploy") or {}).get("restart_policy"):
            service["restart"] = "no" if name in once else "unless-stopped"
        service.pop("profiles", None)
        _wait_not_for(migrate, service)
    if migrate in services:
        services[migrate] |= {"restart": "no", "profiles": [MIGRATE_PROFILE]}
    assembled = {
        **pruned,
        "name": names.stack,
        "services": services,
        "networks": {"default": {"name": names.network, "external": True}},
    }
    volumes = {
        key: _volume(volume or {}, names.volume(key), f"{model['name']}_{key}", labels)
        for key, volume in pruned.get("volumes", {}).items()
    }
    if volumes:
        assembled["volumes"] = volumes
    return _stack(assembled, project, image, migrate, values)


def assemble_test(
    model: Model,
    *,
    project: Project,
    stack_name: str,
    image: str,
    run: str,
    interpolation: Mapping[str, str] | None = None,
) -> Stack:
    """The throw-away stack of one test run.

    Published ports and container names are left out, nothing is restarted, volumes belong to the
    run, and the database keeps its data in memory. The network has the stack's name and is made
    beforehand, with a subnet of its own.

    Args:
        model: the resolved model of the test layers, which the guard has passed.
        project: the project.
        stack_name: the Compose project of this run alone.
        image: the debug image by digest.
        run: what the label `dev.junov.test-run` says on everything.
        interpolation: as for `assemble_deploy`.
    """
    marks = {PROJECT: project.project, TEST_RUN: run}
    own = _own(model)
    database = project.database.service if project.database else None
    filled = _filled(model, interpolation or {}, {})
    services = {}
    for name, data in filled["services"].items():
        service = in_memory(data) if name == database else data
        services[name] = _service(name, service, image if name in own else None, {}, marks)
        for key in ("ports", "container_name", "profiles"):
            services[name].pop(key, None)
        services[name]["restart"] = "no"
    assembled = {
        **filled,
        "name": stack_name,
        "services": services,
        "networks": {"default": {"name": stack_name, "external": True}},
    }
    still_used = without_services(assembled, ()).get("volumes", {})
    assembled["volumes"] = {
        key: {**(volume or {}), "name": f"{stack_name}_{key}", "labels": _labelled(volume, marks)}
        for key, volume in still_used.items()
    }
    migrate = project.migrate.service if project.migrate else None
    return _stack(assembled, project, image, migrate, {})


def render(stack: Stack) -> str:
    """The stack as the file that the engine is handed: JSON, which is YAML.

    Compose would interpolate it, so every `$` of a value is written `$$`. Names are not
    interpolated, and stay as they are. The text holds secrets.
    """
    escaped = _changed(stack.model, lambda value: value.replace("$", "$$"))
    text = json.dumps(escaped, indent=2, ensure_ascii=False)
    # Legal in JSON as they are, but line breaks or forbidden in YAML.
    return "".join(_YAML_ESCAPES.get(letter, letter) for letter in text)


def parse(text: str) -> Model:
    """The model in a file that `render` made.

    Raises:
        ValueError: it is no JSON.
    """
    model: Model = _changed(json.loads(text), lambda value: value.replace("$$", "$"))
    return model


_YAML_ESCAPES = {
    chr(code): f"\\u{code:04x}"
    for code in (*range(0x7F, 0xA0), 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF)
}


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    """The same with each text in it changed, but for names."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _changed(inner, change) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_changed(inner, change) for inner in value]
    return value


def _own(model: Model) -> frozenset[str]:
    return frozenset(name for name, data in model["services"].items() if data.get("build"))


def _deployed(
    name: str,
    data: Mapping[str, Any],
    project: Project,
    kind: str,
    image: str,
    values: Variables,
    labels: Mapping[str, str],
    own: frozenset[str],
) -> dict[str, Any]:
    service = _service(name, data, image if name in own else None, values, labels)
    if name == project.web.service:
        service.pop("ports", None)  # the edge is the way in, and two releases stand side by side
        replicas = project.web_in(kind).replicas
        if replicas:
            service.pop("scale", None)
            service["deploy"] = {**(service.get("deploy") or {}), "replicas": replicas}
    service.pop("container_name", None)
    return service


def _service(
    name: str,
    data: Mapping[str, Any],
    image: str | None,
    values: Variables,
    labels: Mapping[str, str],
) -> dict[str, Any]:
    """A service in the one network, with its labels, and with the image where it is junov's."""
    dropped = {"networks", "links", "external_links", *(_NOT_AFTER_BUILD if image else ())}
    service = {key: value for key, value in data.items() if key not in dropped}
    if image:
        service["image"] = image
    if values:
        service["environment"] = {**(data.get("environment") or {}), **revealed(values)}
    service["labels"] = {**_labelled(data, labels), SERVICE: name}
    if "network_mode" not in data:  # the guard lets only `none` pass
        service["networks"] = {"default": _aliases(data)}
    return service


def _aliases(data: Mapping[str, Any]) -> dict[str, list[str]] | None:
    """The aliases of a service in all its networks, each once."""
    settings = (data.get("networks") or {}).values()
    aliases = dict.fromkeys(alias for one in settings for alias in (one or {}).get("aliases") or ())
    return {"aliases": list(aliases)} if aliases else None


def _labelled(data: Mapping[str, Any] | None, labels: Mapping[str, str]) -> dict[str, str]:
    return {**((data or {}).get("labels") or {}), **labels}


def _volume(
    volume: Mapping[str, Any], name: str, unnamed: str, labels: Mapping[str, str]
) -> dict[str, Any]:
    """A volume under the environment's name, or as it is where a waiver let another name pass."""
    if volume.get("external"):
        return dict(volume)
    kept = volume.get("name", unnamed)
    # The release changes and the volume stays, so its labels name the environment only.
    lasting = {key: value for key, value in labels.items() if key not in (RELEASE, COMMIT)}
    final = name if kept == unnamed else kept
    return {**volume, "name": final, "labels": _labelled(volume, lasting)}


def _awaited_to_complete(model: Model) -> set[str]:
    return {
        name
        for service in model["services"].values()
        for name, how in depends_on(service).items()
        if how.get("condition") == _COMPLETED
    }


def _wait_not_for(dropped: str | None, service: dict[str, Any]) -> None:
    kept = {name: how for name, how in depends_on(service).items() if name != dropped}
    service.pop("depends_on", None)
    if kept:
        service["depends_on"] = kept


def _filled(model: Model, values: Mapping[str, str], contents: Mapping[str, str]) -> dict[str, Any]:
    """The model with configs and secrets from variables and files as configs with contents.

    The engine is handed a finished stack, without the variables that it was made with and without
    the checkout, which is gone after the deploy. Compose takes contents for configs only, and
    mounts both in the same way.
    """

    def content(source: Mapping[str, Any]) -> str | None:
        if source.get("environment"):
            return values.get(source["environment"], "")
        return contents.get(str(source.get("file")))

    configs, secrets = dict(model.get("configs", {})), dict(model.get("secrets", {}))
    for key, config in configs.items():
        text = content(config)
        if text is not None:
            configs[key] = {"content": text}
    moved = {key: f"secret-{key}" for key, each in secrets.items() if content(each) is not None}
    for key, new in moved.items():
        configs[new] = {"content": content(secrets.pop(key))}
    services = {name: _moved(data, moved) for name, data in model["services"].items()}
    filled = {k: v for k, v in model.items() if k not in ("configs", "secrets")}
    filled["services"] = services
    return (
        filled
        | ({"configs": configs} if configs else {})
        | ({"secrets": secrets} if secrets else {})
    )


def _moved(service: Mapping[str, Any], moved: Mapping[str, str]) -> dict[str, Any]:
    used = [use for use in service.get("secrets") or () if use["source"] in moved]
    if not used:
        return dict(service)
    kept = [use for use in service["secrets"] if use["source"] not in moved]
    configs = [
        *(service.get("configs") or ()),
        *({**u, "source": moved[u["source"]]} for u in used),
    ]
    rest = {key: value for key, value in service.items() if key != "secrets"}
    return {**rest, "configs": configs} | ({"secrets": kept} if kept else {})


def _stack(
    model: Model, project: Project, image: str, migrate: str | None, values: Variables
) -> Stack:
    foreground = (project.web.service, migrate)
    return Stack(
        name=model["name"],
        model=model,
        image=image,
        web=project.web.service,
        migrate=migrate,
        background=tuple(name for name in model["services"] if name not in foreground),
        secrets=frozenset(value for value in values.values() if isinstance(value, Secret)),
    )
