"""Ollama's own protocol, through the client inside llama-index's class."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from moat.errors import InvalidRequest
from moat.llm.wires import failures
from moat.llm.wires.base import Message, Piece, Scores, Target, Vectors
from moat.llm.wires.failures import Refusal

HERE = "http://127.0.0.1:11434"
_COUNTS = ("prompt_eval_count", "eval_count")


class Ollama:
    """An Ollama server: free unless its settings say otherwise."""

    embeds, reranks = True, False

    def load(self) -> None:
        import_module("ollama")
        import_module("llama_index.llms.ollama")

    async def stream(
        self, target: Target, messages: Sequence[Message], timeout_s: float
    ) -> AsyncGenerator[Piece, None]:
        async with self._model(target, timeout_s) as llm:
            async for part in await llm.async_client.chat(stream=True, **_asked(target, messages)):
                yield _piece(part)

    async def complete(self, target: Target, messages: Sequence[Message], timeout_s: float) -> Piece:
        async with self._model(target, timeout_s) as llm:
            return _piece(await llm.async_client.chat(stream=False, **_asked(target, messages)))

    async def embed(self, target: Target, texts: Sequence[str], timeout_s: float, *, question: bool) -> Vectors:
        async with self._model(target, timeout_s) as llm:
            answer = await llm.async_client.embed(model=target.model, input=list(texts))
            said = Piece(usage=_usage(answer), model_returned=answer.model or "")
            return Vectors([list(vector) for vector in answer.embeddings], said)

    async def rerank(self, target: Target, query: str, documents: Sequence[str], timeout_s: float) -> Scores:
        raise InvalidRequest(f"{target.provider} has no reranker.", "Name a model of a provider that has one.")

    @asynccontextmanager
    async def _model(self, target: Target, timeout_s: float) -> AsyncIterator[Any]:
        import ollama
        from llama_index.llms.ollama import Ollama

        with failures.translated(target, (ollama.ResponseError,), _refusal):
            llm = Ollama(
                model=target.model,
                base_url=target.server.base_url or HERE,
                context_window=target.known.context_window,  # else the class asks the server for it
                request_timeout=timeout_s,
                headers={"Authorization": f"Bearer {target.key}"} if target.key else None,
            )
            try:
                yield llm
            finally:
                await llm.async_client._client.aclose()


def _asked(target: Target, messages: Sequence[Message]) -> dict[str, Any]:
    return {
        "model": target.model,
        "messages": [{"role": message.role, "content": message.text} for message in messages],
        "options": {
            "temperature": 0.0,
            "num_predict": target.known.max_output_tokens,
            "num_ctx": target.known.context_window,
        },
    }


def _piece(part: Any) -> Piece:
    return Piece(
        text=part.message.content or "",
        finish_reason=(part.done_reason or "stop") if part.done else "",
        usage=_usage(part) if part.done else None,
        model_returned=part.model or "",
        tool_call=bool(part.message.tool_calls),
    )


def _usage(part: Any) -> Any:
    counts: Mapping[str, int] = {name: getattr(part, name) for name in _COUNTS if getattr(part, name) is not None}
    return failures.usage_of({"wire": "ollama", "usage": counts})


def _refusal(error: Exception) -> Refusal | None:
    import ollama

    if isinstance(error, ollama.ResponseError):
        in_stream = error.status_code < 400  # an error line in a stream that began well
        return Refusal(500 if in_stream else error.status_code, error.error, billed=in_stream)
    return None
