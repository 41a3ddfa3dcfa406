"""What runs, read from the engine itself: containers, networks and volumes, by their labels."""

from __future__ import annotations

import contextlib
import re
import shlex
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from junov.engine.execution import printed_by
from junov.engine.inspection import (
    Container,
    Ended,
    Healthcheck,
    HeldImage,
    Network,
    healthcheck,
    held_image,
    inspected_container,
    listed_container,
    listed_network,
)
from junov.errors import CommandError, UnavailableError
from junov.process import TIMED_OUT
from junov.secret import Secret

if TYPE_CHECKING:
    from docker import APIClient

TIMEOUT_SECONDS = 60
_LONGEST_LINE = 1000


class Engine:
    """The engine's API, for reading, and for what Compose has no command for.

    Raises:
        UnavailableError: by every method, where the engine does not answer.
    """

    def __init__(self) -> None:
        self._client: APIClient | None = None

    @property
    def _api(self) -> APIClient:
        if self._client is None:
            import docker  # 100 ms: only commands that talk to the engine pay for it
            from docker.errors import DockerException

            try:
                self._client = docker.from_env(timeout=TIMEOUT_SECONDS).api
                self._client.ping()
            except (DockerException, OSError) as error:
                self._client = None
                raise UnavailableError(
                    "the Docker Engine does not answer",
                    remedy="start or install it with: junov server engine --install",
                    detail=str(error),
                ) from None
        return self._client

    def version(self) -> str:
        """The engine's version."""
        with _translated("read the engine's version"):
            return str(self._api.version()["Version"])

    def clock(self) -> datetime:
        """The time on the engine's machine."""
        with _translated("read the engine's clock"):
            text = str(self._api.info()["SystemTime"])
        # Nanoseconds, of which Python reads six digits at most.
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))

    def containers(self, labels: Mapping[str, str], *, all_states: bool = True) -> list[Container]:
        """The containers that carry all of these labels, by name."""
        with _translated("list containers"):
            found = self._api.containers(
                all=all_states, filters={"label": [_label(*pair) for pair in labels.items()]}
            )
        return sorted(
            (listed_container(raw) for raw in found), key=lambda container: container.name
        )

    def container(self, name: str) -> Container | None:
        """A container by its name or id."""
        from docker.errors import NotFound

        try:
            with _translated("inspect a container"):
                return inspected_container(self._api.inspect_container(name))
        except NotFound:
            return None

    def ended(self, container_id: str) -> Ended | None:
        """How a container last ended, and how often the engine has restarted it.

        Returns:
            None where there is no such container any more.
        """
        from docker.errors import NotFound

        try:
            with _translated("inspect a container"):
                raw = self._api.inspect_container(container_id)
        except NotFound:
            return None
        state = raw["State"]
        code = None if state["Status"] == "running" else int(state["ExitCode"])
        return Ended(code, int(raw["RestartCount"]), bool(state.get("OOMKilled")))

    def healthcheck(self, container_id: str) -> Healthcheck | None:
        """How Docker asks for a container's health; None where it doesn't."""
        from docker.errors import NotFound

        try:
            with _translated("inspect a container"):
                return healthcheck(self._api.inspect_container(container_id))
        except NotFound:
            return None

    def execute(
        self,
        container_id: str,
        argv: Sequence[str],
        *,
        timeout: float = TIMEOUT_SECONDS,
        variables: Mapping[str, Secret] | None = None,
    ) -> tuple[int, str]:
        """Run a command inside a running container, to its end.

        Args:
            container_id: the container.
            argv: the command.
            timeout: seconds that it may take. Then it is left alone: the engine can't end it.
            variables: what its environment has beside the container's; no list of processes
                shows them.

        Returns:
            Its exit code, and what it printed on either stream.

        Raises:
            CommandError: the container doesn't run, or the command took too long.
        """
        from docker.errors import NotFound

        api = self._api
        try:
            with _translated("run a command in a container"):
                given = {key: value.reveal() for key, value in (variables or {}).items()}
                made = api.exec_create(container_id, list(argv), environment=given)
                output = _within(timeout, lambda: printed_by(api, made["Id"]))
                if output is None:
                    raise CommandError(
                        f"`{shlex.join(argv)}` had not ended after {timeout:g} s",
                        exit_code=TIMED_OUT,
                    )
                code = api.exec_inspect(made["Id"])["ExitCode"]
        except NotFound:
            raise CommandError("there is no such container any more", exit_code=1) from None
        return int(code), output.decode("utf-8", "replace")

    def last_log_lines(self, container_id: str, count: int = 20) -> str:
        """The last lines that a container printed, of each its first 1,000 characters at most."""
        from docker.errors import NotFound

        try:
            with _translated("read a container's log"):
                raw: bytes = self._api.logs(container_id, tail=count)
        except NotFound:
            return ""
        lines = raw.decode("utf-8", "replace").strip().splitlines()
        return "\n".join(
            line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]} …" for line in lines
        )

    def start_container(self, container_id: str) -> None:
        """Start a stopped container; one that runs is left alone."""
        with _translated("start a container"):
            self._api.start(container_id)

    def stop_container(self, container_id: str, *, at_most: int | None = None) -> None:
        """Stop a container: with its own grace period, or with this one, in seconds."""
        from docker.errors import NotFound

        with contextlib.suppress(NotFound), _translated("stop a container"):
            self._api.stop(container_id, timeout=at_most)

    def remove_container(self, container_id: str) -> None:
        """Remove a container, running or not, with its anonymous volumes."""
        from docker.errors import NotFound

        with contextlib.suppress(NotFound), _translated("remove a container"):
            self._api.remove_container(container_id, force=True, v=True)

    def networks(self, labels: Mapping[str, str] | None = None) -> list[Network]:
        """The networks that carry all of these labels; every network without."""
        filters = {"label": [_label(*pair) for pair in (labels or {}).items()]}
        with _translated("list networks"):
            return [listed_network(raw) for raw in self._api.networks(filters=filters)]

    def network(self, name: str) -> Network | None:
        """A network by its exact name."""
        return next((net for net in self.networks() if net.name == name), None)

    def create_network(self, name: str, subnet: str, labels: Mapping[str, str]) -> str:
        """Make a bridge network with this one subnet, and return its id."""
        from docker.types import IPAMConfig, IPAMPool

        with _translated(f"create the network {name}"):
            made = self._api.create_network(
                name,
                driver="bridge",
                ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)]),
                labels=dict(labels),
                check_duplicate=True,
            )
        return str(made["Id"])

    def remove_network(self, network: Network) -> None:
        """Remove a network; containers that are still in it are disconnected first.

        Args:
            network: one that `networks` found by its labels. A name alone would not do: another
                server on this machine may have a network of that name.
        """
        from docker.errors import NotFound

        with contextlib.suppress(NotFound), _translated(f"remove the network {network.name}"):
            for container_id in self._api.inspect_network(network.id).get("Containers") or {}:
                with contextlib.suppress(NotFound):
                    self._api.disconnect_container_from_network(
                        container_id, network.id, force=True
                    )
            self._api.remove_network(network.id)

    def connect(self, network: str, container: Container, aliases: Sequence[str] = ()) -> bool:
        """Connect a container into a network.

        Returns:
            False where it already was in it.
        """
        if network in container.addresses:
            return False
        with _translated(f"connect {container.name} to the network {network}"):
            self._api.connect_container_to_network(container.id, network, aliases=list(aliases))
        return True

    def volumes(self, labels: Mapping[str, str]) -> list[str]:
        """The names of the volumes that carry all of these labels."""
        filters = {"label": [_label(*pair) for pair in labels.items()]}
        with _translated("list volumes"):
            return sorted(v["Name"] for v in self._api.volumes(filters=filters)["Volumes"] or ())

    def remove_volume(self, name: str) -> None:
        """Remove a volume and what is in it."""
        from docker.errors import NotFound

        with contextlib.suppress(NotFound), _translated(f"remove the volume {name}"):
            self._api.remove_volume(name, force=True)

    def image_labels(self, image: str) -> Mapping[str, str] | None:
        """The labels of an image that the engine holds; None where it doesn't hold it."""
        from docker.errors import ImageNotFound

        try:
            with _translated("look for an image"):
                found = self._api.inspect_image(image)  # type: ignore[no-untyped-call]
        except ImageNotFound:
            return None
        return found["Config"].get("Labels") or {}

    def pull(self, image: str, *, silence: int) -> str | None:
        """Pull an image by its tag.

        Args:
            image: its name and tag.
            silence: how many seconds the engine may say nothing; a large image may take its time.

        Returns:
            Why it could not be pulled; None where it was.
        """
        import requests
        from docker.errors import DockerException
        from docker.utils import parse_repository_tag
        from urllib3.exceptions import HTTPError

        repository, tag = parse_repository_tag(image)
        api = self._api
        before, api.timeout = api.timeout, silence
        try:
            for event in api.pull(repository, tag or "latest", stream=True, decode=True):
                if "error" in event:
                    return str(event["error"])
        except DockerException as error:
            return str(getattr(error, "explanation", None) or error)
        except (requests.RequestException, HTTPError, TimeoutError):
            return f"the engine was silent for {silence} s"
        finally:
            api.timeout = before
        return None

    def remove_image(self, image: str) -> bool:
        """Remove one name of an image, and the image with its last name; not while it is in use.

        Returns:
            Whether the engine had it and it was in nobody's use.
        """
        from docker.errors import ImageNotFound

        try:
            with _translated("remove an image"):
                self._api.remove_image(image)
        except (ImageNotFound, CommandError):
            return False
        return True

    def remove_images(self, repositories: str) -> int:
        """Remove the images of repositories, tags and digests, that no container uses.

        Args:
            repositories: what their names begin with, such as `127.0.0.1:5010/`.

        Returns:
            How many were removed.
        """
        removed = 0
        for image in self.images():
            for name in image.names:
                if name.startswith(repositories):
                    gone = self.remove_image(name)
                    removed += gone and "@" not in name
        return removed

    def images(self) -> list[HeldImage]:
        """The images that the engine holds."""
        with _translated("list images"):
            return [held_image(found) for found in self._api.images()]

    def copy_file_out(self, container_id: str, path: str) -> bytes | None:
        """The contents of one file inside a container, or None where it isn't there."""
        import io
        import tarfile

        from docker.errors import NotFound

        try:
            with _translated("copy a file out of a container"):
                stream, _ = self._api.get_archive(container_id, path)
                data = b"".join(stream)
        except NotFound:
            return None
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            member = archive.next()
            found = archive.extractfile(member) if member and member.isfile() else None
            return found.read() if found else None


def _within(timeout: float, ask: Callable[[], bytes]) -> bytes | None:
    """What a call returns; None where it takes longer: the library waits for an exec forever."""
    from docker.errors import DockerException
    from requests import RequestException

    answers: SimpleQueue[bytes | Exception] = SimpleQueue()

    def work() -> None:
        try:
            answers.put(ask())
        except (DockerException, RequestException, OSError) as error:
            answers.put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        answer = answers.get(timeout=timeout)
    except Empty:
        return None
    if isinstance(answer, Exception):
        raise answer
    return answer


@contextlib.contextmanager
def _translated(doing: str) -> Iterator[None]:
    import requests
    from docker.errors import APIError, DockerException, ImageNotFound, NotFound

    try:
        yield
    except (NotFound, ImageNotFound, UnavailableError):
        raise
    except APIError as error:
        raise CommandError(
            f"the engine could not {doing}: {error.explanation}", exit_code=1
        ) from None
    except (DockerException, requests.RequestException, OSError) as error:
        raise UnavailableError(
            f"the Docker Engine did not answer, asked to {doing}",
            remedy="look at it with: junov server doctor",
            detail=str(error),
        ) from None


def _label(key: str, value: str) -> str:
    return f"{key}={value}" if value else key
