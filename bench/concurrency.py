"""Many environments deployed at once, against the same one after the other."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.machine import cores, settle
from bench.subject import ORDERS, Rig, Subject, Timing

ENVIRONMENTS = 10


@dataclass(frozen=True, slots=True)
class Concurrency:
    """The same change of each environment, made both ways.

    Args:
        serial: each deploy, one after the other.
        parallel: each deploy, all started together.
        together: seconds from the first start to the last end of those.
        cores: the machine's.
        healthy: how many environments are healthy afterwards.
    """

    serial: tuple[Timing, ...]
    parallel: tuple[Timing, ...]
    together: float
    cores: int
    healthy: int

    @property
    def waited(self) -> float:
        """The seconds of the longest wait for others, which all of them have side by side."""
        return max(timing.waited for timing in self.parallel)

    @property
    def one_by_one(self) -> float:
        """Seconds of all of them one after the other, waiting for others not counted."""
        return sum(timing.worked for timing in self.serial)

    @property
    def ratio(self) -> float:
        """The time together by what the cores allow: the time one by one, divided among them."""
        return (self.together - self.waited) / (self.one_by_one / self.cores)

    def to_json(self) -> dict[str, object]:
        """For machines; seconds."""
        return {
            "environments": len(self.serial),
            "cores": self.cores,
            "serial": [round(timing.worked, 2) for timing in self.serial],
            "serial_sum": round(self.one_by_one, 2),
            "parallel": [round(timing.worked, 2) for timing in self.parallel],
            "parallel_wall": round(self.together, 2),
            "waited": round(self.waited, 2),
            "ratio": round(self.ratio, 2),
            "healthy": self.healthy,
        }

    def to_markdown(self) -> str:
        """For people."""
        return "\n".join(
            [
                f"A change in each of {len(self.serial)} environments, on {self.cores} cores, "
                f"{self.healthy} of them healthy afterwards:",
                "",
                "| one after the other | all at once | ratio to what the cores allow |",
                "|---:|---:|---:|",
                f"| {self.one_by_one:.1f} s | {self.together - self.waited:.1f} s "
                f"| **{self.ratio:.2f}** |",
            ]
        )


def measure(rig: Rig) -> Concurrency:
    """Deploy a change to every environment: one after the other, then all at once."""
    subject = Subject(rig, ORDERS)
    refs = [f"feature/{number}" for number in range(ENVIRONMENTS)]
    for ref in refs:
        subject.promote(0, ref)
        subject.deploy(ref)
        rig.say(f"{ref}: made")
    for ref in refs:
        subject.promote(1, ref)
    settle(rig.say)
    serial = []
    for ref in refs:
        serial.append(subject.deploy(ref))
        rig.say(f"{ref}: {serial[-1].worked:.2f} s by itself")
    for ref in refs:
        subject.promote(2, ref)
    settle(rig.say)
    began = time.monotonic()
    with ThreadPoolExecutor(ENVIRONMENTS) as pool:
        parallel = list(pool.map(subject.deploy, refs))
    together = time.monotonic() - began
    rig.say(f"all at once: {together:.2f} s")
    healthy = sum(subject.shown(ref)["status"] == "healthy" for ref in refs)
    return Concurrency(tuple(serial), tuple(parallel), together, cores(), healthy)
