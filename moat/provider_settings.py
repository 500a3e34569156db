"""Settings of the servers that models run on, of the models, what they cost, and which texts may reach them."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator

from moat.api_settings import PositiveSeconds
from moat.section import Section

Kind = Literal["openai", "azure", "anthropic", "google", "cohere", "bedrock", "ollama", "openai_like"]
KINDS: dict[str, Kind] = {
    "openai": "openai",
    "azure": "azure",
    "anthropic": "anthropic",
    "google": "google",
    "gemini": "google",
    "cohere": "cohere",
    "bedrock": "bedrock",
    "aws": "bedrock",
    "ollama": "ollama",
}
# Where a kind's models stand in the price list, when the provider has another name there.
_LISTED_AS = {"bedrock": "aws"}
_FREE_KINDS = frozenset({"ollama"})
LOCAL_ONLY = "local only"

Dollars = Annotated[Decimal | None, Field(ge=0, le=1_000_000)]


class ProviderSettings(Section):
    """A service or server that models run on."""

    kind: Kind | None = Field(
        None, description="What the server speaks; empty: its name says it, else OpenAI's chat protocol."
    )
    base_url: str = Field("", description="Address, if not the provider's own; OpenAI's protocol: up to and with /v1.")
    api_key: SecretStr = Field(SecretStr(""), description="The key the provider wants.")
    region: str = Field("", max_length=60, description="Where the service runs, e.g. eu-central-1 or 'eu'.")
    local: bool = Field(False, description="The server is the deployment's own: text that reaches it has not left.")
    api_version: str = Field("2024-10-21", description="Azure: version of the API.")
    deployments: dict[str, str] = Field({}, description="Azure: the model behind each deployment, by deployment.")
    access_key_id: SecretStr = Field(SecretStr(""), description="Bedrock: key id; empty: as the machine is set up.")
    secret_access_key: SecretStr = Field(SecretStr(""), description="Bedrock: the secret that goes with the key id.")
    service_tier: str = Field(
        "",
        max_length=40,
        description="Tier that calls ask for, e.g. flex; empty: the plain one, where it can be named.",
    )
    priced_as: str = Field("", description="Provider id in the price list; empty means the provider's own name.")
    free: bool | None = Field(None, description="Calls cost nothing; empty: so for an Ollama server of your own.")
    unknown_price: Literal["refuse", "ceiling"] = Field(
        "refuse", description="What an unknown model, tier or unit means: no call, or a declared ceiling and a flag."
    )
    ceiling_usd_per_million: Dollars = Field(None, description="Under `ceiling`: the most that a million tokens cost.")
    max_retries: int = Field(2, ge=0, le=10, description="Attempts after the first at a retryable error.")
    concurrency: int = Field(
        32, ge=1, le=10_000, description="Most calls at once from one process; embedding counts apart."
    )
    breaker_failures: int = Field(5, ge=1, le=1_000, description="Failures in a row that open the circuit.")
    breaker_s: PositiveSeconds = Field(30, description="How long an open circuit refuses calls before one is let try.")

    @model_validator(mode="after")
    def _ceiling_is_declared(self) -> Self:
        if self.unknown_price == "ceiling" and self.ceiling_usd_per_million is None:
            raise ValueError("unknown_price = 'ceiling' wants ceiling_usd_per_million")
        return self

    def speaks(self, name: str) -> Kind:
        """Tell the wire format of the provider of this name."""
        return self.kind or KINDS.get(name, "openai_like")

    def listed_as(self, name: str) -> str:
        """Tell the provider's id in the price list."""
        kind = self.speaks(name)
        return self.priced_as or (name if kind == "openai_like" else _LISTED_AS.get(kind, kind))

    def costs_nothing(self, name: str) -> bool:
        return self.speaks(name) in _FREE_KINDS if self.free is None else self.free


class PriceSettings(Section):
    """Prices that go before the list's."""

    input_usd_per_million: Dollars = Field(None, description="Price override, input.")
    cached_usd_per_million: Dollars = Field(None, description="Price override, cached input.")
    cache_write_usd_per_million: Dollars = Field(None, description="Price override, input kept for 5 minutes.")
    cache_write_1h_usd_per_million: Dollars = Field(None, description="Price override, input kept for an hour.")
    output_usd_per_million: Dollars = Field(None, description="Price override, output.")
    reasoning_usd_per_million: Dollars = Field(None, description="Price override, reasoning; empty: as output.")
    usd_per_thousand_searches: Dollars = Field(None, description="Price override, a reranker's search units.")


class TierSettings(PriceSettings):
    """Prices of a call whose input is over a size; they hold for all of its tokens."""

    above_input_tokens: int = Field(ge=1, description="Input tokens above which this tier holds.")


class VariantSettings(PriceSettings):
    """Prices under a condition that the provider reports, such as its service tier or region."""

    when: dict[str, str] = Field(min_length=1, description="What must be reported, e.g. {service_tier = 'flex'}.")


class ModelSettings(PriceSettings):
    """What is known of one model, named `provider/model`."""

    kind: Literal["chat", "embedding", "rerank"] = Field("chat", description="What the model does.")
    context_window: int = Field(128_000, ge=512, description="Tokens the model can read.")
    max_output_tokens: int = Field(800, ge=16, description="Most tokens of one answer.")
    corpora: tuple[str, ...] = Field((), description="Corpora whose text it may read; empty: all.")
    groups: tuple[str, ...] = Field((), description="Groups that may ask it; empty: everybody.")
    fallback: tuple[str, ...] = Field((), description="Models asked, in this order, when this one fails.")
    dimension: int | None = Field(None, ge=8, le=8192, description="An embedding model's vector length.")
    cache_prompt: bool = Field(
        False, description="Anthropic: have the instructions, which begin every prompt, cached for 5 minutes."
    )
    tiers: tuple[TierSettings, ...] = Field((), description="Price overrides over an input size.")
    variants: tuple[VariantSettings, ...] = Field((), description="Price overrides for tiers, regions and the like.")
    prices_as_of: date | None = Field(None, description="When the overridden prices were looked up.")


def _known_words(reach: tuple[str, ...]) -> tuple[str, ...]:
    if LOCAL_ONLY in reach and len(reach) > 1:
        raise ValueError(f"{LOCAL_ONLY!r} stands alone")
    return reach


Reach = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1, max_length=100)], ...], AfterValidator(_known_words)
]


class DataSettings(Section):
    """Which providers and regions the text of a corpus may reach."""

    reach: Reach | None = Field(
        None, description="Providers, 'provider@region' or '*@region', or 'local only'; empty: all that are configured."
    )
