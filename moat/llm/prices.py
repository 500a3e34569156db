"""From usage to dollars, exactly: prices from genai-prices, or from the settings where those say otherwise."""

import math
from dataclasses import dataclass
from decimal import Decimal

import genai_prices

from moat.errors import UnpricedModel
from moat.records import Usage
from moat.settings import ModelSettings, ProviderSettings

MILLION = Decimal(1_000_000)
# Money in the catalog has twelve decimals; a call is rounded up to them, never below what is owed.
PICO = Decimal(1).scaleb(-12)
# Other vendors' tokenizers make up to a third more of a text than the one we count with.
CEILING_FACTOR = Decimal("1.35")


@dataclass(frozen=True, slots=True)
class Price:
    """How one model's calls are billed; `version` names the source of the price."""

    version: str
    provider: str = ""
    model: str = ""
    input_usd: Decimal | None = None  # per million, as the next two; None: ask genai-prices
    cached_usd: Decimal = Decimal(0)
    output_usd: Decimal = Decimal(0)

    def cost(self, usage: Usage) -> Decimal:
        """Bill one call. Cached input is part of the input, reasoning part of the output, as OpenAI counts them."""
        if self.input_usd is None:
            return _rounded(_listed(self.provider, self.model, usage))
        fresh = usage.input_tokens - usage.cached_input_tokens
        owed = (
            fresh * self.input_usd + usage.cached_input_tokens * self.cached_usd + usage.output_tokens * self.output_usd
        )
        return _rounded(owed / MILLION)

    def ceiling(self, prompt_tokens: int, max_output_tokens: int) -> Decimal:
        """Bound what a call can cost, from the prompt as counted here."""
        return self.cost(Usage(math.ceil(prompt_tokens * CEILING_FACTOR), 0, max_output_tokens))

    def per_million(self) -> tuple[Decimal, Decimal]:
        """State the prices of a million input and output tokens, as a short call pays them."""
        if self.input_usd is not None:
            return self.input_usd, self.output_usd
        one = Usage(input_tokens=1000), Usage(output_tokens=1000)
        first, second = (_listed(self.provider, self.model, usage) * 1000 for usage in one)
        return first, second


def price_of(provider: str, model: str, server: ProviderSettings, known: ModelSettings) -> Price:
    """Find a model's price, or raise UnpricedModel: a call that cannot be priced is not made."""
    if server.free:
        return Price("free", input_usd=Decimal(0))
    if known.input_usd_per_million is not None and known.output_usd_per_million is not None:
        cached = known.cached_usd_per_million
        return Price(
            "override",
            input_usd=known.input_usd_per_million,
            cached_usd=known.input_usd_per_million if cached is None else cached,
            output_usd=known.output_usd_per_million,
        )
    listed = Price(f"genai-prices {genai_prices.__version__}", server.priced_as or provider, model)
    listed.cost(Usage(input_tokens=1, output_tokens=1))
    return listed


def _listed(provider: str, model: str, usage: Usage) -> Decimal:
    tokens = genai_prices.Usage(
        input_tokens=usage.input_tokens, cache_read_tokens=usage.cached_input_tokens, output_tokens=usage.output_tokens
    )
    try:
        return genai_prices.calc_price(tokens, model, provider_id=provider).total_price
    except LookupError as error:
        raise UnpricedModel(f"The price of {model!r} from {provider!r} is not known, so it is not called.") from error


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(PICO, rounding="ROUND_CEILING")
