"""What it would cost to embed so many tokens: nothing on this machine, else what the provider's price list says."""

from dataclasses import dataclass
from decimal import Decimal

from moat.llm.price_list import sheet_of
from moat.llm.prices import CEILING_FACTOR
from moat.records import Usage
from moat.settings import Settings

LOCAL = "The embedder runs on this machine: there is nothing to pay."


@dataclass(frozen=True, slots=True)
class EmbeddingPrice:
    """Dollars by the tokens as counted here, and the most that the provider may count; `why` says what they are of."""

    expected_usd: Decimal
    ceiling_usd: Decimal
    why: str


def embedding_price(embedder: str, tokens: int, settings: Settings) -> EmbeddingPrice:
    """Price the embedding of new text; raises UnpricedModel for a provider's model without a price."""
    known = settings.models.get(embedder)
    provider, _, model = embedder.partition("/")
    server = settings.providers.get(provider)
    if known is None or server is None or known.kind != "embedding":
        return EmbeddingPrice(Decimal(0), Decimal(0), LOCAL)
    sheet = sheet_of(provider, server.deployments.get(model, model), server, known)
    expected = sheet.cost(Usage(input_tokens=tokens))
    why = f"By the prices of {embedder} ({sheet.version}), before what is embedded already is taken off."
    return EmbeddingPrice(expected, max(expected, sheet.cost(Usage(input_tokens=_most(tokens)))), why)


def _most(tokens: int) -> int:
    return int((tokens * CEILING_FACTOR).to_integral_value(rounding="ROUND_CEILING"))
