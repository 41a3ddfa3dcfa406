"""Real registries for tests, on loopback ports of their own."""

from __future__ import annotations

from junov.errors import UnavailableError
from junov.images import Registry
from tests.engine.sandbox import Sandbox
from tests.waiting import until

IMAGE = "registry:2.8.2"
USER, PASSWORD = "ci", "s3cret"

_HTPASSWD = "ci:$2b$04$kBHYZPU7tvaDz0ER.uTfvuZUVVzUrbdyxHh9tiWWDKh1v5j3tp3Ze"
_SERVE = "exec registry serve /etc/docker/registry/config.yml"


def start_registry(box: Sandbox, word: str, *command: str, options: tuple[str, ...] = ()) -> str:
    """Start a registry and wait until it answers; returns its host."""
    name = box.start(word, IMAGE, *command, options=["-p", "127.0.0.1::5000", *options])
    host = f"127.0.0.1:{box.published(name, 5000)}"

    def answers() -> bool:
        with Registry({}) as registry:
            try:
                registry.check(host)
            except UnavailableError:
                return False
        return True

    until(answers, "the registry answers")
    return host


def start_private_registry(box: Sandbox) -> str:
    """Start a registry that wants `USER` and `PASSWORD`."""
    settings = {
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_REALM": "test",
        "REGISTRY_AUTH_HTPASSWD_PATH": "/tmp/htpasswd",
    }
    options = [word for key, value in settings.items() for word in ("--env", f"{key}={value}")]
    script = f"echo '{_HTPASSWD}' >/tmp/htpasswd; {_SERVE}"
    return start_registry(box, "private", "-c", script, options=("--entrypoint", "sh", *options))


def login(host: str, password: str = PASSWORD) -> dict[str, str]:
    """The variables of a CI job that may use the private registry."""
    return {"CI_REGISTRY": host, "CI_REGISTRY_USER": USER, "CI_REGISTRY_PASSWORD": password}
