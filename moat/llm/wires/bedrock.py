"""AWS Bedrock's Converse: an asynchronous client, so that who leaves is hung up on, under llama-index's class."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from importlib import import_module
from typing import Any

from moat.errors import InvalidRequest
from moat.llm.wires import failures
from moat.llm.wires.base import Message, Piece, Scores, Target, Vectors
from moat.llm.wires.failures import Refusal

_REASONS = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}
_COUNT_HEADER = "x-amzn-bedrock-input-token-count"


class Bedrock:
    """Converse for chat, InvokeModel for Titan's and Cohere's embedders."""

    embeds, reranks = True, False

    def load(self) -> None:
        import_module("aiobotocore.session")
        import_module("llama_index.llms.bedrock_converse")

    async def stream(
        self, target: Target, messages: Sequence[Message], timeout_s: float
    ) -> AsyncGenerator[Piece, None]:
        reason = ""
        async with self._model(target, timeout_s) as llm:
            answer = await llm._async_client.converse_stream(**_asked(target, messages))
            yield Piece(request_id=answer["ResponseMetadata"].get("RequestId", ""))
            events = answer["stream"]
            try:
                async for event in events:
                    if "contentBlockDelta" in event:
                        yield Piece(event["contentBlockDelta"]["delta"].get("text", ""))
                    elif "contentBlockStart" in event:
                        yield Piece(tool_call="toolUse" in event["contentBlockStart"].get("start", {}))
                    elif "messageStop" in event:
                        reason = event["messageStop"]["stopReason"]
                    elif "metadata" in event:
                        yield Piece(usage=_usage(event["metadata"]))
            finally:
                events.close()
            if reason:
                yield Piece(finish_reason=_REASONS.get(reason, reason))

    async def complete(self, target: Target, messages: Sequence[Message], timeout_s: float) -> Piece:
        async with self._model(target, timeout_s) as llm:
            answer = await llm._async_client.converse(**_asked(target, messages))
            blocks = answer["output"]["message"]["content"]
            return Piece(
                text="".join(block.get("text", "") for block in blocks),
                finish_reason=_REASONS.get(answer["stopReason"], answer["stopReason"]),
                usage=_usage(answer),
                request_id=answer["ResponseMetadata"].get("RequestId", ""),
                tool_call=any("toolUse" in block for block in blocks),
            )

    async def embed(self, target: Target, texts: Sequence[str], timeout_s: float, *, question: bool) -> Vectors:
        if "cohere.embed" not in target.model and "titan-embed" not in target.model:
            raise InvalidRequest(
                f"{target.model} is no embedder that is known here.", "Name one of Titan's or Cohere's."
            )
        vectors: list[list[float]] = []
        count = 0
        async with self._model(target, timeout_s) as llm:
            for body in _embeddings(target, texts, question):
                answer = await llm._async_client.invoke_model(modelId=target.model, body=json.dumps(body))
                said = json.loads(await answer["body"].read())
                vectors += said["embeddings"] if "embeddings" in said else [said["embedding"]]
                told = answer["ResponseMetadata"]["HTTPHeaders"].get(_COUNT_HEADER)
                count += int(said.get("inputTextTokenCount") or told or 0)
        usage = failures.usage_of({"wire": "bedrock_embedding", "usage": {"inputTextTokenCount": count or None}})
        return Vectors(vectors, Piece(usage=usage))

    async def rerank(self, target: Target, query: str, documents: Sequence[str], timeout_s: float) -> Scores:
        raise InvalidRequest(f"{target.provider} has no reranker here.", "Name a model of a provider that has one.")

    @asynccontextmanager
    async def _model(self, target: Target, timeout_s: float) -> AsyncIterator[Any]:
        import aiohttp
        from aiobotocore.config import AioConfig
        from botocore.eventstream import ParserError
        from botocore.exceptions import BotoCoreError, ClientError
        from llama_index.llms.bedrock_converse import BedrockConverse

        server = target.server
        if not server.region:
            raise InvalidRequest(
                f"The provider {target.provider!r} has no region.", f"Set providers.{target.provider}.region."
            )
        keys = {
            "aws_access_key_id": server.access_key_id.get_secret_value() or None,
            "aws_secret_access_key": server.secret_access_key.get_secret_value() or None,
        }
        config = AioConfig(retries={"total_max_attempts": 1}, connect_timeout=timeout_s, read_timeout=timeout_s)
        with failures.translated(target, (ClientError, BotoCoreError, ParserError, aiohttp.ClientError), _refusal):
            async with _session().create_client(
                "bedrock-runtime",
                region_name=server.region,
                endpoint_url=server.base_url or None,
                config=config,
                **keys,
            ) as client:
                yield BedrockConverse(
                    model=target.model,
                    max_tokens=target.known.max_output_tokens,
                    region_name=server.region,
                    client=client,
                    async_client=client,
                    max_retries=1,  # the class's own, which is not used
                )


@cache
def _session() -> Any:
    """Share one session: it keeps the service's description, which takes long to read."""
    from aiobotocore.session import get_session

    return get_session()


def _asked(target: Target, messages: Sequence[Message]) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "modelId": target.model,
        "messages": [
            {"role": message.role, "content": [{"text": message.text}]}
            for message in messages
            if message.role != "system"
        ],
        "inferenceConfig": {"maxTokens": target.known.max_output_tokens},
    }
    system = [{"text": message.text} for message in messages if message.role == "system"]
    if system:
        asked["system"] = system
    if target.server.service_tier:
        asked["serviceTier"] = {"type": target.server.service_tier}
    return asked


def _embeddings(target: Target, texts: Sequence[str], question: bool) -> list[dict[str, Any]]:
    """Cohere's embedders take many texts at once, Titan's one."""
    if "cohere.embed" in target.model:
        return [{"texts": list(texts), "input_type": "search_query" if question else "search_document"}]
    return [{"inputText": text} for text in texts]


def _usage(said: Any) -> Any:
    raw = {
        "wire": "bedrock",
        "usage": said.get("usage") or {},
        "service_tier": (said.get("serviceTier") or {}).get("type"),
        "latency": (said.get("performanceConfig") or {}).get("latency"),
    }
    return failures.usage_of({name: value for name, value in raw.items() if value})


def _refusal(error: Exception) -> Refusal | None:
    from botocore.exceptions import ClientError, EventStreamError

    if not isinstance(error, ClientError):
        return None
    said = error.response.get("Error", {})
    metadata = error.response.get("ResponseMetadata", {})
    in_stream = isinstance(error, EventStreamError)
    status = _STREAM_STATUSES.get(said.get("Code", ""), 500) if in_stream else metadata.get("HTTPStatusCode", 500)
    return Refusal(status, said.get("Message", ""), metadata.get("HTTPHeaders", {}), billed=in_stream)


_STREAM_STATUSES = {"throttlingException": 429, "validationException": 400, "serviceUnavailableException": 503}
