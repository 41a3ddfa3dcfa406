"""What a stack keeps is its own, and the server's folders stay closed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from junov.config.yamlfile import Loc
from junov.stacks.guard.context import Context
from junov.stacks.guard.rule import EVERYWHERE, Hit, Rule

_ENGINE_SOCKETS = ("docker.sock", "containerd.sock", "podman.sock", "crio.sock")
_ENGINE_FOLDERS = tuple(
    PurePosixPath(path)
    for path in (
        "/var/run/docker.sock",
        "/run/docker.sock",
        "/run/containerd",
        "/var/run/containerd",
        "/var/lib/docker",
        "/var/lib/containerd",
    )
)


def _foreign_volume(context: Context) -> Iterator[Hit]:
    stack = context.model.get("name")
    for key, data in context.stack.get("volumes", {}).items():
        volume = data or {}
        name = volume.get("name", key)
        loc: Loc = ("volumes", key)
        if volume.get("external"):
            yield Hit(f"the volume `{name}` is external", name, (*loc, "external"))
        elif name != f"{stack}_{key}":
            yield Hit(
                f"the volume `{key}` has a name of its own, `{name}`", name, (*loc, "name"), name
            )
    for loc, mount in _mounts(context):
        if mount.get("type") not in ("volume", "bind", "tmpfs"):
            kind = str(mount.get("type"))
            yield Hit(f"service `{loc[1]}` has a mount of the type `{kind}`", kind, loc)


def _volume_device(context: Context) -> Iterator[Hit]:
    for name, data in context.stack.get("volumes", {}).items():
        volume = data or {}
        driver, options = volume.get("driver", "local"), volume.get("driver_opts") or {}
        if driver not in ("local", "default"):
            loc: Loc = ("volumes", name, "driver")
            yield Hit(f"the volume `{name}` uses the driver `{driver}`", driver, loc)
        elif "device" in options and options.get("type") != "tmpfs":
            device = str(options["device"])
            loc = ("volumes", name, "driver_opts", "device")
            yield Hit(
                f"the volume `{name}` is the device or folder `{device}` of the server", device, loc
            )


def _bind_mount(context: Context) -> Iterator[Hit]:
    for loc, mount in _mounts(context):
        if mount.get("type") == "bind" and not _is_engine(str(mount.get("source"))):
            typed = _typed_source(context, loc, mount)
            yield Hit(
                f"service `{loc[1]}` mounts `{typed}` of the server at `{mount.get('target')}`",
                typed,
                (*loc, "source"),
            )


def _docker_socket(context: Context) -> Iterator[Hit]:
    for loc, mount in _mounts(context):
        if mount.get("type") == "bind" and _is_engine(str(mount.get("source"))):
            typed = _typed_source(context, loc, mount)
            message = f"service `{loc[1]}` mounts `{typed}`, which opens the engine"
            yield Hit(message, typed, (*loc, "source"))
    for name, data in context.stack.get("volumes", {}).items():
        device = ((data or {}).get("driver_opts") or {}).get("device")
        if device and _is_engine(str(device)):
            loc = ("volumes", name, "driver_opts", "device")
            yield Hit(f"the volume `{name}` is `{device}`, which opens the engine", device, loc)
    for service, data in context.services.items():
        if data.get("use_api_socket"):
            loc = ("services", service, "use_api_socket")
            yield Hit(f"service `{service}` asks for the engine's socket", "use_api_socket", loc)


def _volumes_from(context: Context) -> Iterator[Hit]:
    for service, data in context.services.items():
        for index, source in enumerate(data.get("volumes_from") or ()):
            loc = ("services", service, "volumes_from", index)
            yield Hit(f"service `{service}` takes the volumes of `{source}`", source, loc)


def _outside_file(context: Context) -> Iterator[Hit]:
    root = str(context.layers.project_dir)
    for section, what in (("configs", "config"), ("secrets", "secret")):
        for name, data in context.stack.get(section, {}).items():
            loc, entry = (section, name), data or {}
            file = entry.get("file")
            if entry.get("external"):
                yield Hit(f"the {what} `{name}` is external", name, (*loc, "external"))
            elif file and not os.path.realpath(file).startswith(f"{os.path.realpath(root)}/"):
                typed = context.sources.written((*loc, "file")).text or file
                yield Hit(
                    f"the {what} `{name}` is the file `{typed}`, outside the project",
                    typed,
                    (*loc, "file"),
                )


def _mounts(context: Context) -> Iterator[tuple[Loc, dict[str, Any]]]:
    for service, data in context.services.items():
        for index, mount in enumerate(data.get("volumes") or ()):
            yield ("services", service, "volumes", index), mount


def _is_engine(source: str) -> bool:
    """Whether a folder or file of the server gives power over its engine, symlinks followed."""
    for path in {PurePosixPath(os.path.normpath(source)), PurePosixPath(os.path.realpath(source))}:
        if path.name in _ENGINE_SOCKETS:
            return True
        if any(path == engine or path in engine.parents for engine in _ENGINE_FOLDERS):
            return True
        if any(engine in path.parents for engine in _ENGINE_FOLDERS):
            return True
    return False


def _typed_source(context: Context, loc: Loc, mount: dict[str, Any]) -> str:
    """The source of a bind mount as the user typed it, in the short or the long form."""
    typed = context.sources.written((*loc, "source")).text
    # `:` inside `${NAME:-default}` separates nothing.
    return re.split(r":(?![^{]*\})", typed, maxsplit=1)[0] or str(mount.get("source"))


RULES = (
    Rule(
        id="foreign-volume",
        sentence="A volume that isn't the environment's own: external, or with a name of its own. "
        "Two environments that name the same volume write into each other's data.",
        remedy="remove `external` and `name`; junov gives each environment its own volume",
        waivable=True,
        check=_foreign_volume,
        applies_to=EVERYWHERE,
        bad="services:\n  web:\n    volumes: [data:/data]\nvolumes:\n  data:\n    name: uploads\n",
        good="services:\n  web:\n    volumes: [data:/data]\nvolumes:\n  data:\n",
    ),
    Rule(
        id="volume-device",
        sentence="A volume that is a folder, a device or a network share in disguise. It is the "
        "same one in every environment.",
        remedy="remove `driver` and `driver_opts`",
        waivable=True,
        check=_volume_device,
        applies_to=EVERYWHERE,
        bad="services:\n  web:\n    volumes: [data:/data]\nvolumes:\n  data:\n"
        "    driver_opts: {type: none, o: bind, device: /srv/data}\n",
        good="services:\n  web:\n    volumes: [data:/data]\nvolumes:\n  data:\n",
    ),
    Rule(
        id="bind-mount",
        sentence="A folder or file of the server inside a container. Every environment would share "
        "it, and the checkout that it is relative to doesn't stay.",
        remedy="put files into the image, and data into a named volume",
        waivable=True,
        check=_bind_mount,
        applies_to=EVERYWHERE,
        bad="services:\n  web:\n    volumes: [./uploads:/uploads]\n",
        good="services:\n  web:\n    volumes: [uploads:/uploads]\nvolumes:\n  uploads:\n",
    ),
    Rule(
        id="docker-socket",
        sentence="The engine's socket, its data, or a folder that holds them. Who can talk to the "
        "engine is root on the server, in every environment.",
        remedy="remove it; no service of an environment may talk to the engine",
        waivable=False,
        check=_docker_socket,
        applies_to=EVERYWHERE,
        bad="services:\n  web:\n    volumes: [/var/run/docker.sock:/var/run/docker.sock:ro]\n",
        good="services:\n  web:\n    tmpfs: [/var/run/app]\n",
    ),
    Rule(
        id="volumes-from",
        sentence="The volumes of another container. It may be one of another stack, and while a "
        "release is switched there are two of each.",
        remedy="name the volumes that both services share in both",
        waivable=False,
        check=_volumes_from,
        applies_to=EVERYWHERE,
        bad="services:\n  worker:\n    volumes_from: [web]\n",
        good="services:\n  worker:\n    volumes: [shared:/shared]\nvolumes:\n  shared:\n",
    ),
    Rule(
        id="outside-file",
        sentence="A config or secret from outside the project: external, or a file elsewhere on "
        "the server. Every environment would share it.",
        remedy="keep configs in the project; name secrets under `secrets` in junov.yaml, which "
        "gives each environment its own",
        waivable=True,
        check=_outside_file,
        applies_to=EVERYWHERE,
        bad="services:\n  web:\n    configs: [app]\nconfigs:\n  app:\n    file: /etc/app.conf\n",
        good="services:\n  web:\n    configs: [app]\nconfigs:\n  app:\n    file: ./app.conf\n",
    ),
)
