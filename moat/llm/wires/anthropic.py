"""Anthropic's Messages: the class of llama-index hides a stream's first and last event, so its client is asked."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from moat.errors import InvalidRequest
from moat.llm.wires import failures
from moat.llm.wires.base import Message, Piece, Scores, Target, Vectors
from moat.llm.wires.failures import Refusal

_REASONS = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}
# A stream's error event has no status of its own.
_STATUSES = {
    "overloaded_error": 529,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "authentication_error": 401,
    "permission_error": 403,
    "invalid_request_error": 400,
}


class Anthropic:
    """Anthropic's own service; calls ask for the plain tier, since the price of capacity bought ahead is not listed."""

    embeds, reranks = False, False

    def load(self) -> None:
        import_module("anthropic")
        import_module("llama_index.llms.anthropic")

    async def stream(
        self, target: Target, messages: Sequence[Message], timeout_s: float
    ) -> AsyncGenerator[Piece, None]:
        usage: dict[str, Any] = {}
        reason = ""
        async with self._model(target, timeout_s) as llm:
            events = await llm._aclient.messages.create(stream=True, **_asked(target, messages))
            async with events:
                async for event in events:
                    if event.type == "message_start":
                        usage |= event.message.usage.model_dump(exclude_none=True)
                        yield Piece(model_returned=event.message.model, request_id=event.message.id)
                    elif event.type == "content_block_start":
                        yield Piece(tool_call=event.content_block.type == "tool_use")
                    elif event.type == "content_block_delta" and event.delta.type == "text_delta":
                        yield Piece(event.delta.text)
                    elif event.type == "message_delta":
                        usage |= event.usage.model_dump(exclude_none=True) if event.usage else {}
                        reason = event.delta.stop_reason or reason
                        yield Piece(usage=_usage(usage))
                    elif event.type == "message_stop":
                        yield Piece(finish_reason=_REASONS.get(reason, reason or "stop"), usage=_usage(usage))

    async def complete(self, target: Target, messages: Sequence[Message], timeout_s: float) -> Piece:
        async with self._model(target, timeout_s) as llm:
            answer = await llm._aclient.messages.create(**_asked(target, messages))
            return Piece(
                text="".join(block.text for block in answer.content if block.type == "text"),
                finish_reason=_REASONS.get(answer.stop_reason, answer.stop_reason or ""),
                usage=_usage(answer.usage.model_dump(exclude_none=True)),
                model_returned=answer.model,
                request_id=answer.id,
                tool_call=any(block.type == "tool_use" for block in answer.content),
            )

    async def embed(self, target: Target, texts: Sequence[str], timeout_s: float, *, question: bool) -> Vectors:
        raise InvalidRequest(f"{target.provider} has no embedder.", "Name a model of a provider that has one.")

    async def rerank(self, target: Target, query: str, documents: Sequence[str], timeout_s: float) -> Scores:
        raise InvalidRequest(f"{target.provider} has no reranker.", "Name a model of a provider that has one.")

    @asynccontextmanager
    async def _model(self, target: Target, timeout_s: float) -> AsyncIterator[Any]:
        import anthropic
        from llama_index.llms.anthropic import Anthropic

        with failures.translated(target, (anthropic.AnthropicError,), _refusal):
            llm = Anthropic(
                model=target.model,
                max_tokens=target.known.max_output_tokens,
                base_url=target.server.base_url or None,
                api_key=target.key or "none",
                timeout=timeout_s,
                max_retries=0,
            )
            try:
                yield llm
            finally:
                await llm._aclient.close()


def _asked(target: Target, messages: Sequence[Message]) -> dict[str, Any]:
    """Write a call without a temperature, which newer models refuse."""
    asked: dict[str, Any] = {
        "model": target.model,
        "max_tokens": target.known.max_output_tokens,
        "messages": [{"role": m.role, "content": m.text} for m in messages if m.role != "system"],
        "service_tier": target.server.service_tier or "standard_only",
    }
    if system := "\n\n".join(message.text for message in messages if message.role == "system"):
        asked["system"] = [_cached(system)] if target.known.cache_prompt else system
    return asked


def _cached(text: str) -> dict[str, Any]:
    """Ask for what begins every prompt to be cached; what is too short for that, the service leaves as it is."""
    return {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}


def _usage(usage: Mapping[str, Any]) -> Any:
    return failures.usage_of({"wire": "anthropic", "usage": dict(usage)})


def _refusal(error: Exception) -> Refusal | None:
    import anthropic

    if isinstance(error, anthropic.APIStatusError):
        body = error.body if isinstance(error.body, dict) else {}
        kind = (body.get("error") or {}).get("type", "") if isinstance(body.get("error"), dict) else ""
        in_stream = error.status_code == 200  # the SDK gives a stream's error event the stream's own status
        status = _STATUSES.get(kind, 500) if in_stream else error.status_code
        return Refusal(status, str(error.message), error.response.headers, billed=in_stream)
    return None
