"""Prices against numbers worked by hand."""

from decimal import Decimal

import pytest

from moat.errors import UnpricedModel
from moat.llm.prices import price_of
from moat.records import Usage
from moat.settings import ModelSettings, ProviderSettings

SERVER, KNOWN = ProviderSettings(), ModelSettings()


def test_listed_price_bills_cached_input_once_at_its_own_rate() -> None:
    price = price_of("openai", "gpt-4o-mini", SERVER, KNOWN)
    # 600 × 0.15 + 400 × 0.075 + 100 × 0.60 dollars a million; the 25 reasoning tokens are among the 100.
    assert price.cost(Usage(1000, 400, 100, 25)) == Decimal("0.00018")
    assert price.version.startswith("genai-prices ")


def test_override_wins_over_the_list_and_cached_input_falls_back_to_the_input_price() -> None:
    known = ModelSettings(input_usd_per_million=Decimal(3), output_usd_per_million=Decimal(15))
    price = price_of("openai", "gpt-4o-mini", SERVER, known)
    assert price.cost(Usage(1000, 400, 100)) == Decimal("0.0045")
    assert price.version == "override"


def test_provider_can_be_priced_under_another_name() -> None:
    aliased = price_of("work", "gpt-4o-mini", ProviderSettings(priced_as="openai"), KNOWN)
    assert aliased.cost(Usage(1_000_000)) == Decimal("0.15")


def test_own_server_is_free() -> None:
    price = price_of("own", "anything", ProviderSettings(free=True), KNOWN)
    assert (price.cost(Usage(10**9, 0, 10**9)), price.version) == (0, "free")


@pytest.mark.parametrize(("provider", "model"), [("openai", "no-such-model"), ("no-such-provider", "gpt-4o-mini")])
def test_unknown_price_is_refused_with_what_to_set(provider: str, model: str) -> None:
    with pytest.raises(UnpricedModel) as refused:
        price_of(provider, model, SERVER, KNOWN)
    assert "input_usd_per_million" in refused.value.hint


def test_half_an_override_is_no_price() -> None:
    with pytest.raises(UnpricedModel):
        price_of("openai", "no-such-model", SERVER, ModelSettings(input_usd_per_million=Decimal(1)))


def test_fractions_of_a_pico_dollar_are_rounded_up() -> None:
    known = ModelSettings(input_usd_per_million=Decimal("0.0000001"), output_usd_per_million=Decimal(0))
    assert price_of("own", "x", SERVER, known).cost(Usage(1)) == Decimal("0.000000000001")


def test_ceiling_is_never_below_the_cost() -> None:
    price = price_of("openai", "gpt-4o-mini", SERVER, KNOWN)
    assert price.ceiling(1000, 100) >= price.cost(Usage(1300, 0, 100))
