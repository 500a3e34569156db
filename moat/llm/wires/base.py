"""What every adapter takes and gives, whatever its provider speaks."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from moat.provider_settings import ModelSettings, ProviderSettings
from moat.records import Usage


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Target:
    """The model that is called, and what is known of its server."""

    provider: str
    model: str
    server: ProviderSettings
    known: ModelSettings

    @property
    def key(self) -> str:
        return self.server.api_key.get_secret_value()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not come back in an error's text."""
        held = (self.server.api_key, self.server.access_key_id, self.server.secret_access_key)
        return tuple(secret for each in held if (secret := each.get_secret_value()))

    @property
    def priced_model(self) -> str:
        """The model in the price list: Azure's calls name a deployment of it."""
        return self.server.deployments.get(self.model, self.model)


@dataclass(frozen=True, slots=True)
class Piece:
    """What one event of a stream says, or a whole answer; a finish reason comes with the stream's own end alone."""

    text: str = ""
    finish_reason: str = ""
    usage: Usage | None = None
    model_returned: str = ""
    request_id: str = ""
    tool_call: bool = False  # the model asked for a tool; it was offered none, and none is ever run


@dataclass(frozen=True, slots=True)
class Vectors:
    """Embeddings in the order of their texts."""

    vectors: list[list[float]]
    said: Piece = field(default_factory=Piece)


@dataclass(frozen=True, slots=True)
class Scores:
    """A reranker's score of each document, in the documents' order."""

    scores: list[float]
    said: Piece = field(default_factory=Piece)


class Wire(Protocol):
    """An adapter: each call is one attempt, without retries of its own, and raises AttemptFailed."""

    embeds: bool
    reranks: bool

    def load(self) -> None:
        """Import the client libraries; ImportError when they are not installed."""

    def stream(self, target: Target, messages: Sequence[Message], timeout_s: float) -> AsyncGenerator[Piece, None]:
        """Give an answer as it comes; closing the generator closes the connection, so that the provider stops."""

    async def complete(self, target: Target, messages: Sequence[Message], timeout_s: float) -> Piece:
        """Give a whole answer."""

    async def embed(self, target: Target, texts: Sequence[str], timeout_s: float, *, question: bool) -> Vectors:
        """Embed texts, as documents or as questions where the model tells them apart."""

    async def rerank(self, target: Target, query: str, documents: Sequence[str], timeout_s: float) -> Scores:
        """Score documents by how well they answer the query."""
