"""A thousand requests while a database is replaced: each is answered, each order is kept."""

from __future__ import annotations

import secrets
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path

from bench.clients import Client, Target, ask
from tests.engine.gate import Gate
from tests.engine.stage import FIXTURES, Stage
from tests.engine.test_concurrency import begun, ended
from tests.waiting import until

READERS = 12
WRITERS = 4
REQUESTS = 1000
PAUSE_SECONDS = 0.02


class Caller(Client):
    """Asks on one connection that is kept, and never sends anything a second time.

    Args:
        target: whom.
        prefix: what its notes begin with; empty for one who only reads.
    """

    def __init__(self, target: Target, prefix: str = "") -> None:
        super().__init__()
        self._target = target
        self._prefix = prefix
        self.statuses: list[int] = []
        self.written: list[str] = []

    def visit(self) -> None:
        """See `Client.visit`."""
        with closing(self._target.connect()) as connection:
            while not self.stopping.wait(PAUSE_SECONDS):
                note = f"{self._prefix}-{len(self.statuses)}"
                asked = ("POST", "/notes", {"text": note}) if self._prefix else ("GET", "/notes")
                answer, _ = ask(connection, self._target.host, *asked)
                self.statuses.append(answer.status)
                if answer.status == 201:
                    self.written.append(note)
                self.underway.set()


def test_a_thousand_requests_during_a_reset(stage: Stage, tmp_path: Path) -> None:
    gate, run = Gate(tmp_path), f"load-{secrets.token_hex(4)}"
    readers = [Caller(stage.target) for _ in range(READERS)]
    writers = [Caller(stage.target, f"{run}-{number}") for number in range(WRITERS)]
    callers = [*readers, *writers]

    def asked() -> int:
        return sum(len(each.statuses) for each in callers)

    old = stage.live()
    with ExitStack() as finishing:
        for each in callers:
            finishing.callback(each.finish)
            each.start()
        reset = finishing.enter_context(
            begun(stage.shell, *gate.before("before:switch"), "reset", "stage", "--yes")
        )
        with gate.closed():
            # The new one is filled and its web is ready; from here on it is quick.
            before = asked()
            until(lambda: asked() > before + REQUESTS, "a thousand requests", seconds=120)
        ended(reset, 0)
        after = [len(each.statuses) for each in callers]
        until(
            lambda: all(
                len(each.statuses) > count for each, count in zip(callers, after, strict=True)
            ),
            "everybody is answered after it",
        )

    assert Counter(status for each in readers for status in each.statuses).keys() == {200}
    assert Counter(status for each in writers for status in each.statuses).keys() == {201}
    sent = sorted(note for each in writers for note in each.written)
    kept, new = written_in(stage, old, run), written_in(stage, stage.live(), run)
    assert sorted(kept + new) == sent, "each is in one of the two databases, once"
    assert kept
    assert new
    with stage.session(stage.live()) as session:
        others = "SELECT count(*) FROM notes WHERE text NOT LIKE %s"
        assert session.execute(others, [f"{run}%"]).fetchone() == (FIXTURES,)


def written_in(stage: Stage, database: str, run: str) -> list[str]:
    """The notes of a run that a database has."""
    with stage.session(database) as session:
        rows = session.execute("SELECT text FROM notes WHERE text LIKE %s", [f"{run}%"])
        return [text for (text,) in rows.fetchall()]
