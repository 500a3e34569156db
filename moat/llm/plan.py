"""What a call will be, before it is made: which model, allowed or not, at which prices, and the most it can cost."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy.orm import Session

from moat.database import Database
from moat.errors import InvalidRequest, ModelNotAllowed, Unavailable, UnpricedModel
from moat.ledger import CallContext
from moat.llm.policy import check_allowed
from moat.llm.price_book import PriceBook
from moat.llm.price_list import sheet_of
from moat.llm.prices import CEILING_FACTOR, PriceSheet
from moat.llm.tokens import count_prompt, count_tokens
from moat.llm.wires import wire_of
from moat.llm.wires.base import Message, Target, Wire
from moat.provider_settings import ModelSettings, ProviderSettings
from moat.records import Usage
from moat.settings import Settings

EXTRACTIVE = "extractive"
# Cohere bills a search for up to a hundred documents of up to 500 tokens, longer ones as several.
DOCUMENTS_PER_SEARCH, TOKENS_PER_DOCUMENT = 100, 500

_SAID = {
    "input": "a million tokens read",
    "output": "a million written",
    "search_units": "a thousand searches",
}


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that may answer; prices in dollars a million tokens, None when they are not known."""

    id: str
    provider: str
    context_window: int | None
    input_usd_per_million: Decimal | None
    output_usd_per_million: Decimal | None
    default: bool
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """What a call would cost that was not made."""

    prompt_tokens: int
    max_output_tokens: int
    ceiling_usd: Decimal
    price_version: str
    prices: PriceSheet

    def least_usd(self) -> Decimal:
        """Price the shortest answer, with fewer tokens in the prompt than counted here, all of them cached."""
        read = int(self.prompt_tokens / CEILING_FACTOR)
        return min(self.prices.bill(Usage(read, read, 1), self.ceiling_usd).cost_usd, self.ceiling_usd)

    def expected_usd(self, output_tokens: int) -> Decimal:
        """Price the prompt as counted here, none of it cached, with so much text."""
        return self.prices.bill(Usage(self.prompt_tokens, 0, output_tokens), self.ceiling_usd).cost_usd


@dataclass(frozen=True, slots=True)
class Plan:
    """A call that can be made."""

    name: str
    target: Target
    wire: Wire
    prices: PriceSheet
    price_version: str
    messages: tuple[Message, ...]
    prompt_tokens: int
    ceiling_usd: Decimal
    context: CallContext

    @property
    def provider(self) -> str:
        return self.target.provider

    @property
    def model(self) -> str:
        return self.target.model

    @property
    def server(self) -> ProviderSettings:
        return self.target.server

    def quote(self) -> Quote:
        """Say what the call would cost."""
        limit = self.target.known.max_output_tokens
        return Quote(self.prompt_tokens, limit, self.ceiling_usd, self.price_version, self.prices)


class Planner:
    """Plans calls of the configured models."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._prices = PriceBook(database)

    def resolve(self, model: str | None) -> str:
        """Name the model that will answer, the default for None; raises InvalidRequest for an unknown one."""
        name = model or self._settings.default_model
        provider = name.partition("/")[0]
        if name == EXTRACTIVE or (name in self._settings.models and provider in self._settings.providers):
            return name
        if name in self._settings.models:
            raise InvalidRequest(
                f"The model {name!r} has no provider {provider!r}.", f"Configure it under [providers.{provider}]."
            )
        allowed = ", ".join(info.id for info in self.models())
        raise InvalidRequest(f"There is no model {name[:100]!r}.", f"Models are {allowed}.")

    def models(self) -> list[ModelInfo]:
        """List the models that may answer, `extractive` first."""
        default = self._settings.default_model
        free = Decimal(0)
        return [ModelInfo(EXTRACTIVE, "moat", None, free, free, default == EXTRACTIVE)] + [
            self._info(name, known, default == name)
            for name, known in self._settings.models.items()
            if known.kind == "chat"
        ]

    def load_wires(self) -> None:
        """Import what the configured models are reached by, as far as it is installed."""
        for name in {name.partition("/")[0] for name in self._settings.models}:
            if server := self._settings.providers.get(name):
                with suppress(Unavailable):
                    wire_of(server.speaks(name))

    def fallbacks(self, name: str) -> tuple[str, ...]:
        known = self._settings.models.get(name)
        return known.fallback if known else ()

    def price_words(self, name: str) -> str:
        """Say in words what a model costs, and how old that is; raises UnpricedModel."""
        provider, _, model = name.partition("/")
        server, known = self._settings.providers[provider], self._settings.models[name]
        prices = sheet_of(provider, server.deployments.get(model, model), server, known)
        if prices.source == "free":
            return "it is free"
        words = [
            f"${rate.base.normalize():f} {said}"
            for unit, said in _SAID.items()
            if (rate := prices.rates.get(unit)) is not None
        ]
        dated = f", as of {prices.as_of}" if prices.as_of else ""
        return f"it costs {' and '.join(words)} by {prices.source}{dated}"

    def server(self, name: str) -> tuple[str, ProviderSettings] | None:
        """Name a configured model's provider and how to reach it, None for any other name."""
        provider = name.partition("/")[0]
        server = self._settings.providers.get(provider)
        return None if server is None or name not in self._settings.models else (provider, server)

    def check(self, plan: Plan) -> None:
        """Raise ModelNotAllowed unless the call may be made."""
        with self._database.reading() as session:
            self.check_in(session, plan)

    def may(self, name: str, context: CallContext) -> bool:
        """Tell whether a call would pass `check`."""
        with self._database.reading() as session:
            try:
                check_allowed(session, self._settings, name, context)
            except ModelNotAllowed:
                return False
        return True

    def check_in(self, session: Session, plan: Plan) -> None:
        """As `check`, in a transaction under way."""
        check_allowed(session, self._settings, plan.name, plan.context)

    def chat(self, name: str, messages: tuple[Message, ...], context: CallContext) -> Plan:
        """Plan an answer; raises InvalidRequest and UnpricedModel."""
        target, wire = self._target(name, "chat")
        known = target.known
        prompt_tokens = count_prompt(messages)
        if prompt_tokens + known.max_output_tokens > known.context_window:
            raise InvalidRequest(
                f"The prompt of {prompt_tokens} tokens does not fit the {known.context_window} tokens of {name}.",
                "Ask a shorter question, or lower answering.context_tokens.",
            )
        return self._plan(name, target, wire, context, messages, prompt_tokens, known.max_output_tokens)

    def embedding(self, name: str, texts: Sequence[str], context: CallContext) -> Plan:
        """Plan an embedding of texts."""
        target, wire = self._target(name, "embedding")
        return self._plan(name, target, wire, context, (), sum(map(count_tokens, texts)))

    def reranking(self, name: str, query: str, documents: Sequence[str], context: CallContext) -> Plan:
        """Plan a reranking; its search units are bounded by the documents' number and length."""
        target, wire = self._target(name, "rerank")
        counts = [count_tokens(text) for text in (query, *documents)]
        parts = sum(-(-(counts[0] + count) * 2 // TOKENS_PER_DOCUMENT) or 1 for count in counts[1:])
        units = max(1, -(-parts // DOCUMENTS_PER_SEARCH))
        return self._plan(name, target, wire, context, (), sum(counts) + counts[0] * len(documents), units=units)

    def _target(self, name: str, kind: str) -> tuple[Target, Wire]:
        provider, _, model = self.resolve(name).partition("/")
        known = self._settings.models.get(name)
        if known is None or known.kind != kind:
            raise InvalidRequest(f"{name!r} is no {kind} model.", "Name one of [models] in moat.toml.")
        server = self._settings.providers[provider]
        wire = wire_of(server.speaks(provider))
        if (kind == "embedding" and not wire.embeds) or (kind == "rerank" and not wire.reranks):
            raise InvalidRequest(f"{provider} has no {kind} models.", "Name a model of a provider that has them.")
        return Target(provider, model, server, known), wire

    def _plan(
        self,
        name: str,
        target: Target,
        wire: Wire,
        context: CallContext,
        messages: tuple[Message, ...],
        prompt_tokens: int,
        output_tokens: int = 0,
        units: int = 0,
    ) -> Plan:
        prices = sheet_of(target.provider, target.priced_model, target.server, target.known)
        billed = units if "search_units" in prices.rates else 0
        ceiling = prices.ceiling(prompt_tokens, output_tokens, billed, target.server.service_tier)
        version = self._prices.keep(prices)
        return Plan(name, target, wire, prices, version, messages, prompt_tokens, ceiling, context)

    def _info(self, name: str, known: ModelSettings, default: bool) -> ModelInfo:
        provider, _, model = name.partition("/")
        try:
            server = self._settings.providers.get(provider, ProviderSettings())
            priced = server.deployments.get(model, model)
            prices: tuple[Decimal | None, Decimal | None] = sheet_of(provider, priced, server, known).per_million()
        except UnpricedModel:
            prices = None, None
        return ModelInfo(name, provider, known.context_window, *prices, default, known.max_output_tokens)
