"""`server.yaml`: read, and what follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from junov.config.home import Home
from junov.config.schema import example
from junov.config.server import Server, read_server
from junov.errors import ConfigError, NotFoundError


def server_of(folder: Path, text: str) -> Server:
    (folder / "server.yaml").write_text(text)
    return read_server(Home(folder))


@pytest.mark.parametrize("text", ["", "# nothing changed\n", "{}", example("server.yaml")])
def test_everything_has_a_default(tmp_path: Path, text: str) -> None:
    assert server_of(tmp_path, text) == Server()


def test_no_server_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="this machine has no server yet") as caught:
        read_server(Home(tmp_path))
    assert "junov server up" in caught.value.remedy


@pytest.mark.parametrize(("port", "url"), [(80, "http://a.test"), (8080, "http://a.test:8080")])
def test_addresses_name_the_port_only_where_it_is_needed(
    tmp_path: Path, port: int, url: str
) -> None:
    assert server_of(tmp_path, f"edge: {{port: {port}}}").url("a.test") == url


def test_its_own_networks_sort_before_every_private_one(tmp_path: Path) -> None:
    server = server_of(tmp_path, "name: ours")
    assert {server.webproxy, server.db_network} == {"0_ours_webproxy", "0_ours_db_network"}
    assert max(server.webproxy, server.db_network) < "a"


def test_the_registry_can_be_left_out(tmp_path: Path) -> None:
    assert server_of(tmp_path, "").repository("notes") == "127.0.0.1:5010/notes"
    assert server_of(tmp_path, "registry: {enabled: false}").repository("notes") is None


def test_there_is_a_pooler_only_where_it_is_asked_for(tmp_path: Path) -> None:
    assert not server_of(tmp_path, "").postgres.pgbouncer.enabled
    pooler = server_of(tmp_path, "postgres: {pgbouncer: {enabled: true}}").postgres.pgbouncer
    assert (pooler.enabled, pooler.pool_size, pooler.clients) == (True, 10, 1000)


@pytest.mark.parametrize("text", ["pool_size: 0", "clients: 1", "image: Upper", "port: 6432"])
def test_what_a_pooler_cannot_be(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        server_of(tmp_path, f"postgres: {{pgbouncer: {{{text}}}}}")
