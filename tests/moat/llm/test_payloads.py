"""Over two hundred usages, each against its cost worked out by hand: the error is exactly nothing."""

from collections import defaultdict
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import genai_prices
import pytest

from moat.llm.price_list import sheet_of
from moat.llm.prices import PriceSheet, Rate, recompute
from moat.llm.usage import UnreadableUsage, read_usage
from moat.llm.wires import wire_of
from moat.llm.wires.base import Message, Target
from moat.provider_settings import ModelSettings, ProviderSettings
from moat.records import Usage
from tests.fakes.dialects import DIALECTS, Dialect, Reply
from tests.fakes.model_server import model_server
from tests.fakes.payloads import PAYLOADS, Row

LISTED_VERSION = "0.2.3"
ON = datetime(2026, 11, 28, tzinfo=UTC)
CEILING = Decimal(999)
OWN = ModelSettings.model_validate(
    {
        "input_usd_per_million": "1",
        "cached_usd_per_million": "0.5",
        "output_usd_per_million": "2",
        "reasoning_usd_per_million": "3",
        "tiers": [
            {"above_input_tokens": 32_000, "input_usd_per_million": "2", "output_usd_per_million": "4"},
            {"above_input_tokens": 128_000, "input_usd_per_million": "4", "output_usd_per_million": "8"},
        ],
        "variants": [
            {"when": {"region": "eu"}, "input_usd_per_million": "1.1", "output_usd_per_million": "2.2"},
        ],
    }
)
RERANK = ModelSettings.model_validate({"kind": "rerank", "usd_per_thousand_searches": "2"})


def test_the_list_is_the_one_that_the_rows_were_worked_out_by() -> None:
    assert genai_prices.__version__ == LISTED_VERSION, (
        f"The rows' prices are those of genai-prices {LISTED_VERSION}, which constraints.txt pins. Whoever raises it "
        "there works out anew, and dates, the rows whose prices have changed."
    )


def sheet(model: str) -> PriceSheet:
    """The prices that the rows state: those of the list for a real model, made up for the others."""
    provider, _, name = model.partition("/")
    known = OWN if provider == "own" else RERANK if "rerank" in name else ModelSettings()
    return sheet_of(provider, name, ProviderSettings(), known, ON)


def by_hand(sum_of_products: str) -> Decimal:
    """Add up counts times dollars a million."""
    products = (term.split("*") for term in sum_of_products.split(" + "))
    return sum((Decimal(count) * Decimal(price) for count, price in products), Decimal(0)) / 1_000_000


def test_there_are_over_two_hundred_rows_over_all_providers() -> None:
    assert len(PAYLOADS) >= 200
    assert len({repr(row) for row in PAYLOADS}) == len(PAYLOADS)
    wires = {row[1]["wire"] for row in PAYLOADS}
    assert wires == {"openai", "anthropic", "google", "cohere", "bedrock", "bedrock_embedding", "ollama", "counted"}


@pytest.mark.parametrize("row", PAYLOADS, ids=range(len(PAYLOADS)))
def test_payload_costs_what_was_worked_out_by_hand(row: Row) -> None:
    model, raw, hand = row
    prices = sheet(model)
    assert prices.cost(read_usage(raw)) - by_hand(hand) == 0
    assert recompute("ok", raw, PriceSheet.from_json(prices.to_json()), CEILING).cost_usd == by_hand(hand)


@pytest.mark.parametrize(
    ("model", "raw", "unknown"),
    [
        ("openai/gpt-5", {"usage": {"prompt_tokens": 5}, "service_tier": "scale"}, "service_tier 'scale'"),
        ("openai/gpt-5", {"usage": {"prompt_tokens": 5}, "service_tier": "turbo"}, "service_tier 'turbo'"),
        ("azure/gpt-4o-mini", {"usage": {"prompt_tokens": 5}, "service_tier": "priority"}, "service_tier 'priority'"),
        (
            "openai/gpt-5",
            {"usage": {"prompt_tokens": 9, "prompt_tokens_details": {"audio_tokens": 4}}},
            "input_audio_tokens",
        ),
        ("own/tiered", {"usage": {"prompt_tokens": 5}, "region": "us"}, "region 'us'"),
        ("own/tiered", {"usage": {"prompt_tokens": 5}, "region": "eu", "service_tier": "flex"}, "service_tier 'flex'"),
        (
            "own/tiered",
            {"usage": {"prompt_tokens": 5, "prompt_tokens_details": {"cache_write_tokens": 5}}},
            "cache_write",
        ),
    ],
)
def test_what_has_no_price_is_never_the_standard_price_nor_nothing(model: str, raw: Any, unknown: str) -> None:
    bill = sheet(model).bill(read_usage({"wire": "openai", **raw}), CEILING)
    assert bill.cost_usd == CEILING
    assert unknown in bill.flags[0]


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"wire": "nobody's"},
        {"wire": "openai", "usage": {}},
        {"wire": "openai", "usage": []},
        {"wire": "openai", "usage": {"prompt_tokens": -1}},
        {"wire": "openai", "usage": {"prompt_tokens": True}},
        {"wire": "openai", "usage": {"prompt_tokens": 1.5}},
        {"wire": "openai", "usage": {"prompt_tokens": float("nan")}},
        {"wire": "openai", "usage": {"prompt_tokens": 5, "prompt_tokens_details": "none"}},
        {"wire": "openai", "states_cost": True, "usage": {"prompt_tokens": 5, "cost": "free"}},
        {"wire": "openai", "states_cost": True, "usage": {"prompt_tokens": 5, "cost": -1}},
        {"wire": "openai", "states_cost": True, "usage": {"prompt_tokens": 5, "cost": 0.1, "is_byok": True}},
        {"wire": "anthropic", "usage": {"input_tokens": 4}},
        {"wire": "google", "usage": {"candidates_token_count": 4}},
        {"wire": "cohere", "usage": {"billed_units": {"classifications": 1.0}}},
        {"wire": "bedrock", "usage": {"inputTokens": 4}},
        {"wire": "ollama", "usage": {}},
    ],
)
def test_usage_that_cannot_be_read_is_never_taken_for_nothing(raw: Any) -> None:
    with pytest.raises(UnreadableUsage):
        read_usage(raw)


def _sent(dialect: Dialect, raw: Any) -> Reply:
    """The reply in which a provider would report this usage."""
    extra = {"service_tier": raw["service_tier"]} if "service_tier" in raw else {}
    if dialect.kind == "bedrock":
        extra = {"serviceTier": {"type": raw["service_tier"]}} if extra else {}
    return Reply(raw_usage=_camel(raw["usage"]) if dialect.kind == "google" else raw["usage"], extra=extra)


def _camel(value: Any) -> Any:
    if isinstance(value, list):
        return [_camel(each) for each in value]
    if not isinstance(value, dict):
        return value
    words = {name: name.split("_") for name in value}
    return {first + "".join(map(str.title, rest)): _camel(value[name]) for name, (first, *rest) in words.items()}


def _rows_by_dialect() -> list[Any]:
    """A dozen rows for each provider that chats, evenly from the table; a web search is reported elsewhere."""
    found: dict[str, list[Row]] = defaultdict(list)
    kinds = {"own": "openai_like", "openrouter": "openai_like"}
    for row in PAYLOADS:
        provider, _, name = row[0].partition("/")
        if row[1]["wire"] != "counted" and not any(word in name for word in ("embed", "rerank")):
            plain = not {"states_cost", "region", "web_searches"} & set(row[1])
            if plain and (provider != "own" or row[1]["wire"] == "openai"):
                found[kinds.get(provider, provider)].append(row)
    return [
        pytest.param(dialect, rows[:: max(1, len(rows) // 12)][:12], id=dialect.kind)
        for dialect in DIALECTS
        if (rows := found[dialect.kind])
    ]


@pytest.mark.anyio
@pytest.mark.parametrize(("dialect", "rows"), _rows_by_dialect())
async def test_through_the_real_sdk_plain_and_streamed_cost_the_same_to_the_last_digit(
    dialect: Dialect, rows: list[Row]
) -> None:
    prompt = (Message("user", "Say hello."),)
    replies = [_sent(dialect, raw) for _, raw, _ in rows for _ in range(2)]
    with model_server(dialect, *replies, Reply()) as server:
        settings = ProviderSettings(
            kind=dialect.kind, base_url=server.url, api_key="sk-test", region="eu-central-1",  # type: ignore[arg-type]
            access_key_id="AKIAFAKE", secret_access_key="secret",  # type: ignore[arg-type]
        )  # fmt: skip
        wire = wire_of(dialect.kind)
        for model, _, hand in rows:
            target = Target(model.partition("/")[0], "small", settings, ModelSettings())
            streamed: Usage | None = None
            async with aclosing(wire.stream(target, prompt, 20)) as pieces:
                async for piece in pieces:
                    streamed = piece.usage or streamed
            plain = (await wire.complete(target, prompt, 20)).usage
            assert streamed is not None
            assert plain is not None
            prices = sheet(model)
            assert prices.cost(streamed) == prices.cost(plain) == by_hand(hand)


def test_sum_over_any_grouping_is_the_sum_of_all() -> None:
    costs = [(model, sheet(model).cost(read_usage(raw))) for model, raw, _ in PAYLOADS]
    groups: dict[str, Decimal] = defaultdict(Decimal)
    for model, cost in costs:
        groups[model] += cost
    assert sum(groups.values()) == sum(cost for _, cost in costs) == sum(by_hand(hand) for *_, hand in PAYLOADS)


@pytest.mark.parametrize("above", [1, 32_000, 200_000])
def test_threshold_holds_from_the_first_token_above_it_for_all_tokens(above: int) -> None:
    rate = Rate(Decimal(1), ((above, Decimal(7)),))
    prices = PriceSheet("settings", {"input": rate, "output": replace(rate, base=Decimal(2))})
    assert prices.cost(Usage(above, 0, 10)) == Decimal(above + 20) / 1_000_000
    assert prices.cost(Usage(above + 1, 0, 10)) == Decimal(7 * (above + 11)) / 1_000_000
