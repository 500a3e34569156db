"""Providers' embedders beside those of this machine: each call is priced, reserved and charged to somebody."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from moat.embedder import DEFAULT_MODEL, Embedder, check_name
from moat.errors import InvalidRequest, ProviderBroken
from moat.ledger import CallContext
from moat.llm.blocking import BlockingGateway
from moat.provider_settings import ModelSettings
from moat.records import Vector
from moat.settings import Settings

KIND = "embedding"
# On whose behalf; asked when a call is about to be made, since most questions need none.
Purpose = Callable[[], CallContext]


class EmbedderSource(Protocol):
    """Gives an embedder by name."""

    def get(self, name: str) -> Embedder: ...


class Embedders:
    """Gives embedders of this machine and of providers; the latter only say what they are until they are charged."""

    def __init__(self, settings: Settings, local: EmbedderSource, calls: BlockingGateway) -> None:
        self._settings = settings
        self._local = local
        self._calls = calls

    def get(self, name: str) -> Embedder:
        """Give the embedder of that name; raises InvalidRequest when there is none."""
        return self._paid(name, None) if is_paid(name, self._settings) else self._local.get(name)

    def charged(self, purpose: Purpose) -> "ChargedEmbedders":
        """Give the same embedders, with their calls charged."""
        return ChargedEmbedders(self._settings, self._local, self._calls, purpose)

    def _paid(self, name: str, purpose: Purpose | None) -> Embedder:
        check_embedder(name, self._settings)
        return PaidEmbedder(name, self._settings.models[name], self._calls, purpose)


class ChargedEmbedders(Embedders):
    """Embedders whose calls are charged to one purpose."""

    def __init__(self, settings: Settings, local: EmbedderSource, calls: BlockingGateway, purpose: Purpose) -> None:
        super().__init__(settings, local, calls)
        self._purpose = purpose

    def get(self, name: str) -> Embedder:
        return self._paid(name, self._purpose) if is_paid(name, self._settings) else self._local.get(name)


class PaidEmbedder:
    """A provider's model as an embedder; raises what the gateway raises, BudgetExceeded among it."""

    gives_tokens = False
    words_stand_alone = False  # a blank belongs to the token behind it

    def __init__(self, name: str, known: ModelSettings, calls: BlockingGateway, purpose: Purpose | None) -> None:
        self.name = name
        self.dimension = known.dimension or 0
        self.max_tokens = known.context_window
        self._calls = calls
        self._purpose = purpose

    def embed_texts(self, texts: Sequence[str]) -> Vector:
        return self._made(texts) if texts else np.zeros((0, self.dimension), np.float32)

    def embed_question(self, question: str) -> Vector:
        vector: Vector = self._made([question], question=True)[0]
        return vector

    def embed_texts_and_tokens(self, texts: Sequence[str]) -> tuple[Vector, list[Vector]]:
        raise InvalidRequest(f"{self.name} gives no vectors of words.")

    def embed_question_and_tokens(self, question: str) -> tuple[Vector, Vector]:
        raise InvalidRequest(f"{self.name} gives no vectors of words.")

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Count as OpenAI's newer models do; other vendors' counts differ by up to a third."""
        from moat.llm.tokens import token_spans

        return token_spans(text)

    def _made(self, texts: Sequence[str], *, question: bool = False) -> Vector:
        if self._purpose is None:
            raise InvalidRequest(f"Nobody is charged for a call of {self.name} here, so none is made.")
        purpose = replace(self._purpose(), kind=KIND)
        vectors = self._calls.embed(self.name, texts, purpose=purpose, question=question)
        found = {len(vector) for vector in vectors}
        if len(vectors) != len(texts) or found != {self.dimension}:
            raise ProviderBroken(
                f"{self.name} gave {len(vectors)} vectors of {sorted(found)} numbers for {len(texts)} texts; they were "
                f"to have {self.dimension}.",
                f"Set models.{self.name}.dimension to what the model gives.",
            )
        made = np.asarray(vectors, np.float32)
        unit: Vector = made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), np.float32(1e-12))
        return unit


def is_paid(name: str, settings: Settings) -> bool:
    """Tell whether an embedder is a provider's model."""
    return name in settings.models


def charged(embedders: EmbedderSource, purpose: Purpose) -> EmbedderSource:
    """Charge what a provider's embedders take, where there are any."""
    return embedders.charged(purpose) if isinstance(embedders, Embedders) else embedders


def check_embedder(name: str, settings: Settings) -> None:
    """Refuse an embedder that is not there, without loading anything; raises UnpricedModel for one without a price."""
    known = settings.models.get(name)
    if known is None:
        check_name(name)
        return
    from moat.llm.price_list import sheet_of  # half a second to import

    provider, _, model = name.partition("/")
    server = settings.providers.get(provider)
    if known.kind != KIND or server is None:
        raise InvalidRequest(
            f"{name!r} is no embedding model.", f"Give it kind = 'embedding', and its provider [providers.{provider}]."
        )
    if known.dimension is None:
        raise InvalidRequest(
            f"How long the vectors of {name!r} are is not known.", f"Set dimension under [models.'{name}']."
        )
    sheet_of(provider, server.deployments.get(model, model), server, known)


def for_sentences(name: str, settings: Settings) -> str:
    """Name the embedder that weighs an answer's sentences: asking a provider about each would cost time and money."""
    if not is_paid(name, settings):
        return name
    default = settings.embedder.default
    return DEFAULT_MODEL if is_paid(default, settings) else default
