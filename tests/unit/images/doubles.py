"""A double of a registry: enough of the distribution specification to try the client on.

It keeps everything in memory, listens on a loopback port of its own, and follows the
specification's token flow or Basic if told to. `tests/engine/test_registry.py` asks a real one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from junov.images.reference import Repository

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"

Reply = tuple[int, dict[str, str], bytes]


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass
class RegistryDouble:
    """What the double keeps, and what was asked of it."""

    auth: Literal["none", "basic", "bearer"] = "none"
    users: dict[str, str] = field(default_factory=dict)
    may_push: bool = True
    page: int = 100
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    answer: Callable[[str, str], Reply | None] = lambda _method, _path: None
    host: str = ""
    realm: str = ""
    path: str = "team/notes"

    @property
    def repository(self) -> Repository:
        return Repository(self.host, self.path)

    def put(self, content: bytes, *tags: str, media_type: str = DOCKER) -> str:
        digest = sha256(content)
        self.manifests[digest] = (media_type, content)
        self.tags.update(dict.fromkeys(tags, digest))
        return digest

    def put_image(self, *tags: str, layers: list[str], labels: dict[str, str] | None = None) -> str:
        config = json.dumps(
            {"config": {"Labels": labels or {}}, "rootfs": {"diff_ids": layers}, "created": "then"}
        ).encode()
        self.blobs[sha256(config)] = config
        manifest = {"mediaType": DOCKER, "config": {"digest": sha256(config)}}
        # Not as json.dumps writes it by default: whoever writes it anew changes the digest.
        return self.put(json.dumps(manifest, indent=3).encode() + b"\n", *tags)

    def reply(self, method: str, url: str, headers: Any, body: bytes) -> Reply:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        if parts.path == "/token":
            return self._token(query, headers)
        if (given := self.answer(method, parts.path)) is not None:
            return given
        if refused := self._refused(method, headers):
            return refused
        if parts.path == "/v2/":
            return 200, {}, b"{}"
        place = parts.path.removeprefix(f"/v2/{self.path}/")
        if match := re.fullmatch(r"manifests/(.+)", place):
            return self._manifest(method, match[1], headers, body)
        if place == "blobs/uploads/" and method == "POST":
            return 202, {"Location": f"/v2/{self.path}/blobs/uploads/1?state=x"}, b""
        if place == "blobs/uploads/1" and method == "PUT":
            if query["state"] != ["x"] or query["digest"] != [sha256(body)]:
                return 400, {}, b""
            self.blobs[sha256(body)] = body
            return 201, {}, b""
        if match := re.fullmatch(r"blobs/(.+)", place):
            content = self.blobs.get(match[1])
            return (404, {}, b"") if content is None else (200, {}, content)
        if place == "tags/list":
            return self._tags(query)
        return 404, {}, b""

    def _manifest(self, method: str, reference: str, headers: Any, body: bytes) -> Reply:
        if method == "PUT":
            digest = self.put(body, media_type=headers["Content-Type"])
            if not reference.startswith("sha256:"):
                self.tags[reference] = digest
            return 201, {"Docker-Content-Digest": digest}, b""
        digest = self.tags.get(reference, reference)
        if digest not in self.manifests:
            return 404, {}, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}'
        if method == "DELETE":
            self.manifests.pop(digest)
            self.tags = {tag: to for tag, to in self.tags.items() if to != digest}
            return 202, {}, b""
        media_type, content = self.manifests[digest]
        assert media_type in headers["Accept"]
        return 200, {"Content-Type": media_type, "Docker-Content-Digest": digest}, content

    def _tags(self, query: dict[str, list[str]]) -> Reply:
        tags = sorted(self.tags)
        rest = [tag for tag in tags if tag > query.get("last", [""])[0]]
        shown, more = rest[: self.page], rest[self.page :]
        link = f'</v2/{self.path}/tags/list?last={shown[-1]}>; rel="next"' if more else ""
        content = json.dumps({"name": self.path, "tags": shown or None}).encode()
        return 200, {"Link": link} if link else {}, content

    def _refused(self, method: str, headers: Any) -> Reply | None:
        given = headers.get("Authorization", "")
        action = "pull" if method in ("GET", "HEAD") else "pull,push"
        scope = f"repository:{self.path}:{action}"
        if self.auth == "basic" and self._user(given) is None:
            return 401, {"WWW-Authenticate": 'Basic realm="double"'}, b""
        if self.auth == "bearer" and self.tokens.get(given.removeprefix("Bearer ")) != scope:
            header = f'Bearer realm="{self.realm}",service="double",scope="{scope}"'
            return 401, {"WWW-Authenticate": header}, b""
        if not self.may_push and action != "pull":
            return 403, {}, b'{"errors":[{"code":"DENIED","message":"only for reading"}]}'
        return None

    def _user(self, header: str) -> str | None:
        if not header.startswith("Basic "):
            return None
        user, _, password = base64.b64decode(header[6:]).decode().partition(":")
        return user if self.users.get(user) == password else None

    def _token(self, query: dict[str, list[str]], headers: Any) -> Reply:
        assert query["service"] == ["double"]
        if self.users and self._user(headers.get("Authorization", "")) is None:
            return 401, {}, b"{}"
        token = f"token-{len(self.tokens)}"
        self.tokens[token] = query["scope"][0]
        return 200, {}, json.dumps({"token": token, "expires_in": 300}).encode()


@contextmanager
def registry_double(**settings: Any) -> Iterator[RegistryDouble]:
    """A double that listens until the end of the block."""
    double = RegistryDouble(**settings)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            double.log.append(f"{self.command} {self.path}")
            double.authorizations.append(self.headers.get("Authorization"))
            status, headers, content = double.reply(self.command, self.path, self.headers, body)
            if status == 0:  # the line goes dead
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    double.host = f"127.0.0.1:{server.server_port}"
    double.realm = double.realm or f"http://{double.host}/token"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
