"""What providers send, frame by frame, written after their documented schemas: one dialect a wire format."""

from collections.abc import Mapping
from typing import Any

from tests.fakes.dialect import VECTOR, Azure, Dialect, OpenAI, Reply, Used, aws, event, line, named, ranked

__all__ = ["DIALECTS", "VECTOR", "Cohere", "Dialect", "Reply", "Used"]


class Anthropic(Dialect):
    kind = "anthropic"
    prefix = ""
    embeds = reranks = False

    def route(self, path: str) -> str | None:
        return "chat" if path == "/v1/messages" else None

    def usage(self, reply: Reply) -> Mapping[str, Any]:
        used = reply.used
        own = {
            "input_tokens": used.input - used.cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": used.cached,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": used.output,
            "output_tokens_details": {"thinking_tokens": used.reasoning},
            "service_tier": "standard",
        }
        return own if reply.raw_usage is None else reply.raw_usage

    def opening(self, body: Mapping[str, Any], reply: Reply) -> list[bytes]:
        at_first = {**self.usage(reply), "output_tokens": 1}
        at_first.pop("output_tokens_details", None)
        message = {**self._message(body, []), "stop_reason": None, "usage": at_first}
        block = {"type": "text", "text": ""}
        return [
            named("message_start", message=message),
            named("content_block_start", index=0, content_block=block),
            named("ping"),
        ]

    def text(self, body: Mapping[str, Any], reply: Reply, piece: str) -> bytes:
        return named("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})

    def closing(self, body: Mapping[str, Any], reply: Reply) -> list[bytes]:
        used = self.usage(reply)
        late = {name: used[name] for name in ("output_tokens", "output_tokens_details") if name in used}
        delta = {"stop_reason": self._reason(reply), "stop_sequence": None}
        return [
            named("content_block_stop", index=0),
            named("message_delta", delta=delta, usage=late or None),
            named("message_stop"),
        ]

    def whole(self, body: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
        content = [{"type": "text", "text": "".join(reply.pieces)}]
        return {**self._message(body, content), "stop_reason": self._reason(reply), "usage": self.usage(reply)}

    def error(self, status: int, message: str) -> dict[str, Any]:
        return {"type": "error", "error": {"type": "api_error", "message": message}}

    def error_frame(self, message: str) -> bytes:
        return named("error", error={"type": "overloaded_error", "message": message})

    def garbage(self) -> bytes:
        return b'event: content_block_delta\ndata: {"type": "content_bl\n\n'

    def _message(self, body: Mapping[str, Any], content: list[Any]) -> dict[str, Any]:
        model = f"{body['model']}-2026"
        return {"id": "msg_fake", "type": "message", "role": "assistant", "model": model, "content": content}

    def _reason(self, reply: Reply) -> str:
        return {"stop": "end_turn", "length": "max_tokens"}[reply.finish]


class Google(Dialect):
    kind = "google"
    prefix = ""
    reranks = False

    def route(self, path: str) -> str | None:
        action = path.partition("?")[0].rpartition(":")[2]
        return {"generateContent": "chat", "streamGenerateContent": "chat", "batchEmbedContents": "embed"}.get(action)

    def streams(self, path: str, body: Mapping[str, Any]) -> bool:
        return "streamGenerateContent" in path

    def usage(self, reply: Reply) -> Mapping[str, Any]:
        used = reply.used
        own = {
            "promptTokenCount": used.input,
            "cachedContentTokenCount": used.cached,
            "candidatesTokenCount": used.output - used.reasoning,
            "thoughtsTokenCount": used.reasoning,
            "totalTokenCount": used.input + used.output,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": used.input}],
        }
        return own if reply.raw_usage is None else reply.raw_usage

    def opening(self, body: Mapping[str, Any], reply: Reply) -> list[bytes]:
        return []

    def text(self, body: Mapping[str, Any], reply: Reply, piece: str) -> bytes:
        return event(self._answer(reply, piece, None))

    def closing(self, body: Mapping[str, Any], reply: Reply) -> list[bytes]:
        return [event(self._answer(reply, "", reply.finish) | self._metadata(reply))]

    def whole(self, body: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
        return self._answer(reply, "".join(reply.pieces), reply.finish) | self._metadata(reply)

    def error(self, status: int, message: str) -> dict[str, Any]:
        return {"error": {"code": status, "message": message, "status": "UNAVAILABLE"}}

    def error_frame(self, message: str) -> bytes:
        return event({"error": {"code": 503, "message": message, "status": "UNAVAILABLE"}})

    def garbage(self) -> bytes:
        return b'data: {"candidates": [{"content"\n\n'

    def embedded(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"embeddings": [{"values": VECTOR} for _ in body["requests"]]}

    def _answer(self, reply: Reply, text: str, finish: str | None) -> dict[str, Any]:
        candidate: dict[str, Any] = {"index": 0}
        if text:
            candidate["content"] = {"role": "model", "parts": [{"text": text}]}
        if finish:
            candidate["finishReason"] = {"stop": "STOP", "length": "MAX_TOKENS"}[finish]
        return {"candidates": [candidate], "modelVersion": "small-2026", "responseId": "resp-fake", **reply.extra}

    def _metadata(self, reply: Reply) -> dict[str, Any]:
        usage = self.usage(reply)
        return {"usageMetadata": usage} if usage else {}


class Cohere(Dialect):
    kind = "cohere"
    prefix = ""
    caches = reasons = False
    has_error_event = True

    def route(self, path: str) -> str | None:
        return {"/v2/chat": "chat", "/v2/embed": "embed", "/v2/rerank": "rerank"}.get(path)

    def usage(self, reply: Reply) -> Mapping[str, Any]:
        used = reply.used
        own = {
            "billed_units": {"input_tokens": used.input, "output_tokens": used.output},
            "tokens": {"input_tokens": used.input + 480, "output_tokens": used.output + 4},
        }
        return own if reply.raw_usage is None else reply.raw_usage

    def opening(self, body: Mapping[str, Any], reply: Reply) -> list[bytes]:
        message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
        return [
            named("message-start", id="cohere-fake", delta={"message": message}),
            named("content-start", index=0, delta={"message": {"content": {"type": "text", "text": ""}}}),
        ]

    def text(self, body: Mapping[str, Any], reply: Reply, piece: str) -> bytes:
        return named("content-delta", index=0, delta={"message": {"content": {"text": piece}}})

    def closing(self, body: Mapping[str, Any], reply: Reply) -> list[bytes]:
        usage = self.usage(reply)
        delta = {"finish_reason": self._reason(reply)} | ({"usage": usage} if usage else {})
        return [named("content-end", index=0), named("message-end", id="cohere-fake", delta=delta)]

    def whole(self, body: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
        content = [{"type": "text", "text": "".join(reply.pieces)}]
        usage = {"usage": usage} if (usage := self.usage(reply)) else {}
        message = {"role": "assistant", "content": content}
        return {"id": "cohere-fake", "finish_reason": self._reason(reply), "message": message, **usage}

    def error(self, status: int, message: str) -> dict[str, Any]:
        return {"id": "error-fake", "message": message}

    def error_frame(self, message: str) -> bytes:
        return named("message-end", id="cohere-fake", delta={"finish_reason": "ERROR", "error": message})

    def garbage(self) -> bytes:
        return b'event: content-delta\ndata: {"type":"content-de\n\n'

    def embedded(self, body: Mapping[str, Any]) -> dict[str, Any]:
        meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 8}}
        floats = {"float": [VECTOR] * len(body["texts"])}
        return {"id": "embed-fake", "embeddings": floats, "texts": body["texts"], "meta": meta}

    def reranked(self, body: Mapping[str, Any]) -> dict[str, Any]:
        meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
        return {"id": "rerank-fake", "results": ranked(body["documents"]), "meta": meta}

    def _reason(self, reply: Reply) -> str:
        return {"stop": "COMPLETE", "length": "MAX_TOKENS"}[reply.finish]


class Bedrock(Dialect):
    kind = "bedrock"
    prefix = ""
    content_type = "application/vnd.amazon.eventstream"
    reasons = reranks = False

    def route(self, path: str) -> str | None:
        return {"converse": "chat", "converse-stream": "chat", "invoke": "embed"}.get(path.rpartition("/")[2])

    def streams(self, path: str, body: Mapping[str, Any]) -> bool:
        return path.endswith("converse-stream")

    def usage(self, reply: Reply) -> Mapping[str, Any]:
        used = reply.used
        own = {
            "inputTokens": used.input - used.cached,
            "outputTokens": used.output,
            "totalTokens": used.input + used.output,
            "cacheReadInputTokens": used.cached,
            "cacheWriteInputTokens": 0,
        }
        return own if reply.raw_usage is None else reply.raw_usage

    def opening(self, body: Mapping[str, Any], reply: Reply) -> list[bytes]:
        return [aws("messageStart", {"role": "assistant"})]

    def text(self, body: Mapping[str, Any], reply: Reply, piece: str) -> bytes:
        return aws("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": piece}})

    def closing(self, body: Mapping[str, Any], reply: Reply) -> list[bytes]:
        frames = [
            aws("contentBlockStop", {"contentBlockIndex": 0}),
            aws("messageStop", {"stopReason": self._reason(reply)}),
        ]
        if usage := self.usage(reply):
            frames.append(aws("metadata", {"usage": usage, "metrics": {"latencyMs": 12}, **reply.extra}))
        return frames

    def whole(self, body: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
        message = {"role": "assistant", "content": [{"text": "".join(reply.pieces)}]}
        said = {"output": {"message": message}, "stopReason": self._reason(reply), "metrics": {"latencyMs": 12}}
        return said | ({"usage": usage} if (usage := self.usage(reply)) else {}) | dict(reply.extra)

    def error(self, status: int, message: str) -> dict[str, Any]:
        return {"message": message}

    def error_frame(self, message: str) -> bytes:
        return aws("throttlingException", {"message": message}, "exception")

    def garbage(self) -> bytes:
        return b"\x00\x00\x00\x40\x00\x00\x00\x10 not an event stream at all, but as long as its prelude says it is"

    def embedded(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"embedding": VECTOR, "inputTextTokenCount": 4}

    def _reason(self, reply: Reply) -> str:
        return {"stop": "end_turn", "length": "max_tokens"}[reply.finish]


class Ollama(Dialect):
    kind = "ollama"
    prefix = ""
    content_type = "application/x-ndjson"
    caches = reasons = reranks = False

    def route(self, path: str) -> str | None:
        return {"/api/chat": "chat", "/api/embed": "embed"}.get(path)

    def usage(self, reply: Reply) -> Mapping[str, Any]:
        own = {"prompt_eval_count": reply.used.input, "eval_count": reply.used.output}
        return own if reply.raw_usage is None else reply.raw_usage

    def opening(self, body: Mapping[str, Any], reply: Reply) -> list[bytes]:
        return []

    def text(self, body: Mapping[str, Any], reply: Reply, piece: str) -> bytes:
        return line(self._part(body, piece, done=False))

    def closing(self, body: Mapping[str, Any], reply: Reply) -> list[bytes]:
        return [line(self._part(body, "", done=True) | self._end(reply))]

    def whole(self, body: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
        return self._part(body, "".join(reply.pieces), done=True) | self._end(reply)

    def error(self, status: int, message: str) -> dict[str, Any]:
        return {"error": message}

    def error_frame(self, message: str) -> bytes:
        return line({"error": message})

    def garbage(self) -> bytes:
        return b'{"model": "small", "mess\n'

    def embedded(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"model": body["model"], "embeddings": [VECTOR] * len(body["input"]), "prompt_eval_count": 8}

    def _part(self, body: Mapping[str, Any], text: str, *, done: bool) -> dict[str, Any]:
        message = {"role": "assistant", "content": text}
        return {
            "model": f"{body['model']}-2026",
            "created_at": "2026-11-01T00:00:00Z",
            "message": message,
            "done": done,
        }

    def _end(self, reply: Reply) -> dict[str, Any]:
        return {"done_reason": reply.finish, "total_duration": 1, "load_duration": 1, **self.usage(reply)}


DIALECTS = (OpenAI(), Dialect(), Azure(), Anthropic(), Google(), Cohere(), Bedrock(), Ollama())
