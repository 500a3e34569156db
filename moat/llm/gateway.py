"""Every call to a language model goes through here: priced before, retried in time, booked whatever happens."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from functools import partial

from anyio import CancelScope

from moat.database import Database
from moat.desk import Desk
from moat.errors import (
    BudgetExceeded,
    CallTooDear,
    MoatError,
    ModelNotAllowed,
    ProviderBroken,
    ProviderError,
    ProviderTimeout,
)
from moat.ledger import CallContext
from moat.llm.books import close_row
from moat.llm.circuit import Circuits
from moat.llm.draft import Draft
from moat.llm.plan import EXTRACTIVE, ModelInfo, Plan, Planner, Quote
from moat.llm.run import Delta, Run
from moat.llm.wires.base import Message, Piece, Scores, Vectors
from moat.llm.wires.failures import AttemptFailed
from moat.provider_settings import ProviderSettings
from moat.records import Reader
from moat.settings import Settings
from moat.waiting import Line

__all__ = ["EXTRACTIVE", "CallContext", "Delta", "Gateway", "Message", "ModelInfo", "Quote"]

RETRY_BASE_S = 0.5
_NOBODY = CallContext(None, Reader(key_id=None, user="", scopes=frozenset({"admin"})))  # on whose behalf none is made
_log = logging.getLogger(__name__)

# One attempt of a plan within so many seconds; what it gives besides pieces, it keeps.
Work = Callable[[Plan, float], AsyncGenerator[Piece, None]]
Planning = Callable[[str], Plan]


class Gateway:
    """Calls the configured models and keeps their books."""

    def __init__(self, settings: Settings, database: Database, jitter: Callable[[], float] = random.random) -> None:
        self._settings = settings
        self._database = database
        self._planner = Planner(settings, database)
        self._desk = Desk()
        self._line = Line(database, settings.budgets.wait_s, self._desk)
        self._circuits = Circuits()
        self._jitter = jitter
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
        task = asyncio.create_task(self._chain(Draft(model, planned, self._planner), work, run))
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

    async def _chain(self, first: Draft, work: Work, run: Run) -> None:
        """Ask a model, and its fallbacks while there is time; the error is that of the model that was asked for."""
        try:
            draft: Draft | None = first
            names = iter(self._planner.fallbacks(first.name))
            failure: ProviderError | None = None
            while draft is not None:
                try:
                    await self._attempts(draft, work, run)
                    return
                except ProviderError as error:
                    failure = failure or error
                    if run.text or run.left.is_set() or asyncio.get_running_loop().time() >= run.deadline:
                        break
                except (CallTooDear, ModelNotAllowed):
                    if failure is None:
                        raise
                draft = await self._next(names, first)
            if failure is not None:
                raise failure
        finally:
            run.deltas.put_nowait(None)

    async def _next(self, names: Iterator[str], first: Draft) -> Draft | None:
        """Plan the next fallback that may be asked; one that may not, has no price or no room is passed over."""
        for name in names:
            try:
                return await self._desk.do(replace(first, name=name, made=None).ahead)
            except MoatError as error:
                _log.warning("a fallback cannot be asked", extra={"model": name, "error": error.detail})
        return None

    async def _attempts(self, draft: Draft, work: Work, run: Run) -> None:
        attempt = 1
        failure: AttemptFailed | None = None
        while True:
            provider, server = await self._at(draft)
            try:
                async with self._circuits.place(provider, server, run.deadline):
                    await self._attempt(draft, work, run)
                self._circuits.succeeded(provider)
                return
            except BudgetExceeded as refused:
                draft = await self._cheaper(draft, refused)
            except CallTooDear:  # what failed before may be billed
                if failure is None:
                    raise
                raise failure.error from failure
            except AttemptFailed as failed:
                failure = failed
                if failed.retryable:
                    self._circuits.failed(provider, server)
                else:  # it answered: what it refuses is no sign that it is down
                    self._circuits.succeeded(provider)
                last = attempt > server.max_retries
                if last or run.text or not failed.retryable or not await self._wait(run, attempt, failed):
                    raise failed.error from failed
                attempt += 1

    async def _at(self, draft: Draft) -> tuple[str, ProviderSettings]:
        """Say whom to ask; what may not be asked is refused before what does not answer, and before its row is opened
        where there is none to ask."""
        found = self._planner.server(draft.name)
        if found is None or not self._circuits.is_closed(found[0]):
            plan = (await self._desk.do(draft.ahead)).plan()
            return plan.provider, plan.server
        return found

    async def _cheaper(self, draft: Draft, refused: BudgetExceeded) -> Draft:
        """Plan the call with the cheaper model that a budget without room names, or raise its refusal."""
        if refused.cheaper_model in (None, EXTRACTIVE):  # quoting is no call: the answer is made elsewhere
            raise refused
        cheaper = await self._desk.do(replace(draft, name=refused.cheaper_model, made=None).ahead)
        if cheaper.plan().ceiling_usd >= draft.plan().ceiling_usd:
            raise refused
        return cheaper

    async def _wait(self, run: Run, attempt: int, failed: AttemptFailed) -> bool:
        """Wait before the next attempt; False when the time is over or the reader has left."""
        wait_s = RETRY_BASE_S * 2 ** (attempt - 1) * (0.5 + self._jitter())
        if failed.retry_after_s is not None:
            wait_s = failed.retry_after_s * (1 + 0.1 * max(0.0, self._jitter()))  # not all who wait come back at once
        if asyncio.get_running_loop().time() + wait_s >= run.deadline:
            return False
        try:
            async with asyncio.timeout(wait_s):
                await run.left.wait()
        except TimeoutError:
            return True
        return False

    async def _attempt(self, draft: Draft, work: Work, run: Run) -> None:
        """Make one attempt between opening and settling its row."""
        limits = self._settings.answering
        described = partial(draft.opening, run.attempts + 1, limits.deadline_s + limits.drain_s)
        call_id = await self._line.open_call(described, until=run.deadline, unless=run.left)
        run.attempts += 1
        plan = draft.plan()
        close = partial(close_row, self._desk, self._database, plan, call_id, run.text)
        last = Piece()
        now = asyncio.get_running_loop().time()
        begins_by = run.deadline if run.first_token_s is None else min(run.deadline, now + run.first_token_s)
        try:
            async with asyncio.timeout_at(begins_by) as timing:
                with run.timed_by(timing):
                    async with aclosing(work(plan, max(1.0, run.deadline - now))) as pieces:
                        async for piece in pieces:
                            last = _joined(last, piece)
                            if piece.text:
                                if not run.text:
                                    run.reschedule()
                                run.text.append(piece.text)
                                run.deltas.put_nowait(Delta(piece.text, model=plan.name))
        except TimeoutError as error:
            await close(last, "cancelled", billed=True)
            over = asyncio.get_running_loop().time() >= run.deadline
            said = f"finish within {limits.deadline_s:g}" if over else f"begin within {limits.first_token_s:g}"
            timeout = ProviderTimeout(f"{plan.provider} did not {said} seconds.")
            raise AttemptFailed(timeout, retryable=not over, billed=True) from error
        except AttemptFailed as failed:
            await close(last, "failed", billed=failed.billed)
            raise
        except MoatError:  # nothing was sent: the settings do not allow it
            await close(last, "failed", billed=False)
            raise
        if not last.finish_reason:
            await close(last, "failed", billed=True)
            cut = ProviderBroken(f"{plan.provider} broke off its answer before the end.")
            raise AttemptFailed(cut, retryable=True, billed=True)
        usage = await close(last, "ok", billed=True)
        run.deltas.put_nowait(Delta("", last.finish_reason, usage, last.tool_call, plan.name))


def _ended(said: Piece) -> Piece:
    """An answer that came whole has its end in it."""
    return replace(said, finish_reason=said.finish_reason or "stop")


def _joined(last: Piece, piece: Piece) -> Piece:
    """Keep what a stream has said so far besides its text."""
    return Piece(
        finish_reason=piece.finish_reason or last.finish_reason,
        usage=piece.usage or last.usage,
        model_returned=piece.model_returned or last.model_returned,
        request_id=piece.request_id or last.request_id,
        tool_call=piece.tool_call or last.tool_call,
    )
