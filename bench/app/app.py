"""The application under load: quick and slow requests, counted orders, streams that stay open.

    python app.py            serve on $PORT (8000)
    python app.py work       the worker, which waits until it is told to stop
    python app.py healthy    ask the server that runs here; the container's healthcheck

On SIGTERM it does what a decent application server does: it accepts nothing more, lets go of
connections that nobody is asking anything on, tells open streams that they end, and answers what it
has been asked, for at most `GRACE_SECONDS`.
"""

import base64
import contextlib
import hashlib
import json
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

VERSION = "1"
GRACE_SECONDS = 30
TICK_SECONDS = 0.2
PORT = int(os.environ.get("PORT", "8000"))
ORDERS = Path(os.environ.get("DATA", "/data")) / "orders"
WHO = {
    "version": VERSION,
    "release": os.environ.get("JUNOV_RELEASE", ""),
    "commit": os.environ.get("JUNOV_COMMIT", ""),
    "environment": os.environ.get("JUNOV_ENVIRONMENT", ""),
    "container": socket.gethostname(),
}

stopping = threading.Event()


class Server(ThreadingHTTPServer):
    """Knows its connections, so that it can end without cutting one off."""

    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("", PORT), Handler)
        self.open: set[socket.socket] = set()
        self.busy: set[socket.socket] = set()
        self.changed = threading.Condition()

    def process_request(self, request: socket.socket, client_address: tuple[str, int]) -> None:
        """A connection was accepted."""
        with self.changed:
            self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:
        """A connection has come to its end."""
        super().shutdown_request(request)
        with self.changed:
            self.open.discard(request)
            self.busy.discard(request)
            self.changed.notify_all()

    def end(self) -> None:
        """Accept nothing more, and wait until everything is answered."""
        self.shutdown()
        # Whoever is connected already, though nobody has looked, is not turned away.
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.process_request(*self.get_request())
        self.socket.close()
        with self.changed:
            for idle in self.open - self.busy:
                # A request that has arrived already is still read. Whoever has just left is gone.
                with contextlib.suppress(OSError):
                    idle.shutdown(socket.SHUT_RD)
            self.changed.wait_for(lambda: not self.open, timeout=GRACE_SECONDS)


class Handler(BaseHTTPRequestHandler):
    """One connection, and the requests on it, one after the other."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536  # head and body in one packet

    def handle(self) -> None:
        """Answer until either side ends the connection."""
        with contextlib.suppress(OSError):  # the client went away
            super().handle()

    def finish(self) -> None:
        """Send what is left to be sent."""
        with contextlib.suppress(OSError):
            super().finish()

    def handle_one_request(self) -> None:
        """Answer one request."""
        super().handle_one_request()
        with self.server.changed:
            self.server.busy.discard(self.request)
            if stopping.is_set():
                self.close_connection = True

    def parse_request(self) -> bool:
        """Called once a request's first line has arrived."""
        with self.server.changed:
            self.server.busy.add(self.request)
        return super().parse_request()

    def do_GET(self) -> None:
        """Everything but a new order."""
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        if url.path == "/":
            self.answer(200, WHO)
        elif url.path == "/health":
            self.answer(200, {"status": "ok", **WHO})
        elif url.path == "/slow":
            time.sleep(min(float(query.get("seconds", "2")), 60))
            self.answer(200, WHO)
        elif url.path == "/orders":
            self.answer(200, {"orders": orders(query.get("prefix", ""))})
        elif url.path == "/events":
            self.stream_events()
        elif url.path == "/ws":
            self.speak_websocket()
        else:
            self.answer(404, {"error": f"there is no {url.path}"})

    def do_POST(self) -> None:
        """A new order: one line, in one write, so that it is there once or not at all."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path != "/orders":
            self.answer(404, {"error": f"there is no {self.path}"})
            return
        line = f"{json.loads(body)['id']}\n".encode()
        file = os.open(ORDERS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, line)
        finally:
            os.close(file)
        self.answer(201, WHO)

    def answer(self, status: int, said: dict[str, object]) -> None:
        """One JSON object."""
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if stopping.is_set():
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def stream_events(self) -> None:
        """Server-sent events: who speaks, ticks, and `bye` as the last one."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        # In chunks, so that the end of the stream and a connection that was cut look different.
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.send_event("hello")
        while not stopping.wait(TICK_SECONDS):
            self.send_event("tick")
        self.send_event("bye")
        self.wfile.write(b"0\r\n\r\n")

    def send_event(self, name: str) -> None:
        """One event, at once."""
        event = f"event: {name}\ndata: {json.dumps(WHO)}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
        self.wfile.flush()

    def speak_websocket(self) -> None:
        """A WebSocket (RFC 6455): says who speaks, gives every text back, and closes with 1001."""
        key = self.headers.get("Sec-WebSocket-Key", "")
        secret = f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()
        accept = hashlib.sha1(secret).digest()  # noqa: S324 - the protocol's own
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(accept).decode())
        self.end_headers()
        self.close_connection = True
        self.send_frame(TEXT, json.dumps(WHO).encode())
        while not stopping.is_set():
            if not select.select([self.connection], [], [], TICK_SECONDS)[0]:
                continue
            opcode, payload = self.receive_frame()
            if opcode == CLOSE:
                self.send_frame(CLOSE, payload)
                return
            if opcode == TEXT:
                self.send_frame(TEXT, payload)
        self.send_frame(CLOSE, struct.pack("!H", GOING_AWAY))
        # The client's own close frame, or a second: RFC 6455, 7.1.1.
        if select.select([self.connection], [], [], 1)[0]:
            self.receive_frame()

    def receive_frame(self) -> tuple[int, bytes]:
        """A frame of the client's, in one part and below 64 KiB; a closed connection is CLOSE."""
        head = self.rfile.read(2)
        if len(head) < 2:
            return CLOSE, b""
        length = head[1] & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self.rfile.read(2))
        mask = self.rfile.read(4)
        payload = self.rfile.read(length)
        return head[0] & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))

    def send_frame(self, opcode: int, payload: bytes) -> None:
        """A frame in one part, below 64 KiB."""
        short = len(payload) < 126
        length = bytes([len(payload)]) if short else struct.pack("!BH", 126, len(payload))
        self.wfile.write(bytes([0x80 | opcode]) + length + payload)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """The edge has a log of the requests."""


TEXT, CLOSE = 0x1, 0x8
GOING_AWAY = 1001


def orders(prefix: str) -> list[str]:
    """The ids that were ordered, in order, across all releases."""
    if not ORDERS.exists():
        return []
    return [line for line in ORDERS.read_text().splitlines() if line.startswith(prefix)]


def serve() -> None:
    """Serve until SIGTERM, and end when everything is answered."""
    server = Server()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
    print(f"version {VERSION} serves on port {PORT}", flush=True)
    stopping.wait()
    server.end()
    print("everything is answered", flush=True)


def healthy() -> None:
    """End with 0 if the server that runs here answers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=3):
        pass


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    {"": serve, "work": stopping.wait, "healthy": healthy}["".join(sys.argv[1:])]()
