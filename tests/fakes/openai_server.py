"""A server that speaks OpenAI's chat protocol, with replies written beforehand."""

import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE: dict[str, Any] = {
    "prompt_tokens": 1000,
    "prompt_tokens_details": {"cached_tokens": 400},
    "completion_tokens": 100,
    "completion_tokens_details": {"reasoning_tokens": 25},
    "total_tokens": 1100,
}


@dataclass(frozen=True)
class Reply:
    """One scripted reply.

    `pause_before` holds the stream back before the piece of that index until `FakeOpenAI.go` is set;
    `cut_after` drops the connection after so many pieces; `status` other than 200 answers with an error.
    """

    pieces: Sequence[str] = ("Hello", " there.")
    usage: Mapping[str, Any] | None = field(default_factory=USAGE.copy)
    finish_reason: str = "stop"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pause_before: int | None = None
    cut_after: int | None = None
    error_in_stream: str = ""
    tool_calls: Sequence[Mapping[str, Any]] = ()  # deltas, sent as they are behind the text


class FakeOpenAI:
    """Gives its replies in order, the last one again and again, and remembers what it was asked."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        self.replies = deque(replies)
        self.requests: list[dict[str, Any]] = []
        self.authorizations: list[str] = []
        self.go = threading.Event()
        self.reached_pause = threading.Event()
        self.hung_up = threading.Event()
        self.url = ""

    def next_reply(self) -> Reply:
        return self.replies.popleft() if len(self.replies) > 1 else self.replies[0]


@contextmanager
def openai_server(*replies: Reply, model: FakeOpenAI | None = None) -> Iterator[FakeOpenAI]:
    """Serve the replies, or a model that makes its own, on a loopback port; `url` ends in /v1."""
    fake = model or FakeOpenAI(replies or (Reply(),))

    class Handler(_Handler):
        script = fake

    server = _Server(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.go.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024  # many may ask at once


class _Handler(BaseHTTPRequestHandler):
    script: FakeOpenAI
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._json(200, {"object": "list", "data": [{"id": "fake-model", "object": "model", "created": 0}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.script.requests.append(body)
        self.script.authorizations.append(self.headers.get("Authorization", ""))
        reply = self.script.next_reply()
        if self.path != "/v1/chat/completions":
            self._json(404, {"error": {"message": f"no route {self.path}", "type": "invalid_request_error"}})
        elif reply.status != 200:
            error = {"message": f"scripted {reply.status}", "type": "error", "param": None, "code": None}
            self._json(reply.status, {"error": error}, reply.headers)
        elif body.get("stream"):
            self._stream(body, reply)
        else:
            self._json(200, _completion(body, reply))

    def _json(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, body: Mapping[str, Any], reply: Reply) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            self._chunks(body, reply)
        except (BrokenPipeError, ConnectionResetError):
            self.script.hung_up.set()
            self.close_connection = True

    def _chunks(self, body: Mapping[str, Any], reply: Reply) -> None:
        self._event(_chunk(body, {"role": "assistant", "content": ""}))
        for index, piece in enumerate(reply.pieces):
            if index == reply.cut_after:
                self.close_connection = True
                return  # without the last, empty chunk the client sees a broken connection
            if index == reply.pause_before:
                self.script.reached_pause.set()
                self.script.go.wait(30)
            self._event(_chunk(body, {"content": piece}))
        for call in reply.tool_calls:
            self._event(_chunk(body, {"tool_calls": [call]}))
        if reply.cut_after is not None and reply.cut_after >= len(reply.pieces):
            self._end()  # a clean end of the body, but neither finish_reason nor [DONE]
            return
        if reply.error_in_stream:
            self._event({"error": {"message": reply.error_in_stream, "type": "server_error", "code": None}})
        self._event(_chunk(body, {}, reply.finish_reason))
        if reply.usage is not None and (body.get("stream_options") or {}).get("include_usage"):
            self._event({**_chunk(body, {}), "choices": [], "usage": reply.usage})
        self._write(b"data: [DONE]\n\n")
        self._end()

    def _event(self, data: Mapping[str, Any]) -> None:
        self._write(f"data: {json.dumps(data)}\n\n".encode())

    def _write(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _end(self) -> None:
        self.wfile.write(b"0\r\n\r\n")


def _chunk(body: Mapping[str, Any], delta: Mapping[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": f"{body['model']}-2026",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}],
    }


def _completion(body: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
    message = {"role": "assistant", "content": "".join(reply.pieces), "refusal": None}
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 0,
        "model": f"{body['model']}-2026",
        "choices": [{"index": 0, "message": message, "finish_reason": reply.finish_reason, "logprobs": None}],
        "usage": reply.usage,
    }
