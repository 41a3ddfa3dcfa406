"""PgBouncer's files: what stands in them, and what never does."""

from __future__ import annotations

import configparser
from datetime import UTC, datetime
from pathlib import Path

import pytest

from junov.config.home import Home, write_private
from junov.config.postgres import PgBouncer
from junov.databases import Stamp
from junov.databases.pools import Poolable
from junov.environments import identify
from junov.pgbouncer.entries import postgres_address, remove_files, with_next, write_entries
from junov.pgbouncer.files import Entry, hba, ini, pool_size, userlist
from junov.secret import Secret
from junov.site import Site

SETTINGS = PgBouncer(enabled=True, clients=300)
ADDRESS = "10.213.0.62"


def entry(database: str, *password: str, size: int = 10) -> Entry:
    return Entry(database, Secret("".join(password or ["0a1b"])), size)


def read(*entries: Entry) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read_string(ini(SETTINGS, entries, postgres=ADDRESS))
    return parsed


def test_each_database_has_one_entry_by_address_and_without_a_user() -> None:
    names = ["notes_prod", "notes_stage.2", "my_notes__env_x1"]
    parsed = read(*(entry(name, size=index + 1) for index, name in enumerate(names)))
    assert dict(parsed["databases"]) == {
        name: f"host={ADDRESS} port=5432 pool_size={index + 1}" for index, name in enumerate(names)
    }


def test_what_holds_for_all_of_them() -> None:
    settings = read()["pgbouncer"]
    assert settings["pool_mode"] == "transaction"
    assert settings["max_client_conn"] == "300"
    assert settings["auth_type"] == "hba"
    assert settings["unix_socket_dir"] == "", "nobody reaches its console"
    assert not {"admin_users", "stats_users", "auth_user", "auth_query"} & set(settings)


def test_no_password_is_where_it_does_not_belong() -> None:
    assert "hunter2" not in ini(SETTINGS, [entry("notes_prod", "hunter2")], postgres=ADDRESS)
    assert "hunter2" not in repr(entry("notes_prod", "hunter2"))


@pytest.mark.parametrize(
    "name",
    ["", "*", "pgbouncer", 'a"b', "a b", "a=b", "a;b", "a\nb", "a\n[pgbouncer]", "ä", "-a", ".a"],
)
def test_a_name_that_could_be_read_as_something_else_is_no_entry(name: str) -> None:
    with pytest.raises(ValueError, match="entry of PgBouncer"):
        ini(SETTINGS, [entry(name)], postgres=ADDRESS)


@pytest.mark.parametrize(
    ("password", "written"),
    [
        ("0a1b", '"0a1b"'),
        ('a"b', '"a""b"'),
        ('"', '""""'),
        ("a b;#'\\$", '"a b;#\'\\$"'),
    ],
)
def test_passwords_are_quoted(password: str, written: str) -> None:
    text = userlist([entry("notes_prod", password), entry("notes_stage.2")])
    assert text == f'"notes_prod" {written}\n"notes_stage.2" "0a1b"\n'


@pytest.mark.parametrize("password", ["", "a\nb", "a\rb", "a\0b"])
def test_a_password_that_cannot_be_written_is_refused_and_not_shown(password: str) -> None:
    with pytest.raises(ValueError, match="not a name or a password") as caught:
        userlist([entry("notes_prod", password)])
    assert not password or password not in str(caught.value)


def test_a_role_gets_to_the_database_of_its_own_name_only() -> None:
    rows = [line.split() for line in hba().splitlines() if not line.startswith("#")]
    assert {(kind, database, method) for kind, database, _, _, method in rows} == {
        ("host", "sameuser", "scram-sha-256")
    }


@pytest.mark.parametrize(
    ("wanted", "connections", "size"),
    [(10, 20, 10), (10, 12, 9), (10, 3, 1), (10, 2, 1), (1, 9, 1)],
)
def test_a_pool_leaves_the_role_some_connections(wanted: int, connections: int, size: int) -> None:
    assert pool_size(wanted, connections) == size


@pytest.mark.parametrize(
    ("subnet", "address"),
    [
        ("10.213.0.32/27", "10.213.0.62"),
        ("10.213.0.0/29", "10.213.0.6"),
        ("10.1.0.0/20", "10.1.15.254"),
    ],
)
def test_postgres_has_the_last_address_of_its_network(subnet: str, address: str) -> None:
    assert postgres_address(subnet) == address


def test_the_next_database_of_an_environment_is_there_before_it_is_made() -> None:
    def database(environment: str, generation: int, connections: int = 20) -> Poolable:
        stamp = Stamp("junov", "notes", environment, datetime(2026, 11, 23, tzinfo=UTC))
        name = identify("notes", environment).at(generation).database
        return Poolable(name, stamp, connections)

    found = [database("stage", 2), database("stage", 10, 8), database("prod", 1)]
    assert with_next(found) == sorted(
        [*found, database("stage", 11, 8), database("prod", 2)], key=lambda each: each.name
    )
    assert with_next([]) == []


def test_where_it_is_not_enabled_nothing_is_asked_or_written(tmp_path: Path) -> None:
    (tmp_path / "server.yaml").write_text("")
    site = Site(Home(tmp_path))
    assert write_entries(site) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["server.yaml"]


def test_no_password_stays_where_it_has_been_switched_off(tmp_path: Path) -> None:
    home = Home(tmp_path)
    remove_files(Site(home))
    write_private(home.pgbouncer_folder / "userlist.txt", '"notes_prod" "0a1b"\n')
    remove_files(Site(home))
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_its_owners_before_it_has_its_name(tmp_path: Path) -> None:
    file = tmp_path / "pgbouncer" / "userlist.txt"
    owner = file.parent.parent.stat().st_uid
    write_private(file, "secret", owner=owner)
    assert (file.stat().st_uid, file.stat().st_gid) == (owner, owner)
    assert oct(file.stat().st_mode)[-3:] == "600"
    assert [path.name for path in file.parent.iterdir()] == ["userlist.txt"]
