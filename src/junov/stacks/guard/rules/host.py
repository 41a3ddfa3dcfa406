"""The server itself stays out of reach: its ports, its namespaces, its privileges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from junov.stacks.guard.context import Context
from junov.stacks.guard.rule import DEPLOY, EVERYWHERE, Hit, Rule

_NAMESPACES = ("pid", "ipc", "uts", "userns_mode", "cgroup")


def _host_port(context: Context) -> Iterator[Hit]:
    for service, data in context.services.items():
        for index, port in enumerate(data.get("ports") or ()):
            shown = _port(port)
            loc = ("services", service, "ports", index)
            yield Hit(f"service `{service}` publishes `{shown}` on the server", shown, loc)


def _container_name(context: Context) -> Iterator[Hit]:
    for service, data in context.services.items():
        name = data.get("container_name")
        if name:
            loc = ("services", service, "container_name")
            yield Hit(f"service `{service}` has the fixed container name `{name}`", name, loc)


def _host_namespace(context: Context) -> Iterator[Hit]:
    for service, data in context.services.items():
        for key in _NAMESPACES:
            value = str(data.get(key) or "")
            if value == "host" or value.startswith("container:"):
                loc = ("services", service, key)
                yield Hit(f"service `{service}` has `{key}: {value}`", f"{key}: {value}", loc)
        if data.get("cgroup_parent"):
            value = data["cgroup_parent"]
            loc = ("services", service, "cgroup_parent")
            yield Hit(f"service `{service}` has the cgroup parent `{value}`", value, loc)


def _privileged(context: Context) -> Iterator[Hit]:
    for service, data in context.services.items():
        if data.get("privileged"):
            loc = ("services", service, "privileged")
            yield Hit(f"service `{service}` is privileged", service, loc)
        for hooks in ("post_start", "pre_stop"):
            for index, hook in enumerate(data.get(hooks) or ()):
                if hook.get("privileged"):
                    at = ("services", service, hooks, index, "privileged")
                    yield Hit(f"a `{hooks}` hook of service `{service}` is privileged", hooks, at)


# What the engine gives every container anyway (https://docs.docker.com/engine/security/).
_DEFAULT_CAPABILITIES = frozenset(
    {
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD"),
        *("NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    }
)
_LOGGING = ("json-file", "local", "none")


def _logging_driver(context: Context) -> Iterator[Hit]:
    for service, data in context.services.items():
        driver = (data.get("logging") or {}).get("driver")
        if driver and driver not in _LOGGING:
            loc = ("services", service, "logging", "driver")
            yield Hit(f"service `{service}` logs through the driver `{driver}`", driver, loc)


def _capability(context: Context) -> Iterator[Hit]:
    for service, data in context.services.items():
        for index, name in enumerate(data.get("cap_add") or ()):
            if str(name).upper().removeprefix("CAP_") in _DEFAULT_CAPABILITIES:
                continue
            loc = ("services", service, "cap_add", index)
            yield Hit(f"service `{service}` adds the capability `{name}`", name, loc)


def _device(context: Context) -> Iterator[Hit]:
    for service, data in context.services.items():
        for key in ("devices", "device_cgroup_rules", "gpus"):
            for index, device in enumerate(data.get(key) or ()):
                shown = device if isinstance(device, str) else str(device.get("source", "gpus"))
                loc = ("services", service, key, index)
                yield Hit(f"service `{service}` uses the device `{shown}`", shown, loc)


def _security_option(context: Context) -> Iterator[Hit]:
    for service, data in context.services.items():
        for index, option in enumerate(data.get("security_opt") or ()):
            if option.replace("=", ":") not in ("no-new-privileges", "no-new-privileges:true"):
                loc = ("services", service, "security_opt", index)
                yield Hit(f"service `{service}` has the security option `{option}`", option, loc)


def _kernel_setting(context: Context) -> Iterator[Hit]:
    for service, data in context.services.items():
        for name in data.get("sysctls") or ():
            loc = ("services", service, "sysctls", name)
            yield Hit(f"service `{service}` sets the kernel's `{name}`", name, loc, key=True)


def _runtime(context: Context) -> Iterator[Hit]:
    for service, data in context.services.items():
        if data.get("runtime"):
            loc, name = ("services", service, "runtime"), data["runtime"]
            yield Hit(f"service `{service}` asks for the runtime `{name}`", name, loc)
        if data.get("provider"):
            name = data["provider"].get("type", "")
            yield Hit(
                f"service `{service}` is no container: the server would run `{name}` for it",
                name,
                ("services", service, "provider"),
            )


def _port(port: dict[str, Any]) -> str:
    """A published port in the short form that people type."""
    address = f"{port['host_ip']}:" if port.get("host_ip") else ""
    published = f"{port['published']}:" if port.get("published") else ":" if address else ""
    protocol = port.get("protocol", "tcp")
    suffix = "" if protocol == "tcp" else f"/{protocol}"
    return f"{address}{published}{port.get('target', '')}{suffix}"


RULES = (
    Rule(
        id="host-port",
        sentence="A port of the server. Two environments cannot both have it, two releases cannot "
        "stand beside each other, and who connects there goes round the edge.",
        remedy="keep `ports` in the compose file for the laptop; the edge routes the host name to "
        "`web.port`",
        waivable=True,
        check=_host_port,
        applies_to=DEPLOY,  # in a test run ports are left out
        bad='services:\n  web:\n    ports: ["8000:8000"]\n',
        good="services:\n  web:\n    expose: [8000]\n",
    ),
    Rule(
        id="container-name",
        sentence="A fixed container name. There can be only one container of that name on the "
        "server.",
        remedy="remove `container_name`; within the stack the service's name is enough",
        waivable=False,
        check=_container_name,
        applies_to=DEPLOY,  # in a test run names are left out
        bad="services:\n  web:\n    container_name: notes-web\n",
        good="services:\n  web:\n    hostname: notes-web\n",
    ),
    Rule(
        id="host-namespace",
        sentence="A namespace of the server or of a foreign container: its processes, its memory, "
        "its users. What shares one sees past the wall.",
        remedy="remove it",
        waivable=False,
        check=_host_namespace,
        applies_to=EVERYWHERE,
        bad="services:\n  web:\n    pid: host\n",
        good="services:\n  web:\n    init: true\n",
    ),
    Rule(
        id="privileged",
        sentence="A privileged container. It is root on the server in all but name.",
        remedy="remove `privileged`; if one capability is enough, add it with `cap_add` and allow "
        "it in junov.yaml",
        waivable=False,
        check=_privileged,
        applies_to=EVERYWHERE,
        bad="services:\n  web:\n    privileged: true\n",
        good="services:\n  web:\n    cap_drop: [ALL]\n",
    ),
    Rule(
        id="capability",
        sentence="A capability beyond Docker's own set. Some of them lead out of the container.",
        remedy="remove it from `cap_add`",
        waivable=True,
        check=_capability,
        applies_to=EVERYWHERE,
        bad="services:\n  web:\n    cap_add: [SYS_ADMIN]\n",
        good="services:\n  web:\n    cap_drop: [ALL]\n",
    ),
    Rule(
        id="logging-driver",
        sentence="A logging driver that sends. The engine opens the connection, on the server's "
        "own network, past the wall; and `junov env logs` would show nothing.",
        remedy="use json-file or local; collect logs on the server",
        waivable=True,
        check=_logging_driver,
        applies_to=EVERYWHERE,
        bad="services:\n  web:\n    logging: {driver: syslog}\n",
        good="services:\n  web:\n    logging: {driver: local}\n",
    ),
    Rule(
        id="device",
        sentence="A device of the server. Every environment would share it.",
        remedy="remove it",
        waivable=True,
        check=_device,
        applies_to=EVERYWHERE,
        bad="services:\n  web:\n    devices: [/dev/fuse]\n",
        good="services:\n  web:\n    tmpfs: [/tmp]\n",
    ),
    Rule(
        id="security-option",
        sentence="A security option other than `no-new-privileges:true`. The others switch "
        "protections off or replace them.",
        remedy="remove it from `security_opt`",
        waivable=True,
        check=_security_option,
        applies_to=EVERYWHERE,
        bad='services:\n  web:\n    security_opt: ["seccomp:unconfined"]\n',
        good='services:\n  web:\n    security_opt: ["no-new-privileges:true"]\n',
    ),
    Rule(
        id="kernel-setting",
        sentence="A setting of the kernel.",
        remedy="remove it from `sysctls`",
        waivable=True,
        check=_kernel_setting,
        applies_to=EVERYWHERE,
        bad="services:\n  web:\n    sysctls:\n      net.core.somaxconn: 1024\n",
        good="services:\n  web:\n    ulimits:\n      nofile: 65536\n",
    ),
    Rule(
        id="runtime",
        sentence="Another runtime, or a provider: a program that runs on the server itself instead "
        "of a container.",
        remedy="remove it",
        waivable=True,
        check=_runtime,
        applies_to=EVERYWHERE,
        bad="services:\n  web:\n    runtime: nvidia\n",
        good="services:\n  web:\n    init: true\n",
    ),
)
