"""Google's Gemini: the class of llama-index drops events without text, the last one with the usage among them."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import httpx

from moat.errors import InvalidRequest
from moat.llm.wires import failures
from moat.llm.wires.base import Message, Piece, Scores, Target, Vectors
from moat.llm.wires.failures import Refusal
from moat.llm.wires.tls import tls

_REASONS = {"STOP": "stop", "MAX_TOKENS": "length", "FINISH_REASON_UNSPECIFIED": ""}
_USAGE = (
    "prompt_token_count",
    "cached_content_token_count",
    "candidates_token_count",
    "thoughts_token_count",
    "tool_use_prompt_token_count",
    "total_token_count",
    "traffic_type",
    "prompt_tokens_details",
    "candidates_tokens_details",
)


class Google:
    """The Gemini API, with a key."""

    embeds, reranks = True, False

    def load(self) -> None:
        import_module("google.genai")
        import_module("llama_index.llms.google_genai")

    async def stream(
        self, target: Target, messages: Sequence[Message], timeout_s: float
    ) -> AsyncGenerator[Piece, None]:
        async with self._model(target, timeout_s) as llm:
            answers = await llm._client.aio.models.generate_content_stream(**_asked(target, messages))
            async for answer in answers:
                yield _piece(answer)

    async def complete(self, target: Target, messages: Sequence[Message], timeout_s: float) -> Piece:
        async with self._model(target, timeout_s) as llm:
            return _piece(await llm._client.aio.models.generate_content(**_asked(target, messages)))

    async def embed(self, target: Target, texts: Sequence[str], timeout_s: float, *, question: bool) -> Vectors:
        """The Gemini API tells no usage of an embedding: it is counted here."""
        async with self._model(target, timeout_s) as llm:
            answer = await llm._client.aio.models.embed_content(
                model=target.model,
                contents=list(texts),
                config={"task_type": "RETRIEVAL_QUERY" if question else "RETRIEVAL_DOCUMENT"},
            )
            return Vectors([list(each.values) for each in answer.embeddings])

    async def rerank(self, target: Target, query: str, documents: Sequence[str], timeout_s: float) -> Scores:
        raise InvalidRequest(f"{target.provider} has no reranker.", "Name a model of a provider that has one.")

    @asynccontextmanager
    async def _model(self, target: Target, timeout_s: float) -> AsyncIterator[Any]:
        from google import genai
        from google.genai import errors, types
        from llama_index.llms.google_genai import GoogleGenAI

        with failures.translated(target, (errors.APIError, errors.UnknownApiResponseError), _refusal):
            # A client of ours: without one the SDK takes whichever of two libraries it finds.
            async with httpx.AsyncClient(timeout=timeout_s, verify=tls()) as http:
                llm = GoogleGenAI(
                    model=target.model,
                    api_key=target.key or "none",
                    context_window=target.known.context_window,  # with both the class asks the server for nothing
                    max_tokens=target.known.max_output_tokens,
                    max_retries=0,
                )
                # Given to the class it would have to be JSON.
                llm._client = genai.Client(
                    api_key=target.key or "none",
                    http_options=types.HttpOptions(
                        base_url=target.server.base_url or None,
                        timeout=max(1, round(timeout_s * 1000)),
                        retry_options=types.HttpRetryOptions(attempts=1),
                        httpx_async_client=http,
                    ),
                )
                yield llm


def _asked(target: Target, messages: Sequence[Message]) -> dict[str, Any]:
    system = "\n\n".join(message.text for message in messages if message.role == "system")
    roles = {"user": "user", "assistant": "model"}
    config: dict[str, Any] = {"max_output_tokens": target.known.max_output_tokens}
    if system:
        config["system_instruction"] = system
    if target.server.service_tier:
        config["service_tier"] = target.server.service_tier
    return {
        "model": target.model,
        "contents": [
            {"role": roles[message.role], "parts": [{"text": message.text}]}
            for message in messages
            if message.role != "system"
        ],
        "config": config,
    }


def _piece(answer: Any) -> Piece:
    candidate = answer.candidates[0] if answer.candidates else None
    parts = (candidate.content.parts if candidate and candidate.content else None) or []
    return Piece(
        text="".join(part.text for part in parts if part.text and not part.thought),
        finish_reason=_reason(answer, candidate),
        usage=_usage(answer),
        model_returned=answer.model_version or "",
        request_id=answer.response_id or "",
        tool_call=any(part.function_call for part in parts),
    )


def _reason(answer: Any, candidate: Any) -> str:
    if candidate is not None and candidate.finish_reason is not None:
        reason = str(candidate.finish_reason.value)
        return _REASONS.get(reason, reason.lower())
    blocked = answer.prompt_feedback and answer.prompt_feedback.block_reason
    return "content_filter" if blocked else ""  # a prompt that was blocked ends the stream at its first event


def _usage(answer: Any) -> Any:
    said = answer.usage_metadata
    if said is None or said.prompt_token_count is None:
        return None
    usage = {name: value for name in _USAGE if (value := getattr(said, name, None)) is not None}
    kept = {name: _plain(value) for name, value in usage.items()}
    # In the SDK's names; the tier comes in a header.
    headers = (answer.sdk_http_response.headers if answer.sdk_http_response else None) or {}
    tier = {name.lower(): value for name, value in headers.items()}.get("x-gemini-service-tier", "")
    raw = {"wire": "google", "usage": kept, "service_tier": tier}
    return failures.usage_of({name: value for name, value in raw.items() if value})


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [
            {"modality": each.modality.value if each.modality else "", "token_count": each.token_count}
            for each in value
        ]
    return getattr(value, "value", value)


def _refusal(error: Exception) -> Refusal | None:
    from google.genai import errors

    if isinstance(error, errors.APIError):
        headers = dict(getattr(error.response, "headers", None) or {})
        in_stream = getattr(error.response, "status_code", error.code) == 200
        status = error.code if error.code >= 400 else 500
        return Refusal(status, error.message or str(error.status or ""), headers, billed=in_stream)
    return None
