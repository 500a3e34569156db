"""OpenAI's chat protocol: OpenAI itself, Azure's deployments, and every compatible server."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, suppress
from functools import cache
from importlib import import_module
from typing import Any

import httpx

from moat.errors import InvalidRequest
from moat.llm.wires import failures
from moat.llm.wires.base import Message, Piece, Scores, Target, Vectors
from moat.llm.wires.connections import connections
from moat.llm.wires.failures import Refusal

OPENAI = "https://api.openai.com/v1"
_END_S = 0.05
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
        """The SDK asks, and its decoder takes the stream apart; what it and the class would make of every event takes
        longer than all that the call's books take."""
        asked = {"stream": True, "stream_options": {"include_usage": True}}
        with self._failing(target):
            stream = await self._post(target, messages, timeout_s, asked, stream=True)
            async with stream, aclosing(stream._iter_events()) as events:
                async for event in events:
                    if event.data.startswith("[DONE]"):
                        break
                    said = event.json()
                    _raise_told(said, stream.response)
                    yield self._piece(target, said)
                await _read_to_end(events)

    async def complete(self, target: Target, messages: Sequence[Message], timeout_s: float) -> Piece:
        with self._failing(target):
            answer = await self._post(target, messages, timeout_s, {})
            return self._piece(target, answer.json())

    async def embed(self, target: Target, texts: Sequence[str], timeout_s: float, *, question: bool) -> Vectors:
        with self._failing(target):
            answer = (
                await self._model(target)
                ._get_aclient()
                .embeddings.create(model=target.model, input=list(texts), encoding_format="float", timeout=timeout_s)
            )
            vectors = [each.embedding for each in sorted(answer.data, key=lambda each: each.index)]
            return Vectors(vectors, self._said(target, answer.model_dump(include={"model", "usage"})))

    async def rerank(self, target: Target, query: str, documents: Sequence[str], timeout_s: float) -> Scores:
        """What vLLM and others offer beside OpenAI's own routes, in the form that Jina and Cohere began."""
        with self._failing(target):
            asked = {"model": target.model, "query": query, "documents": list(documents)}
            answer: Any = (
                await self._model(target)
                ._get_aclient()
                .post("/rerank", cast_to=httpx.Response, body=asked, options={"timeout": timeout_s})
            )
            body = answer.json()
            scores = {each["index"]: float(each["relevance_score"]) for each in body["results"]}
            usage = dict(body.get("usage") or {})
            usage.setdefault("prompt_tokens", usage.get("total_tokens"))
            said = failures.usage_of({"wire": "openai", "usage": usage})
            return Scores([scores[n] for n in range(len(documents))], Piece(usage=said, request_id=body.get("id", "")))

    def _client(self, target: Target, http: httpx.AsyncClient) -> Any:
        from llama_index.llms.openai_like import OpenAILike

        return OpenAILike(
            api_base=self._address(target),
            api_key=target.key or "none",  # the client refuses to start without one
            is_chat_model=True,
            context_window=target.known.context_window,
            **self._common(target, http),
        )

    def _address(self, target: Target) -> str:
        if not target.server.base_url:
            raise InvalidRequest(
                f"The provider {target.provider!r} has no address.", f"Set providers.{target.provider}.base_url."
            )
        return target.server.base_url

    def _tier(self, target: Target) -> str:
        return target.server.service_tier

    def _common(self, target: Target, http: httpx.AsyncClient) -> dict[str, Any]:
        tier = self._tier(target)
        return {
            "model": target.model,
            "max_tokens": target.known.max_output_tokens,
            "temperature": 0.0,
            "max_retries": 0,
            "async_http_client": http,
            "additional_kwargs": {"service_tier": tier} if tier else {},
        }

    def _model(self, target: Target) -> Any:
        known, server = target.known, target.server
        name = (
            *(type(self).__name__, target.provider, target.model, target.priced_model, server.base_url, target.key),
            *(self._tier(target), server.api_version, known.context_window, known.max_output_tokens),
        )
        return connections().client(name, lambda http: self._client(target, http))

    async def _post(
        self,
        target: Target,
        messages: Sequence[Message],
        timeout_s: float,
        more: Mapping[str, Any],
        *,
        stream: bool = False,
    ) -> Any:
        import openai

        llm = self._model(target)
        body = {"messages": _written(messages), **llm._get_model_kwargs(**more)}
        client, options = llm._get_aclient(), {"timeout": timeout_s}
        if not stream:
            return await client.post("/chat/completions", cast_to=httpx.Response, body=body, options=options)
        kind = openai.AsyncStream[object]
        return await client.post(
            "/chat/completions", cast_to=object, body=body, options=options, stream=True, stream_cls=kind
        )

    @contextmanager
    def _failing(self, target: Target) -> Iterator[None]:
        import openai

        with failures.translated(target, (openai.OpenAIError,), _refusal):
            yield

    def _piece(self, target: Target, said: Mapping[str, Any]) -> Piece:
        choices = said.get("choices") or []
        choice = choices[0] if choices else {}
        message = choice.get("delta") or choice.get("message") or {}
        about = self._said(target, said)
        return Piece(
            text=message.get("content") or "",
            finish_reason=choice.get("finish_reason") or "",
            tool_call=bool(message.get("tool_calls") or message.get("function_call")),
            usage=about.usage,
            model_returned=about.model_returned,
            request_id=about.request_id,
        )

    def _said(self, target: Target, said: Mapping[str, Any]) -> Piece:
        reported = said.get("usage")
        usage = None
        if reported:
            raw = {
                "wire": "openai",
                "usage": _without_nothing(reported),
                "service_tier": said.get("service_tier"),
                "states_cost": target.server.listed_as(target.provider) == STATES_COST,
            }
            usage = failures.usage_of({name: value for name, value in raw.items() if value})
        return Piece(usage=usage, model_returned=said.get("model") or "", request_id=said.get("id") or "")


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

    def _client(self, target: Target, http: httpx.AsyncClient) -> Any:
        llm = _azure_class()(
            engine=target.model,
            azure_endpoint=self._address(target),
            api_version=target.server.api_version,
            api_key=target.key or "none",
            **(self._common(target, http) | {"model": target.priced_model}),
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


def _written(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.text} for message in messages]


def _without_nothing(told: Any) -> Any:
    """Leave out what a server names without saying it."""
    if isinstance(told, Mapping):
        return {name: _without_nothing(value) for name, value in told.items() if value is not None}
    return told


def _raise_told(said: Any, response: httpx.Response) -> None:
    """Raise the error that a stream told of, as the SDK does."""
    import openai

    if error := said.get("error"):
        message = error.get("message") if isinstance(error, Mapping) else error
        raise openai.APIError(str(message), request=response.request, body=error)


async def _read_to_end(events: AsyncIterator[Any]) -> None:
    """Take what follows the stream's end mark, mostly nothing: only then can the connection be used again."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_END_S):
            async for _ in events:
                pass


def _refusal(error: Exception) -> Refusal | None:
    import openai

    if isinstance(error, openai.APIStatusError):
        return Refusal(error.status_code, error.message, error.response.headers)
    return None
