"""Cohere: llama-index's class streams with its blocking client and knows old models alone, so version 2 is asked.

The SDK drops events of a stream that it cannot read; an answer with a hole is worse than none, so they are read here.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from moat.errors import ProviderBroken
from moat.llm.wires import failures
from moat.llm.wires.base import Message, Piece, Scores, Target, Vectors
from moat.llm.wires.failures import AttemptFailed, Refusal

_REASONS = {"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_calls"}
_FAILED = ("ERROR", "TIMEOUT")


class Cohere:
    """Chat, embeddings and reranking; billed units are what the bill is made of."""

    embeds, reranks = True, True

    def load(self) -> None:
        import_module("cohere")
        import_module("llama_index.llms.cohere")

    async def stream(
        self, target: Target, messages: Sequence[Message], timeout_s: float
    ) -> AsyncGenerator[Piece, None]:
        async with self._model(target, timeout_s) as llm:
            async for event in _events(llm, _asked(target, messages), timeout_s):
                delta = event.get("delta") or {}
                if event["type"] == "message-start":
                    yield Piece(request_id=event.get("id") or "")
                elif event["type"] == "content-delta":
                    yield Piece(delta["message"]["content"].get("text") or "")
                elif event["type"] == "tool-call-start":
                    yield Piece(tool_call=True)
                elif event["type"] == "message-end":
                    yield Piece(finish_reason=_reason(target, delta["finish_reason"]), usage=_usage(delta.get("usage")))

    async def complete(self, target: Target, messages: Sequence[Message], timeout_s: float) -> Piece:
        async with self._model(target, timeout_s) as llm:
            answer = await llm._aclient.v2.chat(**_asked(target, messages), **_options(timeout_s))
            blocks = answer.message.content or []
            return Piece(
                text="".join(block.text for block in blocks if block.type == "text"),
                finish_reason=_reason(target, answer.finish_reason),
                usage=_usage(answer.usage),
                request_id=answer.id or "",
                tool_call=bool(answer.message.tool_calls),
            )

    async def embed(self, target: Target, texts: Sequence[str], timeout_s: float, *, question: bool) -> Vectors:
        async with self._model(target, timeout_s) as llm:
            answer = await llm._aclient.v2.embed(
                model=target.model,
                texts=list(texts),
                input_type="search_query" if question else "search_document",
                embedding_types=["float"],
                **_options(timeout_s),
            )
            return Vectors(list(answer.embeddings.float_), Piece(usage=_usage(answer.meta), request_id=answer.id or ""))

    async def rerank(self, target: Target, query: str, documents: Sequence[str], timeout_s: float) -> Scores:
        async with self._model(target, timeout_s) as llm:
            answer = await llm._aclient.v2.rerank(
                model=target.model, query=query, documents=list(documents), **_options(timeout_s)
            )
            scores = {each.index: each.relevance_score for each in answer.results}
            said = Piece(usage=_usage(answer.meta), request_id=answer.id or "")
            return Scores([scores[number] for number in range(len(documents))], said)

    @asynccontextmanager
    async def _model(self, target: Target, timeout_s: float) -> AsyncIterator[Any]:
        from cohere.core.api_error import ApiError
        from llama_index.llms.cohere import Cohere

        with failures.translated(target, (ApiError,), _refusal):
            llm = Cohere(
                model=target.model,
                api_key=target.key or "none",
                base_url=target.server.base_url or None,
                max_tokens=target.known.max_output_tokens,
                max_retries=1,
            )
            async with llm._aclient:
                yield llm


async def _events(llm: Any, asked: Mapping[str, Any], timeout_s: float) -> AsyncGenerator[dict[str, Any], None]:
    from cohere.core.api_error import ApiError
    from cohere.core.http_sse._api import EventSource

    http = llm._aclient._client_wrapper.httpx_client
    body = {**asked, "stream": True}
    async with http.stream("v2/chat", method="POST", json=body, **_options(timeout_s)) as response:
        if response.status_code != 200:
            said = json.loads(await response.aread())
            raise ApiError(status_code=response.status_code, headers=dict(response.headers), body=said)
        async for event in EventSource(response).aiter_sse():
            if event.data != "[DONE]":
                yield json.loads(event.data)


def _asked(target: Target, messages: Sequence[Message]) -> dict[str, Any]:
    return {
        "model": target.model,
        "messages": [{"role": message.role, "content": message.text} for message in messages],
        "max_tokens": target.known.max_output_tokens,
        "temperature": 0.0,
    }


def _options(timeout_s: float) -> dict[str, Any]:
    return {"request_options": {"max_retries": 0, "timeout_in_seconds": max(1, round(timeout_s))}}


def _reason(target: Target, reason: Any) -> str:
    said = str(getattr(reason, "value", reason) or "")
    if said in _FAILED:
        broken = ProviderBroken(f"{target.provider} could not finish its answer ({said.lower()}).")
        raise AttemptFailed(broken, retryable=True, billed=True)
    return _REASONS.get(said, said.lower())


def _usage(said: Any) -> Any:
    if said is None:
        return None
    told = said if isinstance(said, Mapping) else said.model_dump(exclude_none=True)
    usage = {name: told[name] for name in ("billed_units", "tokens", "cached_tokens") if told.get(name) is not None}
    return failures.usage_of({"wire": "cohere", "usage": usage})


def _refusal(error: Exception) -> Refusal | None:
    from cohere.core.api_error import ApiError

    if not isinstance(error, ApiError):
        return None
    message = error.body.get("message") if isinstance(error.body, Mapping) else None
    return Refusal(error.status_code or 500, str(message or error.body or ""), error.headers or {})
