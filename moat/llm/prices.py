"""From usage to dollars, exactly: a sheet of unit prices, and what a call costs by it."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from moat.llm.usage import UnreadableUsage, read_usage
from moat.records import Usage

MILLION, THOUSAND = Decimal(1_000_000), Decimal(1_000)
# Money in the catalog has twelve decimals; a call is rounded up to them, never below what is owed.
PICO = Decimal(1).scaleb(-12)
# Other vendors' tokenizers make up to a third more of a text than the one we count with.
CEILING_FACTOR = Decimal("1.35")
# Units that are billed by the thousand, and those that other prices stand in for: what is dearer never stands for less.
_PER = {"search_units": THOUSAND, "web_searches": THOUSAND}
_STANDS_IN = {"cached": "input", "tool": "input", "reasoning": "output", "cache_write_1h": None, "cache_write": None}

When = Mapping[str, str]


class Unpriceable(Exception):
    """Nobody knows what this costs; the text says what is unknown."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Dollars for a million (or thousand) of a unit; over a tier's input tokens its price holds for all of them."""

    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()

    def at(self, input_tokens: int) -> Decimal:
        """Give the price in a call with so much input."""
        passed = [price for above, price in self.tiers if input_tokens > above]
        return passed[-1] if passed else self.base


@dataclass(frozen=True, slots=True)
class Bill:
    """What a call cost; `flags` say what was unknown, and then it is the call's ceiling."""

    cost_usd: Decimal
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PriceSheet:
    """All prices of one model at one time, by unit, and what differs under a condition the provider reports."""

    source: str  # "genai-prices 0.2.3", "settings", "free", "declared ceiling", "as reported"
    rates: Mapping[str, Rate]
    as_of: date | None = None
    variants: tuple[tuple[When, Mapping[str, Rate]], ...] = ()
    flag: str = field(default="")  # set where the prices are only an upper bound

    @property
    def version(self) -> str:
        """Name the sheet by its source and content: two sheets of one version are equal."""
        digest = hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()
        return f"{self.source} {digest[:12]}"

    def bill(self, usage: Usage, ceiling_usd: Decimal) -> Bill:
        """Price one call; what cannot be priced costs the ceiling that was reserved for it, and is flagged."""
        try:
            cost_usd = self.cost(usage)
        except Unpriceable as unknown:
            return Bill(ceiling_usd, (f"at its ceiling: {unknown}",))
        return Bill(cost_usd, (self.flag,) if self.flag else ())

    def cost(self, usage: Usage) -> Decimal:
        """Price one call exactly; raises Unpriceable for a unit or a condition that has no price."""
        if self.source == "free":
            return Decimal(0)
        if usage.reported_usd is not None:
            return _rounded(usage.reported_usd)
        rates = self.rates_in(usage.context)
        owed = Decimal(0)
        for unit, count in _counts(usage).items():
            owed += count * _rate(rates, unit).at(usage.input_tokens) / _PER.get(unit, MILLION) if count else 0
        return _rounded(owed)

    def rates_in(self, context: When) -> Mapping[str, Rate]:
        """Give the prices under these conditions; only a variant that names all of them, and no other, will do."""
        if not context:
            return self.rates
        found = [rates for when, rates in self.variants if dict(when) == dict(context)]
        if not found:
            raise Unpriceable(f"no price for {', '.join(f'{k} {v!r}' for k, v in sorted(context.items()))}")
        merged = dict(self.rates)
        for rates in reversed(found):  # the first that has a price for a unit decides
            merged |= rates
        return merged

    def ceiling(self, prompt_tokens: int, max_output_tokens: int, search_units: int = 0, tier: str = "") -> Decimal:
        """Bound what a call can cost, from the prompt as counted here; a named tier may be served as the plain one."""
        most = math.ceil(prompt_tokens * CEILING_FACTOR)
        contexts: list[When] = [{}, {"service_tier": tier}] if tier else [{}]
        return max(self._at_most(self.rates_in(context), most, max_output_tokens, search_units) for context in contexts)

    def per_million(self) -> tuple[Decimal, Decimal]:
        """State the prices of a million input and output tokens, as a short call pays them."""
        zero = Rate(Decimal(0))
        return self.rates.get("input", zero).base, self.rates.get("output", zero).base

    def to_json(self) -> dict[str, Any]:
        """Write the sheet down so that `from_json` gives an equal one; dollars as decimal strings."""
        return {
            "source": self.source,
            "as_of": self.as_of.isoformat() if self.as_of else None,
            "rates": _written(self.rates),
            "variants": [{"when": dict(when), "rates": _written(rates)} for when, rates in self.variants],
            "flag": self.flag,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "PriceSheet":
        return cls(
            source=body["source"],
            as_of=date.fromisoformat(body["as_of"]) if body["as_of"] else None,
            rates=_read(body["rates"]),
            variants=tuple((dict(v["when"]), _read(v["rates"])) for v in body["variants"]),
            flag=body["flag"],
        )

    def _at_most(self, rates: Mapping[str, Rate], input_tokens: int, output_tokens: int, searches: int) -> Decimal:
        if self.source == "free":
            return Decimal(0)
        dearest = max(
            (max(rate.base, rate.at(input_tokens)) for unit in ("input", "cache_write") if (rate := rates.get(unit))),
            default=Decimal(0),
        )
        written = max(
            (max(rate.base, rate.at(input_tokens)) for unit in ("output", "reasoning") if (rate := rates.get(unit))),
            default=Decimal(0),
        )
        owed = (input_tokens * dearest + output_tokens * written) / MILLION
        if searches:
            owed += searches * _rate(rates, "search_units").at(0) / THOUSAND
        return _rounded(owed)


def recompute(status: str, raw_usage: Mapping[str, Any], sheet: PriceSheet, ceiling_usd: Decimal) -> Bill:
    """Price a stored call anew from what its provider reported: by its own sheet the very same bill comes out."""
    if status in ("open", "presumed"):
        return Bill(ceiling_usd)
    if not raw_usage:  # refused or never sent: there was nothing to bill
        return Bill(Decimal(0))
    try:
        usage = read_usage(raw_usage)
    except UnreadableUsage as unreadable:
        return Bill(ceiling_usd, (f"at its ceiling: {unreadable}",))
    return sheet.bill(usage, ceiling_usd)


def _counts(usage: Usage) -> dict[str, int]:
    """Split a usage into units that are billed once each."""
    apart = usage.cached_input_tokens + usage.cache_write_tokens + usage.cache_write_1h_tokens + usage.tool_tokens
    heard = sum(count for unit, count in usage.other.items() if unit.startswith("input_"))  # sound, pictures
    spoken = sum(count for unit, count in usage.other.items() if unit.startswith("output_"))
    counts = {
        "input": usage.input_tokens - apart - heard,
        "cached": usage.cached_input_tokens,
        "cache_write": usage.cache_write_tokens,
        "cache_write_1h": usage.cache_write_1h_tokens,
        "tool": usage.tool_tokens,
        "output": usage.output_tokens - usage.reasoning_tokens - spoken,
        "reasoning": usage.reasoning_tokens,
        "search_units": usage.search_units,
        **usage.other,
    }
    wrong = [unit for unit, count in counts.items() if count < 0]
    if wrong:
        raise Unpriceable(f"the parts of the usage are more than its {wrong[0]} tokens")
    return counts


def _rate(rates: Mapping[str, Rate], unit: str) -> Rate:
    rate = rates.get(unit) or rates.get(_STANDS_IN.get(unit) or "")
    if rate is None:
        raise Unpriceable(f"no price for {unit}")
    return rate


def _written(rates: Mapping[str, Rate]) -> dict[str, list[Any]]:
    return {
        unit: [str(rate.base), *([above, str(price)] for above, price in rate.tiers)]
        for unit, rate in sorted(rates.items())
    }


def _read(rates: Mapping[str, Any]) -> dict[str, Rate]:
    return {
        unit: Rate(Decimal(base), tuple((above, Decimal(price)) for above, price in tiers))
        for unit, (base, *tiers) in rates.items()
    }


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(PICO, rounding="ROUND_CEILING")
