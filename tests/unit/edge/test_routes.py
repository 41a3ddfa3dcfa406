"""The folder of routes: one owner for each host, whole files, broken ones named."""

from __future__ import annotations

import multiprocessing
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from junov.edge import HostTakenError, Route, RouteFileError, Routes, render
from junov.edge import routes as module
from junov.errors import LockedError, UnavailableError

PROD = Route(
    name="notes_prod",
    host="notes.example.com",
    servers=("http://notes_prod-web-1:8000",),
    project="notes",
    environment="prod",
    release=1,
)
STAGE = replace(PROD, name="notes_stage", host="stage.example.com", environment="stage")


@pytest.fixture
def routes(tmp_path: Path) -> Routes:
    return Routes(tmp_path / "edge" / "routes")


def test_an_empty_folder_has_no_routes(routes: Routes) -> None:
    assert routes.all() == []
    assert routes.read("notes_prod") is None
    assert routes.remove("notes_prod") is False


def test_what_is_written_is_read_and_removed(routes: Routes) -> None:
    routes.write(STAGE)
    routes.write(PROD)
    assert routes.all() == [PROD, STAGE]
    assert routes.read("notes_prod") == PROD

    newer = replace(PROD, release=2, servers=("http://notes_prod-web-2:8000",))
    routes.write(newer)
    assert routes.read("notes_prod") == newer

    assert routes.remove("notes_prod") is True
    assert routes.all() == [STAGE]


def test_a_host_belongs_to_the_first_that_took_it(routes: Routes) -> None:
    routes.write(PROD)
    thief = replace(STAGE, host=PROD.host, project="shop")
    with pytest.raises(HostTakenError) as error:
        routes.write(thief)
    assert "belongs to environment prod of project notes" in error.value.message
    assert "junov env rm prod" in error.value.remedy
    assert error.value.owner == PROD
    assert routes.all() == [PROD]

    routes.remove(PROD.name)
    routes.write(thief)
    assert routes.all() == [thief]


def test_a_route_may_change_its_host_for_a_free_one(routes: Routes) -> None:
    routes.write(PROD)
    moved = replace(PROD, host="www.example.com")
    routes.write(moved)
    routes.write(replace(STAGE, host=PROD.host))
    assert [route.host for route in routes.all()] == ["www.example.com", PROD.host]


def take(folder: Path, number: int, gate: threading.Barrier, won: list[int]) -> None:
    gate.wait(timeout=30)
    try:
        Routes(folder).write(replace(PROD, name=f"notes_{number}", environment=f"e{number}"))
    except HostTakenError:
        pass
    else:
        won.append(number)


def test_of_many_that_want_one_host_one_gets_it(routes: Routes) -> None:
    for _ in range(10):
        gate, won = threading.Barrier(8), list[int]()
        takers = [
            threading.Thread(target=take, args=(routes.folder, n, gate, won)) for n in range(8)
        ]
        for taker in takers:
            taker.start()
        for taker in takers:
            taker.join(timeout=30)
        assert len(won) == 1
        (owner,) = routes.all()
        assert owner.name == f"notes_{won[0]}"
        routes.remove(owner.name)


def take_in_process(folder: Path, number: int, gate: threading.Barrier) -> None:
    won: list[int] = []
    take(folder, number, gate, won)
    os._exit(10 if won else 0)


def test_processes_exclude_each_other_too(routes: Routes) -> None:
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(4)
    takers = [
        context.Process(target=take_in_process, args=(routes.folder, n, gate)) for n in range(4)
    ]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join(timeout=60)
    assert sorted(taker.exitcode or 0 for taker in takers) == [0, 0, 0, 10]
    assert len(routes.all()) == 1


def test_readers_see_whole_files_only(routes: Routes) -> None:
    routes.write(PROD)
    done = threading.Event()

    def rewrite() -> None:
        release = 1
        while not done.is_set():
            release += 1
            routes.write(replace(PROD, release=release, environment="x" * (release % 900)))

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        for _ in range(300):
            (seen,) = routes.all()
            assert seen.name == PROD.name
    finally:
        done.set()
        writer.join(timeout=30)


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(
    routes: Routes, monkeypatch: pytest.MonkeyPatch
) -> None:
    routes.write(PROD)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UnavailableError, match="No space left on device") as error:
        routes.write(replace(PROD, release=2))
    assert "go on serving" in error.value.remedy
    assert routes.all() == [PROD]
    assert [path.name for path in routes.folder.iterdir()] == ["notes_prod.yaml"]


def test_no_file_that_is_not_whole_ends_in_what_traefik_reads(
    routes: Routes, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.extend(p.name for p in routes.folder.iterdir()))
    routes.write(PROD)
    assert len(seen) == 1
    assert not seen[0].endswith((".yaml", ".yml", ".toml"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http: {}\n",
        "http: [\n",
        render(PROD).replace("url: ", "url: 'no' #"),
        render(STAGE),
        "\0\n",
    ],
    ids=["empty", "foreign", "no yaml", "edited", "another's", "binary"],
)
def test_a_broken_file_is_named(routes: Routes, text: str) -> None:
    routes.write(STAGE)
    path = routes.folder / "notes_prod.yaml"
    path.write_text(text)
    for attempt in (
        lambda: routes.read("notes_prod"),
        routes.all,
        lambda: routes.write(replace(STAGE, release=2)),
    ):
        with pytest.raises(
            RouteFileError, match=r"notes_prod\.yaml isn't as junov wrote it"
        ) as why:
            attempt()
        assert why.value.remedy
    assert routes.read(STAGE.name) == STAGE  # the write was refused before anything was changed
    assert routes.remove("notes_prod") is True
    assert routes.all() == [STAGE]


def test_bytes_that_are_no_text_are_named_as_well(routes: Routes) -> None:
    routes.write(STAGE)
    (routes.folder / "odd.yml").write_bytes(b"\xff\xfe")
    with pytest.raises(RouteFileError, match=r"odd\.yml"):
        routes.all()


def test_what_holds_for_every_route_is_no_route(routes: Routes) -> None:
    routes.write_dynamic_config("http: {}\n")
    routes.write(PROD)
    assert routes.all() == [PROD]
    assert (routes.folder / "junov-api.yaml").read_text() == "http: {}\n"


@pytest.mark.parametrize("name", ["../key", "a/b", "", ".lock", "junov-api.yaml"])
def test_a_name_that_leads_elsewhere_is_refused(routes: Routes, name: str) -> None:
    for attempt in (routes.read, routes.remove):
        with pytest.raises(ValueError, match="not a name for a route"):
            attempt(name)


def test_a_held_folder_is_an_error_in_time(routes: Routes, monkeypatch: pytest.MonkeyPatch) -> None:
    routes.write(PROD)
    monkeypatch.setattr(module, "LOCK_TIMEOUT", 0.1)
    with (
        FileLock(routes.folder.with_name("routes.lock")),
        pytest.raises(LockedError, match="another run"),
    ):
        routes.write(STAGE)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UnavailableError, match="can't be written"):
        Routes(tmp_path / "file" / "routes").write(PROD)
