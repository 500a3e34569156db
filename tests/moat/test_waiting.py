"""Calls wait for room in order until there is some; one that may not be made any more holds nobody up."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from moat import ledger
from moat.budgets import Wish, set_budget
from moat.database import Database
from moat.desk import Desk
from moat.errors import BudgetExceeded, ModelNotAllowed
from moat.ledger import CallContext, Opening
from moat.records import Usage
from moat.tables import BudgetWait
from moat.waiting import Line
from tests.fakes.catalogs import database
from tests.fakes.patient import eventually
from tests.fakes.spending import ADMIN, ANN

__all__ = ["database"]
pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def budget(database: Database) -> None:
    with database.transaction() as session:
        set_budget(database, session, ADMIN, Wish("deployment", "", "total", Decimal(1)))


def call(may: Callable[[Session], None] | None = None) -> Opening:
    context, lasts_at_most = CallContext(uuid4(), ANN), timedelta(minutes=1)
    return Opening(context, "fake", "small", 1, Decimal("0.6"), "test", lasts_at_most, may=may)


def waiting(database: Database) -> int:
    with database.reading() as session:
        return len(session.scalars(select(BudgetWait)).all())


async def in_line(database: Database, line: Line, opening: Opening, places: int) -> asyncio.Task[object]:
    """Have a call wait until so many do."""
    until = asyncio.get_running_loop().time() + 20
    task: asyncio.Task[object] = asyncio.create_task(
        line.open_call(lambda: opening, until=until, unless=asyncio.Event())
    )
    await asyncio.to_thread(eventually, lambda: waiting(database) == places)
    return task


async def test_a_call_that_may_not_be_made_any_more_leaves_the_line_to_those_behind_it(database: Database) -> None:
    line, allowed = Line(database, 20, Desk()), [True]

    def may(_: Session) -> None:
        if not allowed:
            raise ModelNotAllowed("Its text may not go there any more.")

    under_way = call()
    assert ledger.try_open(database, under_way, uuid4()) is None
    first = await in_line(database, line, call(may), 1)
    second = await in_line(database, line, call(), 2)
    allowed.clear()
    ledger.settle(database, under_way.call_id, usage=Usage(), cost_usd=Decimal("0.1"), status="ok")
    with pytest.raises(ModelNotAllowed):
        await first
    await second
    assert waiting(database) == 0


async def test_who_waits_in_vain_is_refused_and_has_no_place_any_more(database: Database) -> None:
    assert ledger.try_open(database, call(), uuid4()) is None
    with pytest.raises(BudgetExceeded, match="calls under way"):
        await Line(database, 0.1, Desk()).open_call(
            call, until=asyncio.get_running_loop().time() + 20, unless=asyncio.Event()
        )
    assert waiting(database) == 0
