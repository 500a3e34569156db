"""The one place that speaks to language models: any server with OpenAI's chat protocol, through llama-index."""

import functools
import os
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import httpx

from moat.errors import ProviderError, ProviderTimeout
from moat.llm.usage import UnreadableUsage, read_usage
from moat.provider_settings import ModelSettings, ProviderSettings
from moat.records import Usage
from moat.telemetry import MASK

# What a message's role and separators add to its text, in OpenAI's own count.
TOKENS_PER_MESSAGE = 4
OPENAI = "https://api.openai.com/v1"
_RETRYABLE = frozenset({408, 409, 425, 429})


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Piece:
    """What one chunk of a stream says."""

    text: str = ""
    finish_reason: str = ""
    usage: Usage | None = None
    model_returned: str = ""
    request_id: str = ""
    tool_call: bool = False  # the model asked for a tool; it was offered none, and none is ever run


class AttemptFailed(Exception):
    """One attempt failed: the error for the caller, whether another may help, and whether it may be billed."""

    def __init__(
        self, error: ProviderError, *, retryable: bool, billed: bool, retry_after_s: float | None = None
    ) -> None:
        super().__init__(error.detail)
        self.error = error
        self.retryable = retryable
        self.billed = billed
        self.retry_after_s = retry_after_s


async def stream_chat(
    provider: str,
    model: str,
    server: ProviderSettings,
    known: ModelSettings,
    messages: Sequence[Message],
    timeout_s: float,
) -> AsyncGenerator[Piece, None]:
    """Send one prompt and give the stream's pieces as they come; raises AttemptFailed.

    Closing this generator closes the connection, so that the provider stops.
    """
    import openai
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.openai_like import OpenAILike

    async with httpx.AsyncClient(timeout=timeout_s, verify=_tls()) as client:
        llm = OpenAILike(
            model=model,
            api_base=server.base_url or OPENAI,
            api_key=server.api_key.get_secret_value() or "none",  # the client refuses to start without one
            is_chat_model=True,
            context_window=known.context_window,
            max_tokens=known.max_output_tokens,
            temperature=0.0,
            max_retries=0,
            timeout=timeout_s,
            async_http_client=client,
            additional_kwargs={"stream_options": {"include_usage": True}},
        )
        try:
            chunks: Any = await llm.astream_chat([ChatMessage(role=m.role, content=m.text) for m in messages])
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield _piece(chunk.raw, chunk.delta or "")
        # The last three: the library takes a tool call in an unforeseen shape for a fault of its own.
        except (openai.OpenAIError, httpx.HTTPError, ValueError, AssertionError, TypeError, AttributeError) as error:
            raise _failure(provider, error, server.api_key.get_secret_value()) from error


@functools.cache
def load() -> None:
    """Import the client libraries, off the event loop: they take seconds, and only who calls a model pays for it."""
    import_module("openai")
    import_module("llama_index.llms.openai_like")


def count_tokens(text: str) -> int:
    """Count tokens as OpenAI's newer models do; other vendors' counts differ by up to a third."""
    return len(_encoding().encode(text, disallowed_special=()))


def count_prompt(messages: Sequence[Message]) -> int:
    """Count a whole prompt."""
    return sum(count_tokens(message.text) + TOKENS_PER_MESSAGE for message in messages) + TOKENS_PER_MESSAGE


@functools.cache
def _encoding() -> Any:
    # llama-index-core carries the vocabularies; without this tiktoken would fetch them from the network.
    spec = find_spec("llama_index.core")
    if spec is not None and spec.origin is not None:
        cache = Path(spec.origin).parent / "_static" / "tiktoken_cache"
        os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(cache))
    import tiktoken

    return tiktoken.get_encoding("o200k_base")


@functools.cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _piece(raw: Any, text: str) -> Piece:
    choices = raw.choices or []
    delta = choices[0].delta if choices else None
    return Piece(
        text=text,
        finish_reason=(choices[0].finish_reason or "") if choices else "",
        tool_call=bool(delta and (delta.tool_calls or delta.function_call)),
        usage=_usage(raw) if raw.usage else None,
        model_returned=raw.model or "",
        request_id=raw.id or "",
    )


def _usage(raw: Any) -> Usage | None:
    try:
        return read_usage({"wire": "openai", "usage": raw.usage.model_dump(exclude_none=True)})
    except UnreadableUsage:
        return None  # counted here instead


def _failure(provider: str, error: Exception, key: str) -> AttemptFailed:
    import openai

    if isinstance(error, openai.APIStatusError):
        return _refused(provider, error.status_code, _without(key, error.message), error.response.headers)
    if isinstance(error, (openai.APITimeoutError, httpx.TimeoutException)):
        never_sent = isinstance(error.__cause__ or error, (httpx.ConnectTimeout, httpx.PoolTimeout))
        timeout = ProviderTimeout(f"{provider} did not answer in time.")
        return AttemptFailed(timeout, retryable=never_sent, billed=not never_sent)
    if isinstance(error, (openai.APIConnectionError, httpx.ConnectError)):
        never_sent = isinstance(error.__cause__ or error, httpx.ConnectError)
        lost = ProviderError(f"{provider} cannot be reached or closed the connection.")
        return AttemptFailed(lost, retryable=True, billed=not never_sent)
    broken = ProviderError(
        f"{provider} broke off or sent something that cannot be read: {_without(key, str(error))[:200]}"
    )
    return AttemptFailed(broken, retryable=True, billed=True)


def _without(key: str, message: str) -> str:
    """Take the key out of what a server says: some repeat what they were sent."""
    return message.replace(key, MASK) if key else message


def _refused(provider: str, status: int, message: str, headers: Mapping[str, str]) -> AttemptFailed:
    if status in (401, 403):  # the provider's message may repeat a part of the key
        error = ProviderError(f"{provider} refused the key (status {status}).", "Set the provider's api_key.")
    else:
        error = ProviderError(f"{provider} answered with status {status}: {message[:200]}")
    return AttemptFailed(
        error,
        retryable=status in _RETRYABLE or status >= 500,
        billed=False,
        retry_after_s=_seconds(headers.get("retry-after")),
    )


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:  # a date: rare with these servers, and our own wait serves as well
        return None
