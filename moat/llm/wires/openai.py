"""OpenAI's chat protocol: OpenAI itself, Azure's deployments, and every compatible server."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import cache
from importlib import import_module
from typing import Any

import httpx

from moat.errors import InvalidRequest
from moat.llm.wires import failures
from moat.llm.wires.base import Message, Piece, Scores, Target, Vectors
from moat.llm.wires.failures import Refusal
from moat.llm.wires.tls import tls

OPENAI = "https://api.openai.com/v1"
STATES_COST = "openrouter"  # the one provider whose answers say what they cost, in dollars


class OpenAILike:
    """A server that speaks OpenAI's protocol: vLLM, llama.cpp, OpenRouter and many more."""

    embeds, reranks = True, True

    def load(self) -> None:
        import_module("openai")
        import_module("llama_index.llms.openai_like")

    async def stream(
        self, target: Target, messages: Sequence[Message], timeout_s: float
    ) -> AsyncGenerator[Piece, None]:
        async with self._model(target, timeout_s, stream_options={"include_usage": True}) as llm:
            chunks: Any = await llm.astream_chat(_written(messages))
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield self._piece(target, chunk.raw, chunk.delta or "")

    async def complete(self, target: Target, messages: Sequence[Message], timeout_s: float) -> Piece:
        async with self._model(target, timeout_s) as llm:
            answer: Any = await llm.achat(_written(messages))
            return self._piece(target, answer.raw, answer.message.content or "")

    async def embed(self, target: Target, texts: Sequence[str], timeout_s: float, *, question: bool) -> Vectors:
        async with self._model(target, timeout_s) as llm:
            answer: Any = await llm._get_aclient().embeddings.create(
                model=target.model, input=list(texts), encoding_format="float"
            )
            vectors = [each.embedding for each in sorted(answer.data, key=lambda each: each.index)]
            return Vectors(vectors, self._said(target, answer))

    async def rerank(self, target: Target, query: str, documents: Sequence[str], timeout_s: float) -> Scores:
        """What vLLM and others offer beside OpenAI's own routes, in the form that Jina and Cohere began."""
        async with self._model(target, timeout_s) as llm:
            asked = {"model": target.model, "query": query, "documents": list(documents)}
            answer: Any = await llm._get_aclient().post("/rerank", cast_to=httpx.Response, body=asked)
            body = answer.json()
            scores = {each["index"]: float(each["relevance_score"]) for each in body["results"]}
            usage = dict(body.get("usage") or {})
            usage.setdefault("prompt_tokens", usage.get("total_tokens"))
            said = failures.usage_of({"wire": "openai", "usage": usage})
            return Scores([scores[n] for n in range(len(documents))], Piece(usage=said, request_id=body.get("id", "")))

    def _client(self, target: Target, timeout_s: float, http: httpx.AsyncClient, extra: dict[str, Any]) -> Any:
        from llama_index.llms.openai_like import OpenAILike

        return OpenAILike(
            api_base=self._address(target),
            api_key=target.key or "none",  # the client refuses to start without one
            is_chat_model=True,
            context_window=target.known.context_window,
            **_common(target, timeout_s, http, extra),
        )

    def _address(self, target: Target) -> str:
        if not target.server.base_url:
            raise InvalidRequest(
                f"The provider {target.provider!r} has no address.", f"Set providers.{target.provider}.base_url."
            )
        return target.server.base_url

    def _tier(self, target: Target) -> str:
        return target.server.service_tier

    @asynccontextmanager
    async def _model(self, target: Target, timeout_s: float, **extra: Any) -> AsyncIterator[Any]:
        import openai

        if tier := self._tier(target):
            extra["service_tier"] = tier
        with failures.translated(target, (openai.OpenAIError,), _refusal):
            async with httpx.AsyncClient(timeout=timeout_s, verify=tls()) as http:
                yield self._client(target, timeout_s, http, extra)

    def _piece(self, target: Target, raw: Any, text: str) -> Piece:
        choices = raw.choices or []
        choice = choices[0] if choices else None
        message = getattr(choice, "delta", None) or getattr(choice, "message", None)
        said = self._said(target, raw)
        return Piece(
            text=text,
            finish_reason=(choice.finish_reason or "") if choice else "",
            tool_call=bool(message and (message.tool_calls or message.function_call)),
            usage=said.usage,
            model_returned=said.model_returned,
            request_id=said.request_id,
        )

    def _said(self, target: Target, raw: Any) -> Piece:
        reported = getattr(raw, "usage", None)
        usage = {
            "wire": "openai",
            "usage": reported.model_dump(exclude_none=True) if reported else {},
            "service_tier": getattr(raw, "service_tier", None),
            "states_cost": target.server.listed_as(target.provider) == STATES_COST,
        }
        kept = {name: value for name, value in usage.items() if value}
        return Piece(
            usage=failures.usage_of(kept) if reported else None,
            model_returned=raw.model or "",
            request_id=getattr(raw, "id", "") or "",
        )


class OpenAI(OpenAILike):
    """OpenAI's own service; calls name their tier, so that a project's setting cannot make them dearer."""

    reranks = False

    def _address(self, target: Target) -> str:
        return target.server.base_url or OPENAI

    def _tier(self, target: Target) -> str:
        return target.server.service_tier or "default"

    async def rerank(self, target: Target, query: str, documents: Sequence[str], timeout_s: float) -> Scores:
        raise InvalidRequest(f"{target.provider} has no reranker.", "Name a model of a provider that has one.")


class Azure(OpenAI):
    """Azure's deployments: a call names the deployment, the price is of the model behind it."""

    def load(self) -> None:
        super().load()
        import_module("llama_index.llms.azure_openai")

    def _address(self, target: Target) -> str:
        return OpenAILike._address(self, target)

    def _tier(self, target: Target) -> str:
        return target.server.service_tier

    def _client(self, target: Target, timeout_s: float, http: httpx.AsyncClient, extra: dict[str, Any]) -> Any:
        llm = _azure_class()(
            engine=target.model,
            azure_endpoint=self._address(target),
            api_version=target.server.api_version,
            api_key=target.key or "none",
            **(_common(target, timeout_s, http, extra) | {"model": target.priced_model}),
        )
        llm._window = target.known.context_window
        return llm


@cache
def _azure_class() -> Any:
    from llama_index.core.llms import LLMMetadata
    from llama_index.llms.azure_openai import AzureOpenAI

    class AnyAzureModel(AzureOpenAI):  # type: ignore[misc, unused-ignore]  # some checkers see no types in it
        """The class refuses models that it does not list; new ones come every month."""

        _window: int = 0

        @property
        def metadata(self) -> LLMMetadata:
            return LLMMetadata(context_window=self._window, is_chat_model=True, model_name=self.model)

    return AnyAzureModel


def _common(target: Target, timeout_s: float, http: httpx.AsyncClient, extra: dict[str, Any]) -> dict[str, Any]:
    return {
        "model": target.model,
        "max_tokens": target.known.max_output_tokens,
        "temperature": 0.0,
        "max_retries": 0,
        "timeout": timeout_s,
        "async_http_client": http,
        "additional_kwargs": extra,
    }


def _written(messages: Sequence[Message]) -> list[Any]:
    from llama_index.core.llms import ChatMessage

    return [ChatMessage(role=message.role, content=message.text) for message in messages]


def _refusal(error: Exception) -> Refusal | None:
    import openai

    if isinstance(error, openai.APIStatusError):
        return Refusal(error.status_code, error.message, error.response.headers)
    return None
