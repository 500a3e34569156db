"""The API dies at any step of a paid call: whatever the provider was asked is in the ledger, once."""

import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, update

from moat.tables import AnswerRow, CallRow, utc_now
from tests.fakes.models import COST, PIECES, rows
from tests.fakes.openai_server import FakeOpenAI, Reply
from tests.fakes.paid_world import PaidWorld, number_of, paid_world, question, ready
from tests.fakes.patient import eventually
from workers.sweep import sweep

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(3000)]
BRIEF = {"MOAT_ANSWERING__DEADLINE_S": "15", "MOAT_ANSWERING__DRAIN_S": "1"}
KILLS = 200


def ask(world: PaidWorld, number: int) -> int:
    """Ask once and never again, as a call that is made twice may be billed twice; gives the status, 0 for none."""
    try:
        url = f"{world.processes[0].url}/v1/answers"
        return httpx.post(url, json=question(number), headers=world.headers(), timeout=30).status_code
    except httpx.TransportError:
        return 0


def steps_of_a_call(world: PaidWorld) -> int:
    """Count the statements that one question passes, when everything has been loaded."""
    assert ask(world, 0) == 200
    before = passed(world)
    assert ask(world, 1) == 200
    return passed(world) - before


def passed(world: PaidWorld) -> int:
    (world.faults / "passed").unlink(missing_ok=True)
    os.kill(world.processes[0].pid, signal.SIGUSR1)
    return int(eventually(lambda: (world.faults / "passed").exists() and (world.faults / "passed").read_text()))


def kill_at_statement(world: PaidWorld, numbers: Iterator[int], statement: int) -> None:
    """Ask a question whose API dies before the statement of this number; a slow one may need another question."""
    ready(world.processes[0])  # else it would die while it starts, and its successor answer
    pid = world.processes[0].pid
    (world.faults / "armed.new").write_text(str(statement))
    (world.faults / "armed.new").rename(world.faults / "armed")
    while ask(world, next(numbers)) and world.processes[0].pid == pid:
        continue
    eventually(lambda: world.processes[0].pid != pid)


def kill_in_stream(world: PaidWorld, number: int) -> None:
    """Ask a question whose API dies while the provider is answering."""
    pid = world.processes[0].pid
    world.fake.go.clear()
    world.fake.reached_pause.clear()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, world, number)
        assert world.fake.reached_pause.wait(30)
        world.processes[0].kill()
        assert asked.result() == 0
    world.fake.go.set()
    eventually(lambda: world.processes[0].pid != pid)


@pytest.mark.parametrize("kills", [12, pytest.param(KILLS, marks=pytest.mark.soak)])
def test_each_line_of_the_providers_log_has_one_row_and_each_row_without_one_is_flagged(
    tmp_path: Path, kills: int
) -> None:
    chance = random.Random(kills)
    with paid_world(
        tmp_path, FakeOpenAI([Reply(PIECES, pause_before=1)]), settings={**BRIEF, "FAULTS": str(tmp_path / "faults")}
    ) as world:
        world.fake.go.set()
        world.limit("100")
        steps = steps_of_a_call(world)
        in_stream = kills // 10
        # Every part of the call is struck: one statement of each slice, by chance.
        slices = [chance.uniform(n, n + 1) * steps / (kills - in_stream) for n in range(kills - in_stream)]
        chance.shuffle(slices)
        numbers = count(2)
        for statement in slices:
            kill_at_statement(world, numbers, int(statement))
        for _ in range(in_stream):
            kill_in_stream(world, next(numbers))
        assert ask(world, next(numbers)) == 200
        unsettled = [row for row in rows(world.api, CallRow) if row.status == "open"]
        assert unsettled, "else nothing died in mid-call"
        with world.api.database.transaction() as session:  # as if the time of a call had passed
            session.execute(update(CallRow).where(CallRow.status == "open").values(expires_at=utc_now()))
        sweep(world.api.worker)
        books_are_right(world, kills, steps)


def books_are_right(world: PaidWorld, kills: int, steps: int) -> None:
    with world.api.database.reading() as session:
        asked = select(AnswerRow.question, CallRow).join(CallRow, CallRow.answer_id == AnswerRow.id)
        calls = [(number_of(text), call) for text, call in session.execute(asked)]
    lines, booked = Counter(world.lines()), Counter(number for number, _ in calls)
    without_line = [call for number, call in calls if number not in lines]
    with_line = [call for number, call in calls if number in lines]
    exact = [call for call in with_line if call.status == "ok"]
    presumed = [call for call in with_line if call.status == "presumed"]
    print(
        f"{kills} kills over {steps} statements: {len(world.lines())} lines, {len(calls)} rows; of those with a line "
        f"{len(exact)} exact and {len(presumed)} at their ceiling, {len(without_line)} without a line"
    )
    assert len(calls) == len(rows(world.api, CallRow))
    assert max(booked.values()) == max(lines.values()) == 1
    assert set(lines) <= set(booked), "a call was made that nobody booked"
    assert {call.cost_usd for call in exact} == {COST}
    assert len(exact) + len(presumed) == len(with_line)
    for call in (*presumed, *without_line):
        assert (call.status, call.usage, call.cost_usd) == ("presumed", "estimated", call.ceiling_usd)
    found = world.standing()
    assert (found.spent_usd, found.reserved_usd) == (sum(call.cost_usd for _, call in calls), 0)
