"""A limit in dollars that calls side by side cannot pass together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from threading import Lock
from typing import Any

from moat.errors import InvalidRequest

MILLION = Decimal(1_000_000)
# Tokens are fewer than this share of a text's bytes in every script; in English they are a quarter.
TOKENS_PER_BYTE = Decimal("0.5")
PROMPT_TOKENS = 1_500  # of instructions and fences, at the most


class Spending:
    """Counts what is spent and what calls under way may still cost; None is no limit."""

    def __init__(self, limit_usd: Decimal | None) -> None:
        self.limit_usd = limit_usd
        self.spent_usd = Decimal(0)
        self._reserved_usd = Decimal(0)
        self._lock = Lock()

    def reserve(self, most_usd: Decimal) -> bool:
        """Set aside what a call can cost at most; False, and nothing set aside, where that may pass the limit."""
        with self._lock:
            if self.limit_usd is not None and self.spent_usd + self._reserved_usd + most_usd > self.limit_usd:
                return False
            self._reserved_usd += most_usd
            return True

    def settle(self, most_usd: Decimal, cost_usd: Decimal) -> None:
        """Put what the call did cost in the place of what was set aside for it."""
        with self._lock:
            self._reserved_usd -= most_usd
            self.spent_usd += cost_usd


@dataclass(frozen=True, slots=True)
class Tariff:
    """What a model's tokens cost in dollars a million, and how many it writes at most."""

    input_usd: Decimal
    output_usd: Decimal
    max_output_tokens: int

    def most_usd(self, size: int) -> Decimal:
        """Bound what reading so many bytes and writing as much as the model may can cost."""
        tokens = size * TOKENS_PER_BYTE + PROMPT_TOKENS
        return (tokens * self.input_usd + self.max_output_tokens * self.output_usd) / MILLION


def tariffs(listed: Iterable[Mapping[str, Any]], names: Iterable[str]) -> dict[str, Tariff]:
    """Take the tariffs of the named models from `GET /v1/models`; raises InvalidRequest for one that may not answer."""
    known = {model["id"]: model for model in listed}
    found = {}
    for name in names:
        model = known.get(name)
        if model is None:
            raise InvalidRequest(f"There is no model {name!r}.", f"This server has {', '.join(known)}.")
        prices = model["input_usd_per_million"], model["output_usd_per_million"]
        if None in prices:
            raise InvalidRequest(f"The price of {name} is not known.", "State it in [models] of moat.toml.")
        found[name] = Tariff(Decimal(prices[0]), Decimal(prices[1]), model["max_output_tokens"] or 0)
    return found
