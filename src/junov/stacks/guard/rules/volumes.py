"""What a stack keeps is its own, and the server's folders stay closed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from junov.config.yamlfile import Loc
from junov.stacks.guard.context import Context
from junov.stacks.guard.dropped import dropped_volumes
from junov.stacks.guard.rule import EVERYWHERE, Hit, Rule
from junov.stacks.guard.rules.files import is_inside

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
        elif "device" in options and not _is_in_memory(options):
            device = str(options["device"])
            loc = ("volumes", name, "driver_opts", "device")
            yield Hit(
                f"the volume `{name}` is the device or folder `{device}` of the server", device, loc
            )


def _dropped_volume(context: Context) -> Iterator[Hit]:
    for mount in dropped_volumes(context):
        value = f"{mount.volume}:{mount.target}"
        yield Hit(
            f"service `{mount.service}` runs without the volume `{mount.volume}` at "
            f"`{mount.target}`, which an earlier layer gives it",
            value,
            place=mount.place,
            remedy=f"keep it in this layer: `volumes: !override` with `- {value}` among its items",
        )


def _is_in_memory(options: Mapping[str, Any]) -> bool:
    """Whether a volume is a tmpfs. With `o: bind` it is the device, whatever the type says."""
    words = {word.strip() for word in str(options.get("o", "")).split(",")}
    return options.get("type") == "tmpfs" and not words & {"bind", "rbind", "move", "remount"}


def _checkout_mount(context: Context) -> Iterator[Hit]:
    for loc, mount in _mounts(context):
        if mount.get("type") == "bind" and is_inside(context, str(mount.get("source"))):
            typed = _typed_source(context, loc, mount)
            message = f"service `{loc[1]}` mounts `{typed}` of the checkout"
            yield Hit(message, typed, (*loc, "source"))


def _bind_mount(context: Context) -> Iterator[Hit]:
    for loc, mount in _mounts(context):
        source = str(mount.get("source"))
        if context.profile == "deploy" and is_inside(context, source):
            continue  # `checkout-mount` speaks of these
        if mount.get("type") == "bind" and not _is_engine(source):
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
        id="dropped-volume",
        sentence="A named volume that the base gives a service and the deploy layer takes away, by "
        "`!reset` or by an `!override` that lacks it. What the service writes there would be gone "
        "with the next release, and nothing would say so.",
        remedy="add the mount to that layer's list",
        waivable=True,
        check=_dropped_volume,
        bad="# the base: volumes: [.:/app, uploads:/uploads]\nservices:\n  web:\n"
        "    volumes: !reset []\n",
        good="# the base: volumes: [.:/app, uploads:/uploads]\nservices:\n  web:\n"
        "    volumes: !override [uploads:/uploads]\n",
    ),
    Rule(
        id="checkout-mount",
        sentence="A folder or file of the checkout inside a deployed container. A deploy works on "
        "an export of the commit, which is gone when it has ended; the container would not start "
        "again.",
        remedy="put files into the image or into `configs`, and data into a named volume",
        waivable=False,
        check=_checkout_mount,
        bad="services:\n  web:\n    volumes: [./uploads:/uploads]\n",
        good="services:\n  web:\n    volumes: [uploads:/uploads]\nvolumes:\n  uploads:\n",
    ),
    Rule(
        id="bind-mount",
        sentence="A folder or file of the server inside a container. Every environment would share "
        "it.",
        remedy="put files into the image, and data into a named volume",
        waivable=True,
        check=_bind_mount,
        applies_to=EVERYWHERE,
        bad="services:\n  web:\n    volumes: [/srv/uploads:/uploads]\n",
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
)
