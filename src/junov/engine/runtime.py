"""What a runtime has to be able to do: run a stack that has been checked.

There is one implementation, `engine/compose.py`. A second one (Swarm) satisfies the same protocol:
it gets the same resolved stack file and may not interpolate or change anything in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from junov.secret import Secret

Line = Callable[[str], None]


class Runtime(Protocol):
    """Runs stacks on one machine or several."""

    def run_once(
        self,
        stack: Path,
        service: str,
        *,
        command: Sequence[str] = (),
        timeout: float,
        on_line: Line,
        variables: Mapping[str, str | Secret] | None = None,
    ) -> int:
        """Run a service's container to its end, without what it depends on, and remove it.

        Args:
            stack: the stack file.
            service: the service whose image, network and variables it gets.
            command: instead of the service's own.
            timeout: seconds after which it is ended.
            on_line: called with each line that it prints.
            variables: instead of the service's own of these names, or beside them.

        Returns:
            Its exit code; 124 where its time was up.
        """
        ...

    def up(self, stack: Path, services: Sequence[str], *, on_line: Line) -> None:
        """Start these services as the stack has them; what already runs so is left alone.

        Raises:
            CommandError: one of them could not be started.
        """
        ...
