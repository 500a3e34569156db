"""Every call to a language model goes through here: priced before, retried in time, booked whatever happens."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal

from anyio import CancelScope

from moat.database import Database
from moat.ledger import CallContext
from moat.llm.attempts import Attempts, Work
from moat.llm.circuit import Circuits
from moat.llm.draft import Draft, Planning
from moat.llm.plan import EXTRACTIVE, ModelInfo, Plan, Planner, Quote
from moat.llm.run import Delta, Run
from moat.llm.wires.base import Message, Piece, Scores, Vectors
from moat.records import Reader
from moat.settings import Settings

__all__ = ["EXTRACTIVE", "CallContext", "Delta", "Gateway", "Message", "ModelInfo", "Quote"]

_NOBODY = CallContext(None, Reader(key_id=None, user="", scopes=frozenset({"admin"})))  # on whose behalf none is made
_log = logging.getLogger(__name__)


class Gateway:
    """Calls the configured models and keeps their books."""

    def __init__(self, settings: Settings, database: Database, jitter: Callable[[], float] = random.random) -> None:
        self._settings = settings
        self._planner = Planner(settings, database)
        self._circuits = Circuits()
        self._attempts = Attempts(settings, database, self._planner, self._circuits, jitter)
        self._running: set[asyncio.Task[None]] = set()

    def resolve(self, model: str | None) -> str:
        """Name the model that will answer, the default for None; raises InvalidRequest for an unknown one."""
        return self._planner.resolve(model)

    def warm(self) -> None:
        """Load the client libraries of the models, which takes seconds; what is missing is told when it is asked."""
        self._planner.load_wires()

    def models(self) -> list[ModelInfo]:
        """List the models that may answer, `extractive` first."""
        return self._planner.models()

    def price_words(self, model: str) -> str:
        """Say in words what a model costs; raises UnpricedModel."""
        return self._planner.price_words(model)

    async def stream(
        self, model: str, messages: Sequence[Message], *, purpose: CallContext
    ) -> AsyncGenerator[Delta, None]:
        """Stream one answer; the last delta has its usage.

        Until the first text, and within the deadline, what may be retried is, and then the model's fallbacks are asked.
        Raises InvalidRequest, ModelNotAllowed and UnpricedModel before any call, ProviderError and its kinds after.
        Closing the generator early still books the call.
        """
        prompt = tuple(messages)

        def work(plan: Plan, timeout_s: float) -> AsyncGenerator[Piece, None]:
            return plan.wire.stream(plan.target, plan.messages, timeout_s)

        limit_s = self._settings.answering.first_token_s
        run = self._run(model, lambda name: self._planner.chat(name, prompt, purpose), work, limit_s)
        async with aclosing(run) as deltas:
            async for delta in deltas:
                yield delta

    async def complete(self, model: str, messages: Sequence[Message], *, purpose: CallContext) -> str:
        """Give a whole answer's text; for the rest as `stream`."""
        prompt = tuple(messages)

        async def work(plan: Plan, timeout_s: float) -> AsyncGenerator[Piece, None]:
            yield await plan.wire.complete(plan.target, plan.messages, timeout_s)

        run = self._run(model, lambda name: self._planner.chat(name, prompt, purpose), work)
        async with aclosing(run) as deltas:
            return "".join([delta.text async for delta in deltas])

    async def embed(
        self, model: str, texts: Sequence[str], *, purpose: CallContext, question: bool = False
    ) -> list[list[float]]:
        """Embed texts by a model of [models] whose kind is `embedding`; raises as `stream` does."""
        found: list[Vectors] = []

        async def work(plan: Plan, timeout_s: float) -> AsyncGenerator[Piece, None]:
            found.append(await plan.wire.embed(plan.target, texts, timeout_s, question=question))
            yield _ended(found[-1].said)

        await self._finish(model, lambda name: self._planner.embedding(name, texts, purpose), work)
        return found[-1].vectors

    async def rerank(self, model: str, query: str, documents: Sequence[str], *, purpose: CallContext) -> list[float]:
        """Score documents by a model of [models] whose kind is `rerank`; raises as `stream` does."""
        found: list[Scores] = []

        async def work(plan: Plan, timeout_s: float) -> AsyncGenerator[Piece, None]:
            found.append(await plan.wire.rerank(plan.target, query, documents, timeout_s))
            yield _ended(found[-1].said)

        await self._finish(model, lambda name: self._planner.reranking(name, query, documents, purpose), work)
        return found[-1].scores

    def may(self, model: str, context: CallContext) -> bool:
        """Tell whether such a call of this model may be made."""
        return self._planner.may(model, context)

    def quote(self, model: str, messages: Sequence[Message]) -> Quote:
        """Say what a call would cost; raises InvalidRequest and UnpricedModel as the call would."""
        return self._planner.chat(model, tuple(messages), _NOBODY).quote()

    def reranking_ceiling(self, model: str, query: str, documents: Sequence[str]) -> Decimal:
        """Say the most that a reranking can cost; raises as `quote`."""
        return self._planner.reranking(model, query, documents, _NOBODY).ceiling_usd

    async def close(self) -> None:
        """Wait for the calls under way to be booked."""
        if self._running:
            await asyncio.wait(self._running)

    async def _finish(self, model: str, planned: Planning, work: Work) -> None:
        async with aclosing(self._run(model, planned, work)) as deltas:
            async for _ in deltas:
                pass

    async def _run(
        self, model: str, planned: Planning, work: Work, first_token_s: float | None = None
    ) -> AsyncGenerator[Delta, None]:
        run = Run(asyncio.get_running_loop().time() + self._settings.answering.deadline_s, first_token_s)
        task = asyncio.create_task(self._attempts.follow(Draft(model, planned, self._planner), work, run))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            while (delta := await run.deltas.get()) is not None:
                yield delta
            await task
        finally:
            if not task.done():
                run.leave(self._settings.answering.drain_s)
                with CancelScope(shield=True):
                    await asyncio.wait({task})
            if not task.cancelled() and (error := task.exception()) and run.left.is_set():
                _log.warning("a call ended badly after its reader had left", extra={"error": str(error)})


def _ended(said: Piece) -> Piece:
    """An answer that came whole has its end in it."""
    return replace(said, finish_reason=said.finish_reason or "stop")
