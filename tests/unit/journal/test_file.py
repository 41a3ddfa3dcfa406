"""The journal's file: private, shared by processes, and clear about what is wrong with it."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from junov.environments import Environment, Ref, identify
from junov.errors import JunovError, LockedError, UnavailableError
from junov.journal import Journal, JournalError, TakenError, schema

IMAGE = "127.0.0.1:5010/notes@sha256:" + "a" * 64


def environment(name: str, host: str = "") -> Environment:
    identity = identify("notes", name)
    host = host or f"{identity.slug}.example.com"
    return Environment(identity, name, "development", Ref("branch", name), host, "dev", None)


def version(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "journal.db"


def test_it_is_closed_to_others(path: Path) -> None:
    old = os.umask(0)
    try:
        with Journal(path) as journal:
            journal.register(environment("prod"))
            modes = {p.name: p.stat().st_mode & 0o777 for p in path.parent.iterdir()}
    finally:
        os.umask(old)
    assert modes == {"journal.db": 0o600, "journal.db-wal": 0o600, "journal.db-shm": 0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_one_that_others_could_read_is_closed(path: Path) -> None:
    with Journal(path) as journal:
        journal.events()
    path.chmod(0o644)
    with Journal(path) as journal:
        journal.events()
    assert path.stat().st_mode & 0o777 == 0o600


def test_readers_go_on_during_a_write(path: Path) -> None:
    with Journal(path) as writer, Journal(path) as reader:
        writer.register(environment("prod"))
        with writer.write() as db:
            db.execute("DELETE FROM environments")
            assert len(reader.environments()) == 1
        assert reader.environments() == []


def test_a_failed_write_leaves_nothing(path: Path) -> None:
    def attempt(journal: Journal) -> None:
        with journal.write() as db:
            db.execute("DELETE FROM environments")
            raise KeyboardInterrupt

    with Journal(path) as journal:
        journal.register(environment("prod"))
        with pytest.raises(KeyboardInterrupt):
            attempt(journal)
        assert len(journal.environments()) == 1


def test_one_instance_serves_several_threads(path: Path) -> None:
    with Journal(path) as journal:
        journal.register(environment("prod"))

        def work() -> None:
            for _ in range(20):
                journal.begin_release(environment("prod"), commit="c", image=IMAGE, who="anna")

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        numbers = [r.number for r in journal.releases(environment("prod"), limit=1000)]
    assert numbers == list(range(80, 0, -1))


def deploy_often(path: Path, worker: int, gate: threading.Barrier) -> None:
    gate.wait(timeout=60)
    with Journal(path) as journal:  # the file isn't there yet: all make it at once
        journal.register(environment("shared"))
        for _ in range(10):
            release = journal.begin_release(
                environment("shared"), commit=f"{worker}", image=IMAGE, who=f"worker {worker}"
            )
            journal.step_done(journal.step_started(release, "migrate"))
            journal.end_release(release, "succeeded")
        try:
            journal.register(environment(f"own/{worker}", host="wanted.example.com"))
        except TakenError:
            os._exit(0)
    os._exit(10)


def test_several_processes_write_at_once(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(6)
    workers = [context.Process(target=deploy_often, args=(path, n, gate)) for n in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)

    # One of them got the host that all of them wanted, and none of them failed.
    assert sorted(worker.exitcode or 0 for worker in workers) == [0, 0, 0, 0, 0, 10]
    with Journal(path) as journal:
        releases = journal.releases(environment("shared"), limit=1000)
        assert [r.number for r in releases] == list(range(60, 0, -1))
        assert all(len(journal.steps(r)) == 1 for r in releases)
        assert len(journal.environments()) == 2


def test_what_was_written_survives_a_kill(path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from tests.unit.journal.test_file import IMAGE, environment
from junov.journal import Journal
journal = Journal(Path(sys.argv[1]))
journal.register(environment("prod"))
release = journal.begin_release(environment("prod"), commit="c1", image=IMAGE, who="anna")
journal.step_done(journal.step_started(release, "network"))
journal.step_started(release, "migrate")
with journal.write() as db:
    db.execute("DELETE FROM environments")
    os.kill(os.getpid(), 9)
"""
    killed = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert killed.returncode == -9
    with Journal(path) as journal:
        release = journal.last_release(environment("prod"), "running")
        assert release is not None
        assert [(s.name, s.state) for s in journal.steps(release)] == [
            ("network", "done"),
            ("migrate", "started"),
        ]


@pytest.mark.parametrize(
    "content",
    [
        b"this is a text file, and a rather long one at that\n" * 100,
        b"SQLite format 3\0" + b"x" * 9000,
    ],
    ids=["text", "damaged header"],
)
def test_a_damaged_file_is_named_and_can_be_moved_aside(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(JournalError, match=str(path)) as error:
        Journal(path).environments()
    assert "environments go on serving" in error.value.remedy
    assert path.read_bytes() == content

    path.rename(path.with_suffix(".broken"))  # what the remedy says
    with Journal(path) as journal:
        assert journal.environments() == []


def test_damage_inside_is_named_too(path: Path) -> None:
    with Journal(path) as journal:
        for number in range(200):
            journal.event("x" * 200, who=f"{number}")
    data = bytearray(path.read_bytes())
    data[4096 * 4 :] = os.urandom(len(data) - 4096 * 4)
    path.write_bytes(data)

    def use() -> None:
        with Journal(path) as journal:
            journal.register(environment("prod"))
            journal.overview()
            journal.events(limit=1000)
            journal.event("y", who="anna", environment=environment("prod"))

    with pytest.raises(JournalError, match="can't be used"):
        use()


def test_a_newer_file_is_left_alone(path: Path) -> None:
    with Journal(path) as journal:
        journal.register(environment("prod"))
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(JournalError, match="written by a newer junov") as error:
        Journal(path).environments()
    assert "update junov" in error.value.remedy
    assert version(path) == len(schema.MIGRATIONS) + 1


def test_an_older_file_is_brought_up_with_its_contents(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(path) as journal:
        journal.register(environment("prod"))
    more = ("ALTER TABLE environments ADD COLUMN note TEXT NOT NULL DEFAULT 'none'",)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, more))
    with Journal(path) as journal:
        assert [e.name for e in journal.environments()] == ["prod"]
        with journal.read() as db:
            assert [row["note"] for row in db.execute("SELECT note FROM environments")] == ["none"]
    assert version(path) == len(schema.MIGRATIONS)


def put_in(db: sqlite3.Connection, name: str, **values: object) -> None:
    """An environment as the first version wrote it, which knows no later column."""
    identity = identify("notes", name)
    row = {
        "project": "notes", "name": name, "kind": name.partition("/")[0], "tier": "development",
        "ref_type": "branch", "ref_name": name, "slug": identity.slug, "label": identity.label,
        "host": f"{identity.slug}.example.com", "database_name": identity.database,
        "network": identity.network, "stack": identity.stack, "image_tag": identity.label,
        "status": "running", "created_at": "2026-11-23T12:00:00.000+00:00", **values,
    }  # fmt: skip
    marks = ", ".join("?" * len(row))
    db.execute(
        f"INSERT INTO environments ({', '.join(row)}) VALUES ({marks})",  # noqa: S608
        tuple(row.values()),
    )


def test_a_file_of_the_first_version_goes_on_working(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        with Journal(path) as journal, journal.write() as db:
            put_in(db, "prod", last_number=2)
            db.execute(
                "INSERT INTO releases (environment_id, number, commit_id, subject, author, "
                "image, debug_image, stack_file, who, started_at, ended_at, outcome) VALUES "
                "(1, 1, 'c1', 'Begin', 'anna', ?, '', '/r/1/stack.yaml', 'anna@laptop', "
                "'2026-11-23T12:00:00.000+00:00', '2026-11-23T12:00:12.500+00:00', "
                "'succeeded'), "
                "(1, 2, 'c2', 'Go on', 'anna', ?, '', NULL, 'anna@laptop', "
                "'2026-11-23T13:00:00.000+00:00', NULL, 'running')",
                (IMAGE, IMAGE),
            )
            db.execute(
                "INSERT INTO steps (release_id, position, name, state, started_at, ended_at) "
                "VALUES (1, 1, 'migrate', 'done', '2026-11-23T12:00:00.000+00:00', "
                "'2026-11-23T12:00:02.000+00:00')"
            )
    assert version(path) == 1

    with Journal(path) as journal:
        (prod,) = journal.overview()
        assert prod.live
        assert (prod.live.number, prod.live.seconds, prod.live.origin) == (1, 12.5, 1)
        assert (prod.live.committed_at, prod.live.schema_heads) == (None, ())
        assert [step.seconds for step in journal.steps(prod.live)] == [2.0]
        assert [each.number for each in journal.cut_short(environment("prod"))] == [2]
        assert journal.stack_files_with(IMAGE) == [Path("/r/1/stack.yaml")]

        assert prod.last
        journal.set_schema_heads(prod.last, ["1a2b"])
        journal.end_release(prod.last, "failed", error="it was killed", seconds=4)
        back = journal.begin_release(
            environment("prod"), commit="c1", image=IMAGE, who="anna", restores=1
        )
        assert (back.number, back.origin) == (3, 1)
        ended = journal.release(environment("prod"), 2)
        assert (ended.seconds, ended.schema_heads) == (4.0, ("1a2b",))
    assert version(path) == len(schema.MIGRATIONS)


def test_a_file_of_the_second_version_learns_where_migrations_began(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:2])
        with Journal(path) as journal, journal.write() as db:
            put_in(db, "prod", last_number=1)
            db.execute(
                "INSERT INTO releases (environment_id, number, commit_id, subject, author, "
                "image, debug_image, stack_file, who, started_at, ended_at, outcome, "
                "schema_heads) VALUES (1, 1, 'c1', 'Begin', 'anna', ?, '', NULL, "
                "'anna@laptop', '2026-11-23T12:00:00.000+00:00', "
                "'2026-11-23T12:00:12.500+00:00', 'succeeded', '[\"0003\"]')",
                (IMAGE,),
            )
    assert version(path) == 2

    with Journal(path) as journal:
        before = journal.release(environment("prod"), 1)
        assert (before.schema_before, before.schema_heads) == ((), ("0003",))
        next_one = journal.begin_release(environment("prod"), commit="c2", image=IMAGE, who="anna")
        journal.set_schema_before(environment("prod"), next_one.number, ["0003"])
        journal.set_schema_heads(next_one, ["0004"])
        after = journal.release(environment("prod"), 2)
        assert (after.schema_before, after.schema_heads) == (("0003",), ("0004",))
        assert journal.release(environment("prod"), 1) == before
    assert version(path) == len(schema.MIGRATIONS)


def test_a_file_of_the_third_version_learns_since_when_environments_are_stopped(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:3])
        with Journal(path) as journal, journal.write() as db:
            put_in(db, "prod")
            put_in(db, "feature/a", status="stopped")
            put_in(db, "feature/b", status="stopped")
            db.execute(
                "INSERT INTO releases (environment_id, number, commit_id, subject, author, image, "
                "debug_image, who, started_at, outcome) VALUES "
                "(1, 1, 'c1', '', '', '', '', 'anna', '2026-11-24T08:00:00.000+00:00', 'failed')"
            )
            for at in ("2026-11-25T08:00:00.000+00:00", "2026-11-26T08:00:00.000+00:00"):
                db.execute(
                    "INSERT INTO events (at, project, environment, what, who, detail) "
                    "VALUES (?, 'notes', 'feature/a', 'stopped', 'anna', '')",
                    (at,),
                )

    with Journal(path) as journal:
        a, b, prod = journal.environments()
    week = 7 * 86400
    assert [(each.name, each.keep) for each in (a, b, prod)] == [
        ("feature/a", week),
        ("feature/b", week),
        ("prod", week),
    ]
    assert (prod.used_at.day, prod.stopped_at) == (24, None)
    assert a.stopped_at
    assert a.stopped_at.day == 26
    assert b.stopped_at == b.used_at == b.created_at


def test_a_migration_is_whole_or_not_there_at_all(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(path) as journal:
        journal.register(environment("prod"))
    before = version(path)
    broken = ("CREATE TABLE half (n INTEGER)", "CREATE TABLE oops (")
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, broken))
        with pytest.raises(JournalError):
            Journal(path).environments()
    assert version(path) == before
    with Journal(path) as journal, journal.read() as db:
        names = [row["name"] for row in db.execute("SELECT name FROM sqlite_master")]
    assert "half" not in names


def test_a_writer_that_does_not_end_is_an_error_in_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.2)
    with Journal(path) as holder, Journal(path) as other:
        holder.register(environment("prod"))
        with holder.write(), pytest.raises(LockedError, match="other runs have been writing"):
            other.event("x", who="anna")
        other.event("x", who="anna")


@pytest.mark.parametrize("place", ["file/journal.db", "folder"])
def test_a_place_that_cannot_hold_it_is_an_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UnavailableError) as error:
        Journal(tmp_path / place).environments()
    assert isinstance(error.value, JunovError)
    assert error.value.remedy


def test_importing_the_journal_is_cheap() -> None:
    code = "import junov.journal, sys; print([m for m in ('pydantic', 'rich') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert shown.stdout.strip() == "[]"
