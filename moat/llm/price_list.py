"""Where a model's prices come from: the settings, else the list of genai-prices; never from nowhere."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import genai_prices
from genai_prices import data_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, StartDateConstraint, TieredPrices

from moat.errors import UnpricedModel
from moat.llm.prices import PriceSheet, Rate
from moat.provider_settings import ModelSettings, PriceSettings, ProviderSettings, TierSettings

STALE_AFTER = timedelta(days=60)
# The list's names of the units that we bill; what it prices besides keeps its own name, less the unit's size.
_LISTED = {
    "input_mtok": "input",
    "cache_read_mtok": "cached",
    "cache_write_mtok": "cache_write",
    "cache_write_5m_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_tool_mtok": "tool",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "rerank_searches_kcount": "search_units",
    "web_searches_kcount": "web_searches",
}
_SET = {
    "input_usd_per_million": "input",
    "cached_usd_per_million": "cached",
    "cache_write_usd_per_million": "cache_write",
    "cache_write_1h_usd_per_million": "cache_write_1h",
    "output_usd_per_million": "output",
    "reasoning_usd_per_million": "reasoning",
    "usd_per_thousand_searches": "search_units",
}
FREE = PriceSheet("free", {})


def sheet_of(
    provider: str, model: str, server: ProviderSettings, known: ModelSettings, now: datetime | None = None
) -> PriceSheet:
    """Find a model's prices at a time, or raise UnpricedModel: a call that cannot be priced is not made."""
    if server.costs_nothing(provider):
        return FREE
    sheet = _from_settings(known) or _from_list(server.listed_as(provider), model, known, now or datetime.now(UTC))
    if sheet is None and server.unknown_price == "ceiling" and server.ceiling_usd_per_million is not None:
        most = Rate(server.ceiling_usd_per_million)
        units = ("input", "output", "cache_write", "cache_write_1h")
        return PriceSheet("declared ceiling", dict.fromkeys(units, most), flag="priced at a declared ceiling")
    if sheet is None:
        raise UnpricedModel(f"The price of {model!r} from {provider!r} is not known, so it is not called.")
    tier = server.service_tier
    if tier and not any(dict(when) == {"service_tier": tier} for when, _ in sheet.variants):
        raise UnpricedModel(
            f"The price of {model!r} in the tier {tier!r} is not known, so it is not called.",
            f"Give [[models.\"{provider}/{model}\".variants]] with when = {{service_tier = '{tier}'}}, or no tier.",
        )
    return sheet


def is_stale(sheet: PriceSheet, today: date) -> bool:
    """Tell whether a sheet's prices were looked up so long ago that they may have changed."""
    return sheet.as_of is not None and today - sheet.as_of > STALE_AFTER


@cache
def list_date() -> date:
    """Tell how new the installed list is: the last day on which one of its prices began, up to its installation.

    The list carries no date of its own; a release takes up prices as they begin, and a few that are announced.
    """
    installed = datetime.fromtimestamp(Path(genai_prices.__file__).stat().st_mtime, UTC).date()
    begun = sorted(start for provider in _providers() for model in provider.models for start in _starts(model))
    return next((start for start in reversed(begun) if start <= installed), begun[0])


def _from_settings(known: ModelSettings) -> PriceSheet | None:
    needed = {"chat": ("input", "output"), "embedding": ("input",), "rerank": ("search_units",)}[known.kind]
    rates = _set_rates(known, known.tiers)
    if any(unit not in rates for unit in needed):
        return None
    variants = tuple((dict(variant.when), _set_rates(variant)) for variant in known.variants)
    return PriceSheet("settings", rates, known.prices_as_of, variants)


def _set_rates(section: PriceSettings, tiers: Sequence[TierSettings] = ()) -> dict[str, Rate]:
    rates: dict[str, Rate] = {}
    for name, unit in _SET.items():
        base = getattr(section, name)
        if base is not None:
            above = [(tier.above_input_tokens, getattr(tier, name)) for tier in tiers]
            rates[unit] = Rate(base, tuple(sorted((start, price) for start, price in above if price is not None)))
    return rates


def _from_list(provider_id: str, model: str, known: ModelSettings, now: datetime) -> PriceSheet | None:
    if all(listed.id != provider_id for listed in _providers()):  # the list would take a name that merely resembles one
        return None
    try:
        provider, info = data_snapshot.get_snapshot().find_provider_model(model, None, provider_id, None)
    except LookupError:
        return None
    rates = _listed_rates(info.get_prices(now)) | _set_rates(known)
    if "input" not in rates and "search_units" not in rates:
        return None
    # Another provider's model, found through its name: what differs by tier there need not differ here.
    own = any(info is listed for listed in provider.models)
    variants = [
        (dict(variant.when), _listed_rates(variant.prices))
        for variant in (info.price_variants or () if own else ())
        if variant.constraint is None or variant.constraint.active(now)
    ]
    overridden = tuple((dict(variant.when), _set_rates(variant)) for variant in known.variants)
    return PriceSheet(f"genai-prices {genai_prices.__version__}", rates, list_date(), (*overridden, *variants))


def _listed_rates(prices: ModelPrice) -> dict[str, Rate]:
    return {_unit(name): _rate(price) for name, price in prices.__dict__.items() if price is not None}


def _unit(name: str) -> str:
    return _LISTED.get(name) or name.replace("_mtok", "_tokens").replace("_kcount", "")


def _rate(price: Any) -> Rate:
    if isinstance(price, TieredPrices):
        return Rate(price.base, tuple((tier.start, tier.price) for tier in price.tiers))
    return Rate(Decimal(price))


def _providers() -> Sequence[Provider]:
    return data_snapshot.get_snapshot().providers


def _starts(model: ModelInfo) -> Iterator[date]:
    timed: list[Any] = [*(model.prices if isinstance(model.prices, list) else ()), *(model.price_variants or ())]
    for entry in timed:
        if isinstance(entry.constraint, StartDateConstraint):
            yield entry.constraint.start_date
