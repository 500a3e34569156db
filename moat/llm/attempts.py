"""The attempts of a call, each with its row: tried again in time, passed on to fallbacks and cheaper models."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from functools import partial

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
from moat.llm.books import close_row
from moat.llm.circuit import Circuits
from moat.llm.draft import Draft
from moat.llm.plan import EXTRACTIVE, Plan, Planner
from moat.llm.run import Delta, Run
from moat.llm.wires.base import Piece
from moat.llm.wires.failures import AttemptFailed
from moat.provider_settings import ProviderSettings
from moat.settings import Settings
from moat.waiting import Line

RETRY_BASE_S = 0.5
_log = logging.getLogger(__name__)

# One attempt of a plan within so many seconds; what it gives besides pieces, it keeps.
Work = Callable[[Plan, float], AsyncGenerator[Piece, None]]


class Attempts:
    """Makes calls and keeps their books."""

    def __init__(
        self, settings: Settings, database: Database, planner: Planner, circuits: Circuits, jitter: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._database = database
        self._planner = planner
        self._circuits = circuits
        self._jitter = jitter
        self._desk = Desk()
        self._line = Line(database, settings.budgets.wait_s, self._desk)

    async def follow(self, first: Draft, work: Work, run: Run) -> None:
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
        """Say whom to ask. Where nobody can be, that the reader may not ask or the model is unknown is told first."""
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


def _joined(last: Piece, piece: Piece) -> Piece:
    """Keep what a stream has said so far besides its text."""
    return Piece(
        finish_reason=piece.finish_reason or last.finish_reason,
        usage=piece.usage or last.usage,
        model_returned=piece.model_returned or last.model_returned,
        request_id=piece.request_id or last.request_id,
        tool_call=piece.tool_call or last.tool_call,
    )
