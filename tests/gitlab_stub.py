"""A double of GitLab: as much of its REST API as junov uses, in memory, on a port of loopback.

It is no GitLab. It follows the shapes of requests and answers that the documentation describes:

- https://docs.gitlab.com/api/rest/ (pagination by `Link` and `X-Next-Page`, status codes)
- https://docs.gitlab.com/api/projects/, .../api/users/#create-a-runner-linked-to-a-user
- https://docs.gitlab.com/api/runners/, .../api/project_level_variables/
- https://docs.gitlab.com/api/protected_branches/, .../api/protected_tags/
- https://docs.gitlab.com/api/project_access_tokens/, .../api/personal_access_tokens/
- https://docs.gitlab.com/api/deploy_tokens/, .../api/pipeline_schedules/, .../api/notes/
- https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/ (429, `Retry-After`)

In one page it gives two objects at most, so that a few of them take several.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.gitlab_answers import PATH, PROJECT, Ask, Data, Fault, GitLabStub, level

__all__ = [
    "DEVELOPER_TOKEN",
    "MAINTAINER_TOKEN",
    "PATH",
    "PROJECT",
    "Fault",
    "GitLabStub",
    "gitlab_stub",
    "level",
]

MAINTAINER_TOKEN = "glpat-of-a-maintainer-0123"
DEVELOPER_TOKEN = "glpat-of-a-developer-4567"
_PAGE = 2


@contextmanager
def gitlab_stub() -> Iterator[GitLabStub]:
    """Such a double with a new project in it, for the time of a `with` block.

    The project is as GitLab makes one: its default branch is protected, its cleanup policy is
    there and off, and merge requests may not use protected runners.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    stub = GitLabStub(
        url=f"http://127.0.0.1:{server.server_port}",
        project={
            "id": PROJECT,
            "path_with_namespace": PATH,
            "default_branch": "main",
            "container_registry_access_level": "enabled",
            "container_registry_image_prefix": f"registry.example.com/{PATH}",
            "protect_merge_request_pipelines": False,
            "container_expiration_policy": {
                "cadence": "1d",
                "enabled": False,
                "keep_n": 10,
                "older_than": "90d",
                "name_regex": ".*",
                "name_regex_keep": None,
            },
        },
        users={
            MAINTAINER_TOKEN: (1, 40, ["api"]),
            DEVELOPER_TOKEN: (2, 30, ["api"]),
        },
    )
    stub._post_branches(Ask({}, {"name": "main"}, {}))
    server.stub = stub  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: the second one would wait for 40 ms

    def _answer(self) -> None:
        stub: GitLabStub = self.server.stub  # type: ignore[attr-defined]
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        body = json.loads(raw) if raw else {}
        path = urlsplit(self.path).path.removeprefix("/api/v4")
        with stub.lock:
            stub.asked.append(f"{self.command} {unquote(path)}")
            if self.command != "GET":
                stub.sent.append(body)
            for fault in stub.faults:
                if fault.times and fault.method == self.command and re.fullmatch(fault.path, path):
                    fault.times -= 1
                    self._send(fault.status, fault.body, fault.headers)
                    return
            token = self.headers.get("PRIVATE-TOKEN")
            status, found = stub.reply(self.command, self.path, token, body)
        if isinstance(found, list):
            self._send_page(stub, status, found)
        else:
            self._send(status, found, {})

    def _send_page(self, stub: GitLabStub, status: int, found: list[Data]) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        page = int(query.get("page", ["1"])[-1])
        size = min(int(query.get("per_page", ["20"])[-1]), _PAGE)
        pages = -(-len(found) // size)
        headers = {
            "X-Page": str(page),
            "X-Per-Page": str(size),
            "X-Total": str(len(found)),
            "X-Total-Pages": str(pages),
            "X-Next-Page": str(page + 1) if page < pages else "",
        }
        if page < pages:
            rest = "&".join(f"{k}={v[-1]}" for k, v in query.items() if k != "page")
            link = f"{stub.url}{parts.path}?{rest}&page={page + 1}"
            headers["Link"] = f'<{link}>; rel="next"'
        self._send(status, found[(page - 1) * size : page * size], headers)

    def _send(self, status: int, found: Any, headers: dict[str, str]) -> None:
        is_text = isinstance(found, str)
        content = (
            b"" if found is None else found.encode() if is_text else json.dumps(found).encode()
        )
        self.send_response(status)
        kind = "text/plain" if is_text else "application/json"
        for key, value in {"Content-Type": kind, **headers}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        del format, args
