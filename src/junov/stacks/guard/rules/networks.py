"""Every environment has one private network, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from junov.stacks.guard.context import Context
from junov.stacks.guard.rule import EVERYWHERE, Hit, Rule

_DRIVERS = ("", "default", "bridge", "overlay")


def _foreign_network(context: Context) -> Iterator[Hit]:
    stack = context.model.get("name")
    for key, data in context.stack.get("networks", {}).items():
        network = data or {}
        name, loc = network.get("name", key), ("networks", key)
        if network.get("external"):
            yield Hit(f"the network `{name}` is external", name, (*loc, "external"))
        elif name != f"{stack}_{key}":
            yield Hit(
                f"the network `{key}` has a name of its own, `{name}`", name, (*loc, "name"), name
            )
        elif network.get("driver", "") not in _DRIVERS:
            driver = network["driver"]
            yield Hit(
                f"the network `{key}` uses the driver `{driver}`, which reaches past the wall",
                driver,
                (*loc, "driver"),
                driver,
            )


def _network_mode(context: Context) -> Iterator[Hit]:
    for service, data in context.services.items():
        mode = data.get("network_mode", "none")
        if mode != "none":
            loc = ("services", service, "network_mode")
            yield Hit(f"service `{service}` uses the network mode `{mode}`", mode, loc)


def _fixed_address(context: Context) -> Iterator[Hit]:
    for service, data in context.services.items():
        for network, settings in (data.get("networks") or {}).items():
            for key in ("ipv4_address", "ipv6_address", "link_local_ips", "mac_address"):
                value = (settings or {}).get(key)
                if value:
                    shown = value if isinstance(value, str) else ", ".join(value)
                    at = ("services", service, "networks", network, key)
                    yield Hit(f"service `{service}` has the fixed address {shown}", shown, at)
    for name, network in context.stack.get("networks", {}).items():
        for index, config in enumerate(((network or {}).get("ipam") or {}).get("config") or ()):
            subnet = config.get("subnet", "")
            loc = ("networks", name, "ipam", "config", index)
            yield Hit(f"the network `{name}` has the fixed subnet {subnet}", subnet, loc, subnet)


def _links(context: Context) -> Iterator[Hit]:
    for service, data in context.services.items():
        for key in ("links", "external_links"):
            for index, link in enumerate(data.get(key) or ()):
                loc = ("services", service, key, index)
                yield Hit(f"service `{service}` is linked to `{link}`", link, loc)


RULES = (
    Rule(
        id="foreign-network",
        sentence="A network that isn't the environment's own: external, with a name of its own, or "
        "with a driver that reaches past the host's bridges. Whatever shares a network with "
        "another environment can connect to all of it.",
        remedy="remove it: junov puts all services of an environment into one private network, "
        "and connects the edge and Postgres to it",
        waivable=False,
        check=_foreign_network,
        applies_to=EVERYWHERE,
        bad="services:\n  web:\n    networks: [shared]\nnetworks:\n  shared:\n    external: true\n",
        good="services:\n  web:\n    networks: [backend]\nnetworks:\n  backend:\n",
    ),
    Rule(
        id="network-mode",
        sentence="A service outside the private network: in the host's network, in another "
        "container's, or in Docker's common bridge. The wall is the private network.",
        remedy="remove `network_mode`; services of one stack reach each other by their names",
        waivable=False,
        check=_network_mode,
        applies_to=EVERYWHERE,
        bad="services:\n  web:\n    network_mode: host\n",
        good="services:\n  web:\n    expose: [8000]\n",
    ),
    Rule(
        id="fixed-address",
        sentence="A fixed address or subnet. Each environment gets a subnet from the server's "
        "pool, so no address is the same in two of them.",
        remedy="remove it, and use the service's name, which is the same in every environment",
        waivable=False,
        check=_fixed_address,
        applies_to=EVERYWHERE,
        bad="services:\n  web:\n    networks:\n      default:\n        ipv4_address: 172.20.0.5\n",
        good="services:\n  web:\n    networks:\n      default:\n        aliases: [api]\n",
    ),
    Rule(
        id="links",
        sentence="Links between containers. They are a relic of the time before networks, and "
        "`external_links` reach into other stacks.",
        remedy="remove it; for another name of a service, give it an alias: "
        "networks: {default: {aliases: [name]}}",
        waivable=False,
        check=_links,
        applies_to=EVERYWHERE,
        bad="services:\n  web:\n    external_links: [notes_prod-db-1]\n",
        good="services:\n  web:\n    depends_on: [cache]\n",
    ),
)
