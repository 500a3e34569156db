"""Sheets of prices: where they come from, what they refuse, and that they outlive the list they came from."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import genai_prices
import pytest

from moat.errors import UnpricedModel
from moat.llm.price_list import STALE_AFTER, is_stale, list_date, sheet_of
from moat.llm.prices import PriceSheet, Rate, Unpriceable, recompute
from moat.provider_settings import ModelSettings, ProviderSettings
from moat.records import Usage

SERVER, KNOWN = ProviderSettings(), ModelSettings()
CEILING = Decimal(7)


def model(**known: Any) -> ModelSettings:
    return ModelSettings.model_validate({"input_usd_per_million": "3", "output_usd_per_million": "15"} | known)


def test_listed_price_bills_cached_input_once_at_its_own_rate() -> None:
    prices = sheet_of("openai", "gpt-4o-mini", SERVER, KNOWN)
    # 600 × 0.15 + 400 × 0.075 + 100 × 0.60 dollars a million; the 25 reasoning tokens are among the 100.
    assert prices.cost(Usage(1000, 400, 100, 25)) == Decimal("0.00018")
    assert prices.version.startswith(f"genai-prices {genai_prices.__version__} ")


def test_override_wins_over_the_list_and_cached_input_falls_back_to_the_input_price() -> None:
    prices = sheet_of("openai", "gpt-4o-mini", SERVER, model())
    assert prices.cost(Usage(1000, 400, 100)) == Decimal("0.0045")
    assert prices.source == "settings"


def test_provider_can_be_priced_under_another_name() -> None:
    aliased = sheet_of("work", "gpt-4o-mini", ProviderSettings(priced_as="openai"), KNOWN)
    assert aliased.cost(Usage(1_000_000)) == Decimal("0.15")


def test_own_server_is_free() -> None:
    for name, server in [("own", ProviderSettings(free=True)), ("ollama", SERVER)]:
        prices = sheet_of(name, "anything", server, KNOWN)
        assert (prices.cost(Usage(10**9, 0, 10**9)), prices.source) == (0, "free")
        assert prices.ceiling(10**9, 10**9) == 0


@pytest.mark.parametrize(
    ("provider", "name"),
    [("openai", "no-such-model"), ("no-such-provider", "gpt-4o-mini"), ("my-openai-proxy", "gpt-4o-mini")],
)
def test_unknown_price_is_refused_with_what_to_set(provider: str, name: str) -> None:
    with pytest.raises(UnpricedModel) as refused:
        sheet_of(provider, name, SERVER, KNOWN)
    assert "input_usd_per_million" in refused.value.hint


def test_unknown_model_may_be_priced_at_a_declared_ceiling_and_is_flagged() -> None:
    server = ProviderSettings(unknown_price="ceiling", ceiling_usd_per_million=Decimal(40))
    prices = sheet_of("nowhere", "new", server, KNOWN)
    bill = prices.bill(Usage(1000, 500, 100), CEILING)
    assert (bill.cost_usd, bill.flags) == (Decimal("0.044"), ("priced at a declared ceiling",))
    assert prices.ceiling(1000, 100) >= bill.cost_usd


def test_half_an_override_is_no_price() -> None:
    with pytest.raises(UnpricedModel):
        sheet_of("openai", "no-such-model", SERVER, ModelSettings(input_usd_per_million=Decimal(1)))


def test_fractions_of_a_pico_dollar_are_rounded_up() -> None:
    prices = sheet_of("own", "x", SERVER, model(input_usd_per_million="0.0000001", output_usd_per_million="0"))
    assert prices.cost(Usage(1)) == Decimal("0.000000000001")


@pytest.mark.parametrize("used", [1300, 1_300_000])
def test_ceiling_is_never_below_the_cost(used: int) -> None:
    tiers = [{"above_input_tokens": 200_000, "input_usd_per_million": "6", "output_usd_per_million": "22.5"}]
    prices = sheet_of("own", "x", SERVER, model(tiers=tiers, cache_write_usd_per_million="3.75"))
    for usage in (Usage(used, 0, 100), Usage(used, used, 100, 100), Usage(used, 0, 100, cache_write_tokens=100)):
        assert prices.ceiling(round(used / 1.3), 100) >= prices.cost(usage)


@pytest.mark.parametrize(
    ("usage", "unknown"),
    [
        (Usage(10, context={"service_tier": "turbo"}), "service_tier 'turbo'"),
        (Usage(10, context={"service_tier": "flex", "region": "mars"}), "region 'mars'"),
        (Usage(10, cache_write_1h_tokens=5), "cache_write_1h"),
        (Usage(10, other={"input_audio_tokens": 5}), "input_audio_tokens"),
        (Usage(10, search_units=1), "search_units"),
        (Usage(10, 11), "more than its input"),
        (Usage(10, 0, 5, 6), "more than its output"),
    ],
)
def test_unknown_tiers_and_units_cost_the_calls_ceiling_and_say_why(usage: Usage, unknown: str) -> None:
    prices = sheet_of("openai", "gpt-5", SERVER, KNOWN)
    bill = prices.bill(usage, CEILING)
    assert bill.cost_usd == CEILING
    assert unknown in bill.flags[0]
    with pytest.raises(Unpriceable):
        prices.cost(usage)


def test_tier_that_is_asked_for_must_have_a_price() -> None:
    with pytest.raises(UnpricedModel, match="turbo") as refused:
        sheet_of("openai", "gpt-5", ProviderSettings(service_tier="turbo"), KNOWN)
    assert "variants" in refused.value.hint
    assert sheet_of("openai", "gpt-5", ProviderSettings(service_tier="flex"), KNOWN)


def test_tiers_of_a_model_that_another_provider_offers_are_not_taken_for_its_own() -> None:
    prices = sheet_of("azure", "gpt-5", SERVER, KNOWN)
    with pytest.raises(Unpriceable):
        prices.cost(Usage(10, context={"service_tier": "priority"}))


def test_variant_that_has_not_begun_is_unknown() -> None:
    before = datetime(2026, 10, 1, tzinfo=UTC)  # the list's price of flex begins on 2026-10-12
    with pytest.raises(Unpriceable):
        sheet_of("openai", "gpt-5", SERVER, KNOWN, before).cost(Usage(10, context={"service_tier": "flex"}))


def test_sheet_that_is_written_down_gives_the_same_bill_under_the_same_version() -> None:
    variants = [{"when": {"region": "eu"}, "input_usd_per_million": "3.3"}]
    tiers = [{"above_input_tokens": 100, "input_usd_per_million": "6"}]
    prices = sheet_of("own", "x", SERVER, model(tiers=tiers, variants=variants, prices_as_of="2026-11-01"))
    again = PriceSheet.from_json(json.loads(json.dumps(prices.to_json())))
    assert (again, again.version) == (prices, prices.version)
    changed = sheet_of("own", "x", SERVER, model(tiers=tiers, variants=variants, prices_as_of="2026-11-02"))
    assert changed.version != prices.version


@pytest.mark.parametrize(
    ("status", "raw", "cost", "flagged"),
    [
        ("ok", {"wire": "openai", "usage": {"prompt_tokens": 1000, "completion_tokens": 100}}, "0.0045", False),
        ("ok", {"wire": "counted", "usage": {"input_tokens": 1000, "output_tokens": 100}}, "0.0045", False),
        ("failed", {}, "0", False),
        ("presumed", {"wire": "counted", "usage": {"input_tokens": 1000, "output_tokens": 100}}, "7", False),
        ("presumed", {}, "7", False),
        ("ok", {"wire": "openai", "usage": {"prompt_tokens": "many"}}, "7", True),
    ],
)
def test_stored_call_is_priced_anew_by_how_it_ended(status: str, raw: Any, cost: str, flagged: bool) -> None:
    bill = recompute(status, raw, sheet_of("own", "x", SERVER, model()), CEILING)
    assert (bill.cost_usd, bool(bill.flags)) == (Decimal(cost), flagged)


def test_prices_over_sixty_days_old_are_stale_and_the_list_knows_its_date() -> None:
    assert date(2026, 1, 1) < list_date() <= datetime.now(UTC).date()
    prices = sheet_of("openai", "gpt-5", SERVER, KNOWN)
    assert prices.as_of == list_date()
    assert not is_stale(prices, list_date() + STALE_AFTER)
    assert is_stale(prices, list_date() + STALE_AFTER + timedelta(days=1))
    assert not is_stale(PriceSheet("settings", {"input": Rate(Decimal(1))}), date(2100, 1, 1))
