"""The server's images do what their official interface says, whether pulled or stood in for."""

from __future__ import annotations

import hashlib
import io
import tarfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import docker
import httpx2
import psycopg
import pytest

from junov.engine.api import Engine
from junov.server.images import SERVER_IMAGES, ensure_images
from tests.waiting import until

pytestmark = pytest.mark.engine

PYTHON = "python:3.11-slim-bookworm"
POSTGRES, REGISTRY, TRAEFIK = SERVER_IMAGES
PGBOUNCER = "pgbouncer:1.18-bookworm"
RUN = uuid.uuid4().hex[:8]
DATA = "/var/lib/postgresql/data"
INIT = "/docker-entrypoint-initdb.d"
PASSWORD = 'it\'s "quoted" $HOME'


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    client = docker.from_env()
    try:
        ensure_images(Engine(), [PYTHON, PGBOUNCER, *SERVER_IMAGES], report=print)
        yield client
    finally:
        client.close()


Start = Callable[..., Any]


@pytest.fixture
def start(engine: Any) -> Iterator[Start]:
    """Starts containers that are gone after the test, however it ends."""
    with ExitStack() as stack:

        def start(image: str, *, files: Mapping[str, str] | None = None, **options: Any) -> Any:
            container = engine.containers.create(
                image,
                name=f"junov-test-{RUN}-{uuid.uuid4().hex[:8]}",
                labels={"dev.junov.test": RUN},
                **options,
            )
            stack.callback(container.remove, v=True, force=True)
            for path, text in (files or {}).items():
                folder, _, name = path.rpartition("/")
                container.put_archive(folder, archive(name, text))
            container.start()
            return container

        yield start


def archive(name: str, text: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(text.encode()), 0o644
        tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def wait_for(condition: Callable[[], bool], container: Any) -> None:
    """Wait for a container, and show its log where it ends instead."""

    def met() -> bool:
        container.reload()
        if container.status == "exited":
            pytest.fail(container.logs(tail=40).decode())
        return condition()

    until(met, f"{container.name} does as it should")


def address(container: Any, port: int) -> str:
    container.reload()
    published = container.ports[f"{port}/tcp"][0]
    return f"{published['HostIp']}:{published['HostPort']}"


def finished(container: Any) -> tuple[int, str]:
    code = container.wait(timeout=120)["StatusCode"]
    return code, container.logs().decode()


def accepts_tcp(container: Any) -> bool:
    return bool(container.exec_run(["pg_isready", "-q", "-h", "127.0.0.1"]).exit_code == 0)


def connect(container: Any, **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
    host, _, port = address(container, 5432).partition(":")
    return psycopg.connect(host=host, port=port, connect_timeout=10, **options)


def postgres(start: Start, **options: Any) -> Any:
    options.setdefault("tmpfs", {DATA: ""})
    container = start(POSTGRES, ports={"5432/tcp": ("127.0.0.1", 0)}, **options)
    wait_for(lambda: accepts_tcp(container), container)
    return container


def test_postgres_runs_its_scripts_before_anybody_can_reach_it(start: Start) -> None:
    container = postgres(
        start,
        environment={
            "POSTGRES_USER": "notes",
            "POSTGRES_DB": "Notes prod",
            "POSTGRES_PASSWORD": PASSWORD,
        },
        files={
            f"{INIT}/1.sh": "reached=no\n"
            'for host in 127.0.0.1 "$(hostname -i)"; do\n'
            '    if pg_isready -q -h "$host"; then reached=yes; fi\n'
            "done\n"
            'psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" '
            "-c \"CREATE TABLE seen AS SELECT '$reached' AS over_tcp\"\n",
            f"{INIT}/2.sql": "INSERT INTO seen VALUES ('after the first');\n",
        },
    )
    with connect(container, user="notes", dbname="Notes prod", password=PASSWORD) as connection:
        rows = connection.execute("SELECT over_tcp FROM seen").fetchall()
        collation = connection.execute("SHOW lc_collate").fetchone()
    assert rows == [("no",), ("after the first",)]
    assert collation == ("en_US.utf8",)


@pytest.mark.parametrize(
    "command", [["postgres", "-c", "max_connections=42"], ["-c", "max_connections=42"]]
)
def test_postgres_takes_settings_as_arguments(start: Start, command: list[str]) -> None:
    container = postgres(start, command=command, environment={"POSTGRES_PASSWORD": PASSWORD})
    with connect(container, user="postgres", password=PASSWORD) as connection:
        assert connection.execute("SHOW max_connections").fetchone() == ("42",)


def test_postgres_takes_its_password_from_a_file_and_no_other(start: Start) -> None:
    container = postgres(
        start,
        environment={"POSTGRES_PASSWORD_FILE": "/run/password"},
        files={"/run/password": f"{PASSWORD}\n"},
    )
    with connect(container, user="postgres", password=PASSWORD) as connection:
        assert connection.execute("SHOW password_encryption").fetchone() == ("scram-sha-256",)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(container, user="postgres", password="another")


def test_postgres_keeps_its_data_and_initialises_once(start: Start) -> None:
    container = postgres(start, tmpfs={}, environment={"POSTGRES_PASSWORD": PASSWORD})
    with connect(container, user="postgres", password=PASSWORD) as connection:
        connection.execute("CREATE TABLE kept ()")
    container.restart(timeout=20)
    wait_for(lambda: accepts_tcp(container), container)
    with connect(container, user="postgres", password=PASSWORD) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    log = container.logs().decode()
    assert log.count("PostgreSQL init process complete") == 1
    assert "Skipping initialization" in log


def test_postgres_is_not_started_by_root_nor_without_a_password(start: Start) -> None:
    container = postgres(start, environment={"POSTGRES_PASSWORD": PASSWORD})
    assert container.top(ps_args="-o uid,pid")["Processes"][0][0] == "999"
    code, log = finished(start(POSTGRES, tmpfs={DATA: ""}))
    assert code != 0
    assert "POSTGRES_PASSWORD" in log


def test_the_registry_keeps_gives_and_deletes(start: Start) -> None:
    container = start(
        REGISTRY,
        ports={"5000/tcp": ("127.0.0.1", 0)},
        environment={"REGISTRY_STORAGE_DELETE_ENABLED": "true"},
    )
    blob = b"{}"
    blob_digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "size": len(blob),
            "digest": blob_digest,
        },
        "layers": [],
    }
    with httpx2.Client(base_url=f"http://{address(container, 5000)}/v2/") as registry:
        wait_for(lambda: answers(registry, ""), container)
        upload = registry.post("team/notes/blobs/uploads/").headers["Location"]
        assert registry.put(f"{upload}&digest={blob_digest}", content=blob).status_code == 201
        put = registry.put(
            "team/notes/manifests/main", json=manifest, headers={"Content-Type": kind}
        )
        assert put.status_code == 201
        got = registry.get("team/notes/manifests/main", headers={"Accept": kind})
        assert got.json() == manifest
        digest = got.headers["Docker-Content-Digest"]
        assert registry.delete(f"team/notes/manifests/{digest}").status_code == 202
        assert registry.get("team/notes/manifests/main").status_code == 404


def answers(client: httpx2.Client, path: str) -> bool:
    try:
        return client.get(path).status_code == 200
    except httpx2.TransportError:
        return False


def test_traefik_says_its_version(start: Start) -> None:
    code, log = finished(start(TRAEFIK, command=["version"]))
    assert code == 0, log
    assert "3.7." in log


def test_traefik_takes_arguments_and_serves(start: Start) -> None:
    container = start(
        TRAEFIK,
        command=["--entryPoints.web.address=:80", "--ping=true", "--ping.entryPoint=web"],
        ports={"80/tcp": ("127.0.0.1", 0)},
    )
    with httpx2.Client(base_url=f"http://{address(container, 80)}") as edge:
        wait_for(lambda: answers(edge, "/ping"), container)


def test_pgbouncer_says_its_version_and_is_not_root(start: Start) -> None:
    code, log = finished(start(PGBOUNCER, command=["--version"]))
    assert (code, log.splitlines()[0]) == (0, "PgBouncer 1.18.0")
    code, log = finished(start(PGBOUNCER, entrypoint="id", command=["-u"]))
    assert (code, log.strip()) == (0, "65533")


def test_pip_installs_where_python_looks(start: Start) -> None:
    script = (
        'set -e; test "$(command -v python)" = /usr/local/bin/python; '
        "pip install --quiet --no-cache-dir --root-user-action=ignore six; "
        "python -c 'import six; print(six.__file__)'; "
        "python -m venv /venv; /venv/bin/python -c 'import sys; print(sys.prefix)'; "
    )
    code, log = finished(start(PYTHON, command=["sh", "-c", script]))
    assert code == 0, log
    assert log.split() == ["/usr/local/lib/python3.11/site-packages/six.py", "/venv"]
