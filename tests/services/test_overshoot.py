"""However many questions come at once, no budget is overspent, and no question is refused while there is room."""

import asyncio
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text

from moat.database import Database
from moat.tables import BudgetWait, CallRow
from tests.fakes.models import PIECES, rows
from tests.fakes.openai_server import FakeOpenAI, Reply
from tests.fakes.paid_world import PaidWorld, paid_world, question
from tests.fakes.postgres import empty_database, postgres

__all__ = ["postgres"]
pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(1800)]
_CEILING = re.compile(r"may cost up to \$([0-9.]+)\.")
# The waits outlast the run: nobody is refused for having waited in vain.
PATIENT = {f"MOAT_{name}": "1200" for name in ("BUDGETS__WAIT_S", "ANSWERING__DEADLINE_S", "ANSWERING__SEARCH_WAIT_S")}


class Dear(FakeOpenAI):
    """Answers whose costs differ, by chance that is the same in every run."""

    def __init__(self, seed: int) -> None:
        super().__init__([Reply(PIECES)])
        self._chance = random.Random(seed)

    def next_reply(self) -> Reply:
        usage = {"prompt_tokens": self._chance.randint(100, 300), "completion_tokens": self._chance.randint(100, 800)}
        return Reply(PIECES, usage={**usage, "total_tokens": sum(usage.values())})


@dataclass(frozen=True)
class Size:
    questions: int
    limit: str


SMALL, WHOLE = Size(60, "0.25"), Size(1000, "5.00")


@contextmanager
def peaks_of(database: Database) -> Iterator[list[Decimal]]:
    """Have the catalog itself write down what every commit has made of settled + reserved; filled in the end."""
    on_sqlite = database.is_sqlite
    number, total = "INTEGER" if on_sqlite else "NUMERIC(24, 12)", "NEW.settled_usd + NEW.reserved_usd"
    with database.transaction() as session:
        session.execute(text(f"CREATE TABLE peaks (usd {number})"))
        if on_sqlite:
            insert = f"INSERT INTO peaks VALUES ({total})"
            session.execute(text(f"CREATE TRIGGER peak AFTER UPDATE ON budget_periods BEGIN {insert}; END"))
        else:
            body = f"BEGIN INSERT INTO peaks VALUES ({total}); RETURN NEW; END"
            session.execute(text(f"CREATE FUNCTION peak() RETURNS trigger AS $$ {body} $$ LANGUAGE plpgsql"))
            session.execute(
                text("CREATE TRIGGER peak AFTER UPDATE ON budget_periods FOR EACH ROW EXECUTE FUNCTION peak()")
            )
    found: list[Decimal] = []
    yield found
    with database.reading() as session:
        for usd in session.execute(text("SELECT usd FROM peaks")).scalars():
            found.append(Decimal(usd).scaleb(-12) if on_sqlite else Decimal(usd))


async def ask_all(world: PaidWorld, count: int) -> list[httpx.Response]:
    """Send every question at once, spread over the processes."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=1500, limits=limits, headers=world.headers()) as client:

        def one(number: int) -> Any:
            url = world.processes[number % len(world.processes)].url
            return client.post(f"{url}/v1/answers", json=question(number))

        return list(await asyncio.gather(*(one(number) for number in range(count))))


@pytest.mark.parametrize("size", [SMALL, pytest.param(WHOLE, marks=pytest.mark.soak)], ids=["small", "whole"])
@pytest.mark.parametrize("catalog", ["sqlite", "postgresql"])
def test_budget_is_spent_to_the_last_call_and_never_over(
    tmp_path: Path, request: pytest.FixtureRequest, catalog: str, size: Size
) -> None:
    if catalog == "postgresql":  # two processes on one catalog
        with empty_database(request.getfixturevalue("postgres")) as url:
            spend(tmp_path, size, apis=2, database_url=url)
    else:
        spend(tmp_path, size)


def spend(folder: Path, size: Size, **how: Any) -> None:
    limit = Decimal(size.limit)
    with paid_world(folder, Dear(size.questions), settings=PATIENT, **how) as world:
        world.limit(size.limit)
        with peaks_of(world.api.database) as peaks:
            answers = asyncio.run(ask_all(world, size.questions))
        found, calls = world.standing(), rows(world.api, CallRow)
        waiting = rows(world.api, BudgetWait)
        answered = [answer for answer in answers if answer.status_code == 200]
        refused = [answer for answer in answers if answer.status_code == 402]
        most = max(call.ceiling_usd for call in calls)
        print(
            f"{len(answered)} answered, {len(refused)} refused; ${found.spent_usd} of ${limit} spent, "
            f"at most ${max(peaks)} settled and reserved in {len(peaks)} commits, a call at most ${most}"
        )
        assert len(answered) + len(refused) == size.questions, {answer.status_code for answer in answers}
        assert refused, "else the limit was not tried"
        assert max(peaks) <= limit
        assert limit - most < found.spent_usd <= limit
        assert (found.reserved_usd, waiting) == (0, [])
        assert found.spent_usd == sum(call.cost_usd for call in calls)
        assert len(calls) == len(answered) == len(world.fake.requests)
        for answer in refused:
            told = answer.json()
            (ceiling,) = _CEILING.findall(told["detail"])
            assert Decimal(told["left_usd"]) < Decimal(ceiling), "there was room for it"
        with world.api.database.reading() as session:
            assert set(session.scalars(select(CallRow.status))) == {"ok"}
