"""What a provider sends, frame by frame, and OpenAI's protocol; the others are in dialects.py."""

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from moat.provider_settings import Kind

VECTOR = [0.25, -0.5, 1.0]


@dataclass(frozen=True)
class Used:
    """What a call used, whoever says it; cached is part of input, reasoning of output."""

    input: int = 1000
    cached: int = 400
    output: int = 100
    reasoning: int = 25


@dataclass(frozen=True)
class Reply:
    """One scripted reply; `raw_usage` takes the place of what the dialect makes of `used`, and {} is none at all."""

    pieces: Sequence[str] = ("Hello", " there.")
    used: Used = Used()
    raw_usage: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)  # fields beside the usage, a service tier for one
    finish: str = "stop"  # or "length"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pause_before: int | None = None  # holds back the piece of that index until `go` is set
    cut_after: int | None = None  # drops the connection after so many pieces
    end_after: int | None = None  # ends the body there as if all were said, without the end marker
    garbage_after: int | None = None  # sends what nobody can read there
    error_after: int | None = None  # sends the provider's error event there


class Dialect:
    """OpenAI's chat protocol; the others say what is different with them."""

    kind: Kind = "openai_like"
    prefix = "/v1"
    content_type = "text/event-stream"
    caches, reasons, embeds, reranks = True, True, True, True
    has_error_event = True

    def route(self, path: str) -> str | None:
        return {"/v1/chat/completions": "chat", "/v1/embeddings": "embed", "/v1/rerank": "rerank"}.get(path)

    def streams(self, path: str, body: Mapping[str, Any]) -> bool:
        return bool(body.get("stream"))

    def usage(self, reply: Reply) -> Mapping[str, Any]:
        used = reply.used
        own = {
            "prompt_tokens": used.input,
            "prompt_tokens_details": {"cached_tokens": used.cached},
            "completion_tokens": used.output,
            "completion_tokens_details": {"reasoning_tokens": used.reasoning},
            "total_tokens": used.input + used.output,
        }
        return own if reply.raw_usage is None else reply.raw_usage

    def opening(self, body: Mapping[str, Any], reply: Reply) -> list[bytes]:
        return [event(self._chunk(body, reply, {"role": "assistant", "content": ""}))]

    def text(self, body: Mapping[str, Any], reply: Reply, piece: str) -> bytes:
        return event(self._chunk(body, reply, {"content": piece}))

    def closing(self, body: Mapping[str, Any], reply: Reply) -> list[bytes]:
        frames = [event(self._chunk(body, reply, {}, reply.finish))]
        if usage := self.usage(reply):
            frames.append(event({**self._chunk(body, reply, {}), "choices": [], "usage": usage}))
        return [*frames, b"data: [DONE]\n\n"]

    def whole(self, body: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
        message = {"role": "assistant", "content": "".join(reply.pieces), "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": reply.finish, "logprobs": None}
        usage = {"usage": usage} if (usage := self.usage(reply)) else {}
        return {**self._base(body, reply, "chat.completion"), "choices": [choice], **usage}

    def error(self, status: int, message: str) -> dict[str, Any]:
        return {"error": {"message": message, "type": "error", "param": None, "code": None}}

    def error_frame(self, message: str) -> bytes:
        return event({"error": {"message": message, "type": "server_error", "code": None}})

    def garbage(self) -> bytes:
        return b'data: {"id": "chatcmpl-fa\n\n'

    def embedded(self, body: Mapping[str, Any]) -> dict[str, Any]:
        data = [{"object": "embedding", "index": n, "embedding": VECTOR} for n in range(len(body["input"]))]
        return {
            "object": "list",
            "data": data,
            "model": body["model"],
            "usage": {"prompt_tokens": 8, "total_tokens": 8},
        }

    def reranked(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"id": "rerank-fake", "results": ranked(body["documents"]), "usage": {"total_tokens": 12}}

    def _base(self, body: Mapping[str, Any], reply: Reply, kind: str) -> dict[str, Any]:
        model = f"{body.get('model', '')}-2026"
        return {"id": "chatcmpl-fake", "object": kind, "created": 0, "model": model, **reply.extra}

    def _chunk(self, body: Any, reply: Reply, delta: Any, finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return {**self._base(body, reply, "chat.completion.chunk"), "choices": [choice]}


class OpenAI(Dialect):
    kind = "openai"
    reranks = False


class Azure(Dialect):
    kind = "azure"
    prefix = ""
    reranks = False

    def route(self, path: str) -> str | None:
        plain = path.partition("?")[0]
        if plain.startswith("/openai/deployments/") and "api-version=" in path:
            return {"completions": "chat", "embeddings": "embed"}.get(plain.rpartition("/")[2])
        return None


def event(data: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def named(kind: str, **data: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()


def line(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data).encode() + b"\n"


def aws(name: str, payload: Mapping[str, Any], kind: str = "event") -> bytes:
    """One message of AWS's event stream: lengths, headers and payload, each half with its checksum."""
    named = ":event-type" if kind == "event" else ":exception-type"
    headers = b"".join(
        struct.pack("!B", len(key)) + key.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for key, value in ((":message-type", kind), (named, name), (":content-type", "application/json"))
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + body
    return message + struct.pack("!I", zlib.crc32(message))


def ranked(documents: Sequence[str]) -> list[dict[str, Any]]:
    """The last document is the best, as who ranks them sends them: best first."""
    count = len(documents)
    return [{"index": n, "relevance_score": (n + 1) / count} for n in reversed(range(count))]
