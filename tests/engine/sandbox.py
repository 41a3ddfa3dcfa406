"""Containers and networks of one test run: unique names, one label, removed in all cases."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Network

import pytest

from junov.process import Result, check, run

POOL = IPv4Network("10.231.0.0/16")


class Sandbox:
    """What one test module has started in the engine."""

    def __init__(self) -> None:
        self.run = f"t{secrets.token_hex(4)}"
        self.label = f"dev.junov.test={self.run}"

    def name(self, word: str) -> str:
        return f"{self.run}_{word}"

    def network(self, word: str, *, first: bool = False) -> IPv4Network:
        """A network with a subnet of its own.

        The engine puts published ports on the network whose name sorts first: `first` makes this
        one of them.
        """
        argv = ["docker", "network", "create", "--label", self.label]
        name = self.network_name(word, first=first)
        for subnet in random.sample(list(POOL.subnets(new_prefix=27)), 50):
            made = run([*argv, "--subnet", str(subnet), name])
            if made.ok:
                return subnet
        raise AssertionError(f"no subnet of {POOL} is free: {made.stderr}")

    def network_name(self, word: str, *, first: bool = False) -> str:
        return f"{'0' if first else ''}{self.name(word)}"

    def start(self, word: str, image: str, *command: str, options: Sequence[str] = ()) -> str:
        """Start a container in the background, and return its name."""
        name = self.name(word)
        argv = ["docker", "run", "-d", "--init", "--name", name, "--label", self.label]
        check([*argv, *options, image, *command], doing=f"start {name}", timeout=60)
        return name

    def connect(self, network: str, container: str, *aliases: str) -> None:
        options = [word for alias in aliases for word in ("--alias", alias)]
        check(
            ["docker", "network", "connect", *options, network, container],
            doing=f"connect {container} to {network}",
        )

    def execute(self, container: str, *command: str, options: Sequence[str] = ()) -> Result:
        return run(["docker", "exec", *options, container, *command], timeout=30)

    def published(self, container: str, port: int) -> int:
        """The loopback port of this machine that leads to a container's."""
        shown = check(["docker", "port", container, str(port)], doing="ask for a port")
        return int(shown.splitlines()[0].rpartition(":")[2])

    def logs(self) -> str:
        """The last lines of every container."""
        return "\n".join(
            f"--- {name}\n{run(['docker', 'logs', '--tail', '40', name]).tail(40)}"
            for name in self._ids("ps", "-a")
        )

    def remove(self) -> None:
        containers, networks = self._ids("ps", "-a"), self._ids("network", "ls")
        if containers:
            run(["docker", "rm", "-f", "-v", *containers])
        if networks:
            run(["docker", "network", "rm", *networks])

    def _ids(self, *words: str) -> list[str]:
        argv = ["docker", *words, "-q", "--filter", f"label={self.label}"]
        return check(argv, doing="list what the test has started").split()


@contextmanager
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox that leaves nothing behind, and shows its logs where a test has failed."""
    box = Sandbox()
    failed_before = request.session.testsfailed
    failed = True
    try:
        yield box
        failed = request.session.testsfailed > failed_before
    finally:
        if failed:
            capture = request.config.pluginmanager.getplugin("capturemanager")
            with capture.global_and_fixture_disabled():
                print(box.logs())
        box.remove()
