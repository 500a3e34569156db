"""The line of calls that wait for room in a budget: one queue for all processes, served by each for its own."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select

from moat import reservations
from moat.budgets import period_id
from moat.database import Database, catalog_now
from moat.desk import Desk
from moat.errors import BudgetExceeded, CallTooDear, MoatError, ModelNotAllowed
from moat.ledger import POLL_S, Opening, settle, try_open
from moat.records import Usage
from moat.reservations import Turn
from moat.tables import Budget, BudgetPeriod

log = logging.getLogger(__name__)
_STAY_EVERY_S = 1.0


@dataclass(slots=True, eq=False)
class _Waiter:
    """A call in the line; `ended` is done when it was opened, refused, or its reader has left."""

    opening: Opening
    turn: Turn
    deadline: float
    ended: asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class _Room:
    """What a budget allows at the moment."""

    settled_usd: Decimal
    taken_usd: Decimal
    limit_usd: Decimal


class Line:
    """Opens calls; those that only other calls under way are in the way of wait here, in order."""

    def __init__(self, database: Database, wait_s: float, desk: Desk) -> None:
        self._database = database
        self._desk = desk
        self._wait_s = wait_s
        self._id = uuid4()
        self._waiting: list[_Waiter] = []
        self._serving: asyncio.Task[None] | None = None
        self._stayed_at = 0.0

    async def open_call(self, prepare: Callable[[], Opening], *, until: float, unless: asyncio.Event) -> UUID:
        """Open the row of the call that `prepare` describes, which it does in a thread.

        It waits for room up to the longest wait or `until` (of the loop's clock).
        Raises BudgetExceeded when it does not fit, has waited in vain, or `unless` was set while it waited, and
        CallTooDear and ModelNotAllowed, which may come to hold while it waits.
        """
        opening, turn = await self._desk.do(self._open, prepare)
        if turn is not None:
            await self._wait(opening, turn, until, unless)
        return opening.call_id

    def _open(self, prepare: Callable[[], Opening]) -> tuple[Opening, Turn | None]:
        opening = prepare()
        return opening, try_open(self._database, opening, self._id)

    async def _wait(self, opening: Opening, turn: Turn, until: float, unless: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        waiter = _Waiter(opening, turn, min(loop.time() + self._wait_s, until), loop.create_future())
        self._waiting.append(waiter)
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        left = asyncio.create_task(unless.wait())
        either: set[asyncio.Future[Any]] = {waiter.ended, left}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not waiter.ended.done():
                raise BudgetExceeded("Nobody waits for this answer any more.")
            waiter.ended.result()
        finally:
            left.cancel()
            waiter.ended.cancel()  # if it is not done, whoever serves the line finds that nobody waits

    async def _serve(self) -> None:
        """Look again and again who can go on, as long as somebody waits."""
        try:
            while self._waiting:
                try:
                    await self._look()
                except MoatError as error:  # the catalog is busy or away: those who wait have their deadlines
                    log.warning("the line before the budgets could not be served: %s", error.detail)
                await asyncio.sleep(POLL_S)
        except Exception as error:
            for waiter in self._waiting:
                if not waiter.ended.done():
                    waiter.ended.set_exception(error)
            self._waiting.clear()
            raise

    async def _look(self) -> None:
        await self._dismiss()
        if self._waiting and time.monotonic() - self._stayed_at > _STAY_EVERY_S:
            self._stayed_at = time.monotonic()
            await self._desk.do(reservations.stay, self._database, self._id)
        self._waiting.sort(key=lambda waiter: (waiter.turn.since, waiter.opening.call_id))
        held_up: set[UUID] = set()
        for waiter in await self._desk.do(self._ready, tuple(self._waiting)):
            if waiter.turn.period_id not in held_up and not await self._try(waiter):
                held_up.add(waiter.turn.period_id)  # by another process's call, which goes first

    async def _dismiss(self) -> None:
        """Let those go who have left or waited too long."""
        now = asyncio.get_running_loop().time()
        for waiter in [w for w in self._waiting if w.ended.done() or now >= w.deadline]:
            self._waiting.remove(waiter)
            await self._desk.do(reservations.leave, self._database, waiter.opening.call_id)
            if not waiter.ended.done():
                waiter.ended.set_exception(waiter.turn.refusal)

    async def _try(self, waiter: _Waiter) -> bool:
        """Try again to open a call; False when it stays in the line."""
        if waiter.ended.done():
            return True
        try:
            turn = await self._desk.do(try_open, self._database, waiter.opening, self._id, waiter.turn)
        except (BudgetExceeded, CallTooDear, ModelNotAllowed) as refused:
            self._waiting.remove(waiter)
            if not waiter.ended.done():
                waiter.ended.set_exception(refused)
            return True
        if turn is not None:
            waiter.turn = turn
            return False
        self._waiting.remove(waiter)
        if not waiter.ended.done():
            waiter.ended.set_result(None)
        else:  # its reader left in this very moment: no call is made
            await self._desk.do(self._give_back, waiter.opening.call_id)
        return True

    def _give_back(self, call_id: UUID) -> None:
        settle(self._database, call_id, usage=Usage(), cost_usd=Decimal(0), status="cancelled")

    def _ready(self, waiting: Sequence[_Waiter]) -> list[_Waiter]:
        """Find, without holding anything, who has a chance now: room, none any more, or another period."""
        rooms = self._rooms({waiter.turn.period_id for waiter in waiting})
        ready: list[_Waiter] = []
        ahead: dict[UUID, Decimal] = {}
        for waiter in waiting:
            id_, ceiling = waiter.turn.period_id, waiter.opening.ceiling_usd
            room = rooms.get(id_)
            if room is None or room.settled_usd + ceiling > room.limit_usd:
                ready.append(waiter)
                continue
            wanted = ahead.get(id_, room.taken_usd) + ceiling
            ahead[id_] = wanted  # what does not fit holds up those behind it
            if wanted <= room.limit_usd:
                ready.append(waiter)
        return ready

    def _rooms(self, ids: set[UUID]) -> dict[UUID, _Room]:
        with self._database.reading() as session:
            now: datetime = catalog_now(session)
            found = session.execute(
                select(BudgetPeriod, Budget)
                .join(Budget, Budget.id == BudgetPeriod.budget_id)
                .where(BudgetPeriod.id.in_(ids))
            ).all()
            return {
                period.id: _Room(period.settled_usd, period.settled_usd + period.reserved_usd, budget.limit_usd)
                for period, budget in found
                if budget.hard and period.id == period_id(budget.id, budget.period, now)
            }
