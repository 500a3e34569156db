"""The gateway for threads that wait for their answer: ingestion, retrieval and reranking are no coroutines."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from moat.database import Database
from moat.ledger import CallContext
from moat.settings import Settings

if TYPE_CHECKING:
    from moat.llm.gateway import Gateway, Message

T = TypeVar("T")


class BlockingGateway:
    """Makes calls on an event loop of its own, in a thread that begins with the first of them.

    Its calls are under way apart from those of a process's other gateway: each keeps to a provider's limit by itself.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._gateway: Gateway | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting = threading.Lock()

    def embed(
        self, model: str, texts: Sequence[str], *, purpose: CallContext, question: bool = False
    ) -> list[list[float]]:
        """Embed texts; as `Gateway.embed`."""
        calls = self._ready()
        return self._begin(calls.embed(model, texts, purpose=purpose, question=question)).result()

    def rerank(
        self, model: str, query: str, documents: Sequence[str], *, purpose: CallContext, timeout_s: float
    ) -> list[float]:
        """Score documents, or raise TimeoutError; a call that is late is still booked. For the rest as
        `Gateway.rerank`."""
        return self._within(timeout_s, self._ready().rerank(model, query, documents, purpose=purpose))

    def complete(self, model: str, messages: "Sequence[Message]", *, purpose: CallContext, timeout_s: float) -> str:
        """Give a whole answer's text; late as `rerank`, for the rest as `Gateway.complete`."""
        return self._within(timeout_s, self._ready().complete(model, messages, purpose=purpose))

    def _within(self, timeout_s: float, begun: Coroutine[Any, Any, T]) -> T:
        call = self._begin(begun)
        try:
            return call.result(timeout_s)
        except TimeoutError:
            call.cancel()
            raise

    def _ready(self) -> "Gateway":
        # The price list takes half a second to import: whoever embeds on this machine does without.
        from moat.llm.gateway import Gateway

        with self._starting:
            self._gateway = self._gateway or Gateway(self._settings, self._database)
            return self._gateway

    def _begin(self, call: Coroutine[Any, Any, T]) -> "Future[T]":
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # A process that ends does not wait for a call: what it leaves open is closed by the sweeper.
                threading.Thread(target=self._loop.run_forever, name="paid-calls", daemon=True).start()
        return asyncio.run_coroutine_threadsafe(call, self._loop)
