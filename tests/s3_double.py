"""A double of S3: as much of its REST API as boto3 uses for files, in memory.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
It knows one bucket and one key. It looks at who signed a request, and not at the signature.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET, KEY_ID, SECRET = "backups-of-tests", "AKIATESTS", "not a secret, as this is a double"
_PAGE = 3  # keys in one answer, so that a few of them take several


class Double:
    """What is in the bucket.

    Attributes:
        url: where it answers.
        objects: key → content.
        refused: the methods that it refuses, as with rights that are missing.
        asked: every request, as `PUT key`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.refused: set[str] = set()
        self.asked: list[str] = []
        self.lock = threading.Lock()

    @property
    def settings(self) -> str:
        """What server.yaml has under `s3`, without the credentials."""
        return f"bucket: {BUCKET}, endpoint: '{self.url}', region: eu-test-1"

    @property
    def credentials(self) -> str:
        """What a file with its credentials holds."""
        return f"[default]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n"


@contextmanager
def s3_double() -> Iterator[Double]:
    """Such a double on a port of loopback, for the time of a `with` block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.double = Double(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.double  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A small answer in two segments would wait for the client's delayed acknowledgement.
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        bucket, _, key = unquote(url.path).removeprefix("/").partition("/")
        double: Double = self.server.double  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with double.lock:
            double.asked.append(f"{self.command} {key}")
            if f"Credential={KEY_ID}/" not in self.headers.get("Authorization", ""):
                self._refuse(403, "InvalidAccessKeyId")
            elif self.command in double.refused:
                self._refuse(403, "AccessDenied")
            elif bucket != BUCKET:
                self._refuse(404, "NoSuchBucket")
            else:
                {
                    "PUT": self._put,
                    "POST": self._post,
                    "GET": self._get if key else self._list,
                    "HEAD": self._get,
                    "DELETE": self._delete,
                }[self.command](double, key, query, body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815

    def _put(self, double: Double, key: str, query: dict[str, str], body: bytes) -> None:
        if "uploadId" in query:
            double.parts[query["uploadId"]][int(query["partNumber"])] = body
        else:
            double.objects[key] = body
        self._answer(200, headers={"ETag": _etag(body)})

    def _post(self, double: Double, key: str, query: dict[str, str], body: bytes) -> None:
        if "uploads" in query:
            upload = f"upload-{len(double.parts)}"
            double.parts[upload] = {}
            self._xml("InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>")
            return
        parts = double.parts.pop(query["uploadId"])
        numbers = re.findall(rb"<PartNumber>(\d+)</PartNumber>", body)
        double.objects[key] = b"".join(parts[int(number)] for number in numbers)
        self._xml("CompleteMultipartUploadResult", "<ETag>&quot;whole&quot;</ETag>")

    def _get(self, double: Double, key: str, query: dict[str, str], body: bytes) -> None:
        del query, body
        if key not in double.objects:
            self._refuse(404, "NoSuchKey")
            return
        content, whole = double.objects[key], len(double.objects[key])
        headers = {"ETag": _etag(content), "Last-Modified": "Mon, 23 Nov 2026 12:00:00 GMT"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked:
            first, last = int(asked[1]), int(asked[2] or whole - 1)
            content = content[first : last + 1]
            headers["Content-Range"] = f"bytes {first}-{first + len(content) - 1}/{whole}"
        self._answer(206 if asked else 200, content, headers)

    def _list(self, double: Double, key: str, query: dict[str, str], body: bytes) -> None:
        del key, body
        after = query.get("continuation-token", "")
        found = [k for k in sorted(double.objects) if k.startswith(query["prefix"]) and k > after]
        page, rest = found[:_PAGE], found[_PAGE:]
        contents = "".join(
            f"<Contents><Key>{escape(k)}</Key><Size>{len(double.objects[k])}</Size></Contents>"
            for k in page
        )
        more = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if rest else ""
        cut = f"<IsTruncated>{'true' if rest else 'false'}</IsTruncated>"
        self._xml("ListBucketResult", f"{cut}{more}{contents}")

    def _delete(self, double: Double, key: str, query: dict[str, str], body: bytes) -> None:
        del body
        if "uploadId" in query:
            double.parts.pop(query["uploadId"], None)
        else:
            double.objects.pop(key, None)
        self._answer(204)

    def _refuse(self, status: int, code: str) -> None:
        self._xml("Error", f"<Code>{code}</Code><Message>refused by the double</Message>", status)

    def _xml(self, name: str, inner: str, status: int = 200) -> None:
        text = f'<?xml version="1.0" encoding="UTF-8"?><{name}>{inner}</{name}>'
        self._answer(status, text.encode(), {"Content-Type": "application/xml"})

    def _answer(
        self, status: int, content: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def _etag(content: bytes) -> str:
    return f'"{md5(content, usedforsecurity=False).hexdigest()}"'
