"""A local server that speaks any provider's wire format, with replies written beforehand."""

import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.fakes.dialects import Dialect, Reply
from tests.fakes.loopback import loopback

MESSAGE = "scripted failure"


class ModelServer:
    """Gives its replies in order, the last one again and again, and remembers what it was asked."""

    def __init__(self, dialect: Dialect, replies: Sequence[Reply]) -> None:
        self.dialect = dialect
        self.replies = deque(replies or (Reply(),))
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.under_way = 0
        self.most_at_once = 0
        self.go = threading.Event()
        self.reached_pause = threading.Event()
        self.hung_up = threading.Event()
        self.url = ""
        self._lock = threading.Lock()

    def next_reply(self) -> Reply:
        with self._lock:
            return self.replies.popleft() if len(self.replies) > 1 else self.replies[0]

    def count(self, change: int) -> None:
        with self._lock:
            self.under_way += change
            self.most_at_once = max(self.most_at_once, self.under_way)


@contextmanager
def model_server(dialect: Dialect, *replies: Reply) -> Iterator[ModelServer]:
    """Serve the replies on a loopback port; `url` is what the provider's settings call base_url."""
    fake = ModelServer(dialect, replies)

    class Handler(_Handler):
        script = fake

    with loopback(Handler, fake.go) as port:
        fake.url = f"http://127.0.0.1:{port}{dialect.prefix}"
        yield fake


class _Handler(BaseHTTPRequestHandler):
    script: ModelServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        script, dialect = self.script, self.script.dialect
        script.requests.append(body)
        script.paths.append(self.path)
        script.headers.append({name.lower(): value for name, value in self.headers.items()})
        route, reply = dialect.route(self.path), script.next_reply()
        script.count(1)
        try:
            if route is None:
                self._json(404, dialect.error(404, f"no route {self.path}"))
            elif reply.status != 200:
                self._json(reply.status, dialect.error(reply.status, MESSAGE), reply.headers)
            elif route == "embed":
                self._json(200, dialect.embedded(body))
            elif route == "rerank":
                self._json(200, dialect.reranked(body))
            elif dialect.streams(self.path, body):
                self._stream(dialect, body, reply)
            else:
                self._json(200, dialect.whole(body, reply), reply.headers)
        except (BrokenPipeError, ConnectionResetError):
            script.hung_up.set()
            self.close_connection = True
        finally:
            script.count(-1)

    def _json(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, dialect: Dialect, body: Mapping[str, Any], reply: Reply) -> None:
        self.send_response(200)
        self.send_header("Content-Type", dialect.content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for frame in dialect.opening(body, reply):
            self._write(frame)
        for index in range(len(reply.pieces) + 1):
            if index == reply.pause_before:
                self.script.reached_pause.set()
                self.script.go.wait(30)
            if index == reply.cut_after:
                self.close_connection = True
                return  # without the last, empty chunk the client sees a broken connection
            if index == reply.end_after:
                self.wfile.write(b"0\r\n\r\n")
                return
            if index == reply.garbage_after:
                self._write(dialect.garbage())
            if index == reply.error_after:
                self._write(dialect.error_frame(MESSAGE))
                self.wfile.write(b"0\r\n\r\n")
                return
            if index < len(reply.pieces):
                self._write(dialect.text(body, reply, reply.pieces[index]))
        for frame in dialect.closing(body, reply):
            self._write(frame)
        self.wfile.write(b"0\r\n\r\n")

    def _write(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()
