"""A web service without dependencies, and a worker, for tests of delivery."""

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = "1"
PORT = int(os.environ.get("PORT", "8000"))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        names = ("JUNOV_ENVIRONMENT", "JUNOV_COMMIT", "JUNOV_RELEASE", "COLOUR")
        said = {name: os.environ.get(name) for name in names}
        said |= {"version": VERSION, "container": os.uname().nodename}
        body = json.dumps(said)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())


def work() -> None:
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    print("working", flush=True)
    done.wait()


def serve() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("secret is", os.environ["API_KEY"], flush=True)
    ThreadingHTTPServer(("", PORT), Handler).serve_forever()


if __name__ == "__main__":
    work() if sys.argv[1:] == ["work"] else serve()
