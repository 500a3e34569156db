"""What providers report as used, each in its own fields, brought into one scheme."""

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from moat.records import Usage

# What providers call the tier that the plain price is for.
_STANDARD = frozenset(
    {"", "default", "standard", "unspecified", "on_demand", "traffic_type_unspecified", "not_available"}
)


class UnreadableUsage(ValueError):
    """The usage is not what this provider's documentation says."""


def read_usage(raw: Mapping[str, Any]) -> Usage:
    """Read `{"wire": NAME, "usage": {...}, ...}`, what an adapter keeps of an answer; raises UnreadableUsage."""
    reader = _READERS.get(raw.get("wire", ""))
    if reader is None:
        raise UnreadableUsage(f"there is no wire format {raw.get('wire')!r}")
    return reader(raw)


def estimated(input_tokens: int, output_tokens: int) -> Usage:
    """Make the usage of a call whose provider told none, from tokens counted here."""
    counted = {"input_tokens": input_tokens, "output_tokens": output_tokens}
    return Usage(input_tokens, 0, output_tokens, reported=False, raw={"wire": "counted", "usage": counted})


def _counted(raw: Mapping[str, Any]) -> Usage:
    usage = _section(raw, "usage")
    return Usage(_count(usage, "input_tokens"), 0, _count(usage, "output_tokens"), reported=False, raw=raw)


def _openai(raw: Mapping[str, Any]) -> Usage:
    """Chat and embeddings: cached input and cache writes are part of the prompt, reasoning of the completion."""
    usage = _section(raw, "usage")
    read, written = _section(usage, "prompt_tokens_details"), _section(usage, "completion_tokens_details")
    prompt, completion = _count(usage, "prompt_tokens", needed=True), _count(usage, "completion_tokens")
    reasoning = _count(written, "reasoning_tokens")
    # Some compatible servers count reasoning beside the completion; their total tells.
    if reasoning and _count(usage, "total_tokens") == prompt + completion + reasoning:
        completion += reasoning
    return Usage(
        input_tokens=prompt,
        cached_input_tokens=_count(read, "cached_tokens") or _count(usage, "prompt_cache_hit_tokens"),
        output_tokens=completion,
        reasoning_tokens=reasoning,
        cache_write_tokens=_count(read, "cache_write_tokens"),
        context=_context(service_tier=raw.get("service_tier"), region=raw.get("region")),
        other=_other(
            input_audio_tokens=_count(read, "audio_tokens"),
            output_audio_tokens=_count(written, "audio_tokens"),
            web_searches=_count(_section(usage, "server_tool_use"), "web_search_requests"),
        ),
        reported_usd=_charged(usage) if raw.get("states_cost") else None,
        raw=raw,
    )


def _charged(usage: Mapping[str, Any]) -> Decimal | None:
    """What OpenRouter says it charged; with a key of one's own the provider's own bill comes on top."""
    cost = _dollars(usage.get("cost"))
    if cost is None or not usage.get("is_byok"):
        return cost
    upstream = _dollars(_section(usage, "cost_details").get("upstream_inference_cost"))
    if upstream is None:
        raise UnreadableUsage("a key of one's own was used, and what it cost is not told")
    return cost + upstream


def _anthropic(raw: Mapping[str, Any]) -> Usage:
    """Messages: `input_tokens` are those neither read from a cache nor written to one."""
    usage = _section(raw, "usage")
    details = _section(usage, "cache_creation")
    hour = _count(details, "ephemeral_1h_input_tokens")
    written = max(_count(usage, "cache_creation_input_tokens"), hour + _count(details, "ephemeral_5m_input_tokens"))
    cached, fresh = _count(usage, "cache_read_input_tokens"), _count(usage, "input_tokens", needed=True)
    tools = _section(usage, "server_tool_use")
    tier = _text(usage.get("service_tier"))
    return Usage(
        input_tokens=fresh + cached + written,
        cached_input_tokens=cached,
        output_tokens=_count(usage, "output_tokens", needed=True),
        reasoning_tokens=_count(_section(usage, "output_tokens_details"), "thinking_tokens"),
        cache_write_tokens=written - hour,
        cache_write_1h_tokens=hour,
        context=_context(
            service_tier="" if tier == "batch" else tier,
            processing="batch" if tier == "batch" else "",
            speed=usage.get("speed"),
            region="" if _text(usage.get("inference_geo")) == "global" else usage.get("inference_geo"),
        ),
        other=_other(web_searches=_count(tools, "web_search_requests")),  # fetches are free
        raw=raw,
    )


def _google(raw: Mapping[str, Any]) -> Usage:
    """Gemini: cached input is part of the prompt; tools' results and thoughts are counted beside the rest."""
    usage = _section(raw, "usage")
    tool, thoughts = _count(usage, "tool_use_prompt_token_count"), _count(usage, "thoughts_token_count")
    tier = _text(usage.get("traffic_type")) or _text(raw.get("service_tier"))
    read, written = _modalities(usage, "prompt_tokens_details"), _modalities(usage, "candidates_tokens_details")
    return Usage(
        input_tokens=_count(usage, "prompt_token_count", needed=True) + tool,
        cached_input_tokens=_count(usage, "cached_content_token_count"),
        output_tokens=_count(usage, "candidates_token_count") + thoughts,
        reasoning_tokens=thoughts,
        tool_tokens=tool,
        context=_context(service_tier=tier.removeprefix("on_demand_"), region=raw.get("region")),
        other=_other(
            **{f"input_{name}_tokens": count for name, count in read.items()},
            **{f"output_{name}_tokens": count for name, count in written.items()},
            web_searches=_count(raw, "web_searches"),
        ),
        raw=raw,
    )


def _cohere(raw: Mapping[str, Any]) -> Usage:
    """Chat, embeddings and reranking: the billed units, which are fewer than the tokens read."""
    usage = _section(raw, "usage")
    billed = _section(usage, "billed_units") or _section(usage, "tokens")
    if not any(name in billed for name in ("input_tokens", "output_tokens", "search_units")):
        raise UnreadableUsage("there are no billed units")
    return Usage(
        input_tokens=_count(billed, "input_tokens"),
        output_tokens=_count(billed, "output_tokens"),
        search_units=_count(billed, "search_units"),
        other=_other(
            classifications=_count(billed, "classifications"),
            images=_count(billed, "images"),
            input_image_tokens=_count(billed, "image_tokens"),
        ),
        raw=raw,
    )


def _bedrock(raw: Mapping[str, Any]) -> Usage:
    """Converse: as Anthropic counts, whatever the model; writes by their time to live where the service tells."""
    usage = _section(raw, "usage")
    details = usage.get("cacheDetails")
    hour = sum(
        _count(detail, "inputTokens")
        for detail in (details if isinstance(details, list) else [])
        if isinstance(detail, Mapping) and detail.get("ttl") == "1h"
    )
    cached, written = _count(usage, "cacheReadInputTokens"), max(_count(usage, "cacheWriteInputTokens"), hour)
    latency = _text(raw.get("latency"))
    return Usage(
        input_tokens=_count(usage, "inputTokens", needed=True) + cached + written,
        cached_input_tokens=cached,
        output_tokens=_count(usage, "outputTokens", needed=True),
        cache_write_tokens=written - hour,
        cache_write_1h_tokens=hour,
        context=_context(service_tier=raw.get("service_tier"), latency="" if latency == "standard" else latency),
        raw=raw,
    )


def _bedrock_embedding(raw: Mapping[str, Any]) -> Usage:
    """InvokeModel of an embedder: the service counts in a header."""
    return Usage(input_tokens=_count(_section(raw, "usage"), "inputTextTokenCount", needed=True), raw=raw)


def _ollama(raw: Mapping[str, Any]) -> Usage:
    """A prompt that was evaluated before is left out of the count by the server."""
    usage = _section(raw, "usage")
    if "eval_count" not in usage and "prompt_eval_count" not in usage:
        raise UnreadableUsage("there are no counts")
    return Usage(_count(usage, "prompt_eval_count"), 0, _count(usage, "eval_count"), raw=raw)


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Usage]] = {
    "counted": _counted,
    "openai": _openai,
    "anthropic": _anthropic,
    "google": _google,
    "cohere": _cohere,
    "bedrock": _bedrock,
    "bedrock_embedding": _bedrock_embedding,
    "ollama": _ollama,
}


def _section(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = raw.get(name)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise UnreadableUsage(f"{name} is no object")
    return found


def _count(section: Mapping[str, Any], name: str, *, needed: bool = False) -> int:
    value = section.get(name)
    if value is None and not needed:
        return 0
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        count = int(value)
        if count == value and count >= 0:
            return count
    raise UnreadableUsage(f"{name} is no count: {value!r}")


def _dollars(value: Any) -> Decimal | None:
    if value is None:
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise UnreadableUsage(f"cost is no amount: {value!r}") from None
    if isinstance(value, bool) or not amount.is_finite() or amount < 0:
        raise UnreadableUsage(f"cost is no amount: {value!r}")
    return amount


def _text(value: Any) -> str:
    return "" if value is None else str(getattr(value, "value", value)).lower()


def _context(**values: Any) -> dict[str, str]:
    return {name: text for name, value in values.items() if (text := _text(value)) not in _STANDARD}


def _other(**counts: int) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def _modalities(usage: Mapping[str, Any], name: str) -> dict[str, int]:
    """Tokens of anything but text; pages of a PDF are billed as text."""
    details = usage.get(name) or ()
    if not isinstance(details, Sequence):
        raise UnreadableUsage(f"{name} is no list")
    counts: dict[str, int] = {}
    for detail in details:
        kind = _text(detail.get("modality"))
        if kind not in ("", "text", "document", "modality_unspecified"):
            counts[kind] = counts.get(kind, 0) + _count(detail, "token_count")
    return counts
