"""Every call to a language model goes through here: priced before, retried in time, booked whatever happens."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Literal
from uuid import UUID

from anyio import CancelScope, to_thread

from moat import ledger
from moat.database import Database
from moat.errors import BudgetExceeded, InvalidRequest, ProviderError, ProviderTimeout, UnpricedModel
from moat.ledger import CallContext, Opening
from moat.llm.price_book import PriceBook
from moat.llm.price_list import sheet_of
from moat.llm.prices import CEILING_FACTOR, Bill, PriceSheet
from moat.llm.providers import AttemptFailed, Message, Piece, count_prompt, count_tokens, load, stream_chat
from moat.llm.usage import estimated
from moat.provider_settings import ModelSettings, ProviderSettings
from moat.records import Reader, Usage
from moat.settings import Settings
from moat.waiting import Line

__all__ = ["EXTRACTIVE", "CallContext", "Delta", "Gateway", "Message", "ModelInfo", "Quote"]

EXTRACTIVE = "extractive"
RETRY_BASE_S = 0.5
# A row that outlives its call's longest life by this much belongs to a process that died.
EXPIRY_MARGIN_S = 60
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of text; the last one has the usage and why the model stopped."""

    text: str = ""
    finish_reason: str = ""
    usage: Usage | None = None
    tool_call: bool = False


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
class _Plan:
    """A call that may be made."""

    provider: str
    model: str
    server: ProviderSettings
    known: ModelSettings
    prices: PriceSheet
    price_version: str
    messages: tuple[Message, ...]
    prompt_tokens: int
    ceiling_usd: Decimal
    context: CallContext


@dataclass(slots=True)
class _Run:
    """A call under way: it goes on by itself when its reader leaves, until its bill is known."""

    deadline: float
    deltas: asyncio.Queue[Delta | None] = field(default_factory=asyncio.Queue)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    timeout: asyncio.Timeout | None = None
    text: list[str] = field(default_factory=list)

    def leave(self, drain_s: float) -> None:
        """The reader is gone: read on for the bill, but not for long."""
        self.left.set()
        self.deadline = min(self.deadline, asyncio.get_running_loop().time() + drain_s)
        if self.timeout is not None:
            self.timeout.reschedule(self.deadline)


class Gateway:
    """Streams answers of the configured models and keeps their books."""

    def __init__(self, settings: Settings, database: Database, jitter: Callable[[], float] = random.random) -> None:
        self._settings = settings
        self._database = database
        self._prices = PriceBook(database)
        self._line = Line(database, settings.budgets.wait_s)
        self._jitter = jitter
        self._running: set[asyncio.Task[None]] = set()

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
        allowed = ", ".join((EXTRACTIVE, *self._settings.models))
        raise InvalidRequest(f"There is no model {name[:100]!r}.", f"Models are {allowed}.")

    def models(self) -> list[ModelInfo]:
        """List the models that may answer, `extractive` first."""
        default = self._settings.default_model
        free = Decimal(0)
        return [ModelInfo(EXTRACTIVE, "moat", None, free, free, default == EXTRACTIVE)] + [
            self._info(name, known, default == name) for name, known in self._settings.models.items()
        ]

    async def stream(
        self, model: str, messages: Sequence[Message], *, purpose: CallContext
    ) -> AsyncGenerator[Delta, None]:
        """Stream one answer; the last delta has its usage.

        Retries what may be retried until the first text, within the deadline. Raises InvalidRequest and UnpricedModel
        before any call, ProviderError and ProviderTimeout after. Closing the generator early still books the call.
        """
        plan = await to_thread.run_sync(self._plan, model, tuple(messages), purpose)
        run = _Run(asyncio.get_running_loop().time() + self._settings.answering.deadline_s)
        task = asyncio.create_task(self._attempts(plan, run))
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

    def quote(self, model: str, messages: Sequence[Message]) -> Quote:
        """Say what a call would cost; raises InvalidRequest and UnpricedModel as the call would."""
        plan = self._plan(model, tuple(messages), CallContext(None, Reader(key_id=None, user="")))
        return Quote(
            plan.prompt_tokens, plan.known.max_output_tokens, plan.ceiling_usd, plan.price_version, plan.prices
        )

    async def close(self) -> None:
        """Wait for the calls under way to be booked."""
        if self._running:
            await asyncio.wait(self._running)

    def _info(self, name: str, known: ModelSettings, default: bool) -> ModelInfo:
        provider, _, model = name.partition("/")
        try:
            server = self._settings.providers.get(provider, ProviderSettings())
            prices: tuple[Decimal | None, Decimal | None] = sheet_of(provider, model, server, known).per_million()
        except UnpricedModel:
            prices = None, None
        return ModelInfo(name, provider, known.context_window, *prices, default, known.max_output_tokens)

    def _plan(self, name: str, messages: tuple[Message, ...], context: CallContext) -> _Plan:
        provider, _, model = self.resolve(name).partition("/")
        if not model:
            raise InvalidRequest(f"{name!r} is not a language model.", "Name one of [models] in moat.toml.")
        server, known = self._settings.providers[provider], self._settings.models[name]
        prices = sheet_of(provider, model, server, known)
        prompt_tokens = count_prompt(messages)
        if prompt_tokens + known.max_output_tokens > known.context_window:
            raise InvalidRequest(
                f"The prompt of {prompt_tokens} tokens does not fit the {known.context_window} tokens of {name}.",
                "Ask a shorter question, or lower answering.context_tokens.",
            )
        load()
        ceiling = prices.ceiling(prompt_tokens, known.max_output_tokens, tier=server.service_tier)
        version = self._prices.keep(prices)
        return _Plan(provider, model, server, known, prices, version, messages, prompt_tokens, ceiling, context)

    async def _attempts(self, plan: _Plan, run: _Run) -> None:
        try:
            for attempt in range(1, plan.server.max_retries + 2):
                try:
                    await self._attempt(plan, run, attempt)
                    return
                except AttemptFailed as failed:
                    last = attempt > plan.server.max_retries
                    if last or run.text or not failed.retryable or not await self._wait(run, attempt, failed):
                        raise failed.error from failed
        finally:
            run.deltas.put_nowait(None)

    async def _wait(self, run: _Run, attempt: int, failed: AttemptFailed) -> bool:
        """Wait before the next attempt; False when the time is over or the reader has left."""
        wait_s = failed.retry_after_s
        if wait_s is None:
            wait_s = RETRY_BASE_S * 2 ** (attempt - 1) * (0.5 + self._jitter())
        if asyncio.get_running_loop().time() + wait_s >= run.deadline:
            return False
        try:
            async with asyncio.timeout(wait_s):
                await run.left.wait()
        except TimeoutError:
            return True
        return False

    async def _attempt(self, plan: _Plan, run: _Run, attempt: int) -> None:
        """Make one attempt between opening and settling its row."""
        limits = self._settings.answering
        plan, call_id = await self._open(plan, run, attempt)
        last = Piece()
        try:
            async with asyncio.timeout_at(run.deadline) as run.timeout:
                timeout_s = max(1.0, run.deadline - asyncio.get_running_loop().time())
                async for piece in stream_chat(
                    plan.provider, plan.model, plan.server, plan.known, plan.messages, timeout_s
                ):
                    last = _joined(last, piece)
                    if piece.text:
                        run.text.append(piece.text)
                        run.deltas.put_nowait(Delta(piece.text))
        except TimeoutError as error:
            await self._book(plan, call_id, run, last, "cancelled", billed=True)
            timeout = ProviderTimeout(f"{plan.provider} did not finish within {limits.deadline_s:g} seconds.")
            raise AttemptFailed(timeout, retryable=False, billed=True) from error
        except AttemptFailed as failed:
            await self._book(plan, call_id, run, last, "failed", billed=failed.billed)
            raise
        finally:
            run.timeout = None
        if not last.finish_reason:
            await self._book(plan, call_id, run, last, "failed", billed=True)
            cut = ProviderError(f"{plan.provider} broke off its answer before the end.")
            raise AttemptFailed(cut, retryable=True, billed=True)
        usage = await self._book(plan, call_id, run, last, "ok", billed=True)
        run.deltas.put_nowait(Delta(finish_reason=last.finish_reason, usage=usage, tool_call=last.tool_call))

    async def _open(self, plan: _Plan, run: _Run, attempt: int) -> tuple[_Plan, UUID]:
        """Open the row of an attempt; where a budget has no room, of one with the cheaper model that it names."""
        limits = self._settings.answering
        while True:
            opening = Opening(
                plan.context,
                provider=plan.provider,
                model=plan.model,
                attempt=attempt,
                ceiling_usd=plan.ceiling_usd,
                price_version=plan.price_version,
                lasts_at_most=timedelta(seconds=limits.deadline_s + limits.drain_s + EXPIRY_MARGIN_S),
            )
            try:
                return plan, await self._line.open_call(opening, until=run.deadline, unless=run.left)
            except BudgetExceeded as refused:
                if refused.cheaper_model in (None, EXTRACTIVE):  # quoting is no call: the answer is made elsewhere
                    raise
                cheaper = await to_thread.run_sync(self._plan, refused.cheaper_model, plan.messages, plan.context)
                if cheaper.ceiling_usd >= plan.ceiling_usd:
                    raise
                plan = cheaper

    async def _book(
        self,
        plan: _Plan,
        call_id: UUID,
        run: _Run,
        last: Piece,
        status: Literal["ok", "failed", "cancelled"],
        *,
        billed: bool,
    ) -> Usage:
        """Settle a call: as reported; at nothing when it cannot be billed; a whole answer as counted here; else as
        presumed, at its ceiling."""
        if last.usage is not None:
            usage, bill = last.usage, plan.prices.bill(last.usage, plan.ceiling_usd)
        elif not billed:
            usage, bill = Usage(), Bill(Decimal(0))
        else:
            output_tokens = await to_thread.run_sync(count_tokens, "".join(run.text))
            usage = estimated(plan.prompt_tokens, output_tokens)
            bill = plan.prices.bill(usage, plan.ceiling_usd)
            if status != "ok":
                await to_thread.run_sync(ledger.presume, self._database, call_id, usage)
                return usage
        await to_thread.run_sync(
            partial(
                ledger.settle,
                self._database,
                call_id,
                usage=usage,
                cost_usd=bill.cost_usd,
                flags=bill.flags,
                status=status,
                model_returned=last.model_returned,
                request_id=last.request_id,
            )
        )
        return usage


def _joined(last: Piece, piece: Piece) -> Piece:
    """Keep what a stream has said so far besides its text."""
    return Piece(
        finish_reason=piece.finish_reason or last.finish_reason,
        usage=piece.usage or last.usage,
        model_returned=piece.model_returned or last.model_returned,
        request_id=piece.request_id or last.request_id,
        tool_call=piece.tool_call or last.tool_call,
    )
